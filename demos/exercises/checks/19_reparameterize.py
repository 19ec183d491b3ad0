"""The reparameterization trick, and what goes wrong in it."""
import numpy as np

from minivae import reparameterize
from minivae.vae import reparameterize_backward

from common.exercise import Exercise, Mistake, call


def cases(rng):
    return [{name: rng.standard_normal(shape)
             for name in ("mu", "logvar", "eps", "dz")}
            for shape in ((4, 3), (2, 5))]


def run(its, mu, logvar, eps, dz):
    def once():
        z = its.reparameterize(mu, logvar, eps)
        return {"z": z, **call(its.reparameterize_backward, (
            "dmu", "dlogvar"), dz=dz, mu=mu, logvar=logvar, eps=eps)}
    outputs = once()
    same = all(np.asarray(a).tobytes() == np.asarray(b).tobytes()
               for a, b in zip(outputs.values(), once().values()))
    return {**outputs, "repeatability": np.float64(same)}


def right(mu, logvar, eps, dz):
    dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
    return {"z": reparameterize(mu, logvar, eps), "dmu": dmu,
            "dlogvar": dlogvar, "repeatability": np.float64(1)}


EXERCISE = Exercise(
    needs=("reparameterize", "reparameterize_backward"),
    read="minivae/vae.py", single=False,
    hints=("eps has mean 0 and variance 1. What has to be done to it, to get "
           "mean mu and standard deviation sigma?",
           "sigma^2 = e^logvar, so sigma = e^(logvar/2).",
           "z is a sum: what is dz/dmu? And the derivative of e^(logvar/2) "
           "with respect to logvar is itself, times something."),
    cases=cases, run=run, right=right,
    mistakes=[
        Mistake("sigma = e^logvar, forward and backward",
                "logvar is the logarithm of the variance: its gradient "
                "agrees, but codes are spread wrongly.",
                lambda mu, logvar, eps, dz: {
                    "z": mu + np.exp(logvar) * eps,
                    "dlogvar": dz * np.exp(logvar) * eps}, published=True),
        Mistake("logvar used as sigma",
                "sigma has to be positive; what makes it so?",
                lambda mu, logvar, eps, dz: {"z": mu + logvar * eps,
                                             "dlogvar": dz * eps}),
        Mistake("the 1/2 missing in the derivative of sigma",
                "the chain rule for e^(logvar/2).",
                lambda mu, logvar, eps, dz: {
                    "dlogvar": dz * np.exp(0.5 * logvar) * eps}),
        Mistake("no gradient through sigma",
                "z depends on logvar, too.",
                lambda dz, **_: {"dlogvar": np.zeros_like(dz)}),
        Mistake("dlogvar without eps",
                "sigma is multiplied by eps in z.",
                lambda mu, logvar, eps, dz: {
                    "dlogvar": dz * 0.5 * np.exp(0.5 * logvar)}),
        Mistake("dlogvar with z where eps belongs",
                "what is multiplied by sigma in z?",
                lambda mu, logvar, eps, dz: {
                    "dlogvar": dz * 0.5 * np.exp(0.5 * logvar)
                    * reparameterize(mu, logvar, eps)}),
        Mistake("dlogvar without the upstream gradient",
                "the chain rule has two factors; where does dz come in?",
                lambda mu, logvar, eps, dz: {
                    "dlogvar": 0.5 * np.exp(0.5 * logvar) * eps}),
        Mistake("dmu without the upstream gradient",
                "the chain rule has two factors; where does dz come in?",
                lambda dz, **_: {"dmu": np.ones_like(dz)}),
        Mistake("sigma^2 = e^-logvar: a sign in the exponent",
                "a large logvar is a wide cloud.",
                lambda mu, logvar, eps, dz: {
                    "z": mu + np.exp(-0.5 * logvar) * eps,
                    "dlogvar": -0.5 * dz * np.exp(-0.5 * logvar) * eps}),
        Mistake("noise of its own: the same eps gives another result",
                "eps is an argument, so that forward and backward have the "
                "same: call no random function.",
                lambda **_: {"repeatability": np.float64(0)}, published=True)])
