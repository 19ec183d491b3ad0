"""The Gaussian's log-density, and what goes wrong in it."""
import numpy as np

from minivae import gaussian_logpdf
from minivae.losses import LOG_2PI

from common.exercise import Exercise, Mistake, call

OUTPUTS = "logpdf", "dz", "dmu", "dlogvar"


def cases(rng):
    return [{name: rng.standard_normal(shape)
             for name in ("z", "mu", "logvar")} for shape in ((4, 3), (2, 5))]


def right(z, mu, logvar):
    return dict(zip(OUTPUTS, gaussian_logpdf(z, mu, logvar)))


def only(**changes):
    """Return some outputs of the right ones, each changed by a function."""
    def gives(**case):
        outputs = right(**case)
        return {name: changes[name](outputs[name], **case)
                for name in changes}
    return gives


EXERCISE = Exercise(
    needs=("my_gaussian_logpdf",), read="minivae/losses.py",
    hints=("var = e^logvar, and 1/var = e^-logvar. The sum over D leaves one "
           "number per code.",
           "Let u = (z - mu)/sigma with sigma = e^(logvar/2). Then the last "
           "term is u^2, and du/dz = 1/sigma, du/dmu = -1/sigma.",
           "logvar stands in two places: as log(var), and in u^2 = (z - mu)^2 "
           "* e^-logvar. The derivative of the second is minus itself."),
    cases=cases,
    run=lambda its, **case: call(its.my_gaussian_logpdf, OUTPUTS, **case),
    right=right,
    mistakes=[
        Mistake("a value without log(2 pi)",
                "the density has to integrate to 1.", only(
                    logpdf=lambda a, z, **_: a + 0.5 * LOG_2PI * z.shape[1])),
        Mistake("log(2 pi) once, not for each of the D numbers",
                "D densities are multiplied: each has its own 2 pi.", only(
                    logpdf=lambda a, z, **_: a + 0.5 * LOG_2PI * (
                        z.shape[1] - 1))),
        Mistake("log(2 pi) without its 1/2",
                "which terms are in the bracket?", only(
                    logpdf=lambda a, z, **_: a - 0.5 * LOG_2PI * z.shape[1])),
        Mistake("logvar taken for log(sigma)",
                "logvar is the logarithm of the variance, sigma^2.",
                lambda z, mu, logvar: {
                    k: a * (2 if k == "dlogvar" else 1)
                    for k, a in right(z, mu, 2 * logvar).items()}),
        Mistake("a mean over the D numbers where a sum belongs",
                "D densities are multiplied, so their logarithms add.",
                only(logpdf=lambda a, z, **_: a / z.shape[1])),
        Mistake("a sum over codes, too: one number in all",
                "each code has its own log-density.",
                only(logpdf=lambda a, **_: a.sum())),
        Mistake("(z - mu)^2 times the variance, not over it",
                "look at the sign in the exponent.",
                lambda z, mu, logvar: {"logpdf": -0.5 * (
                    LOG_2PI + logvar + (z - mu) ** 2
                    * np.exp(logvar)).sum(1)}),
        Mistake("dz and dmu exchanged",
                "a z that is too large wants to become smaller.",
                only(dz=lambda a, **_: -a, dmu=lambda a, **_: -a)),
        Mistake("dz and dmu over sigma, not over sigma^2",
                "the derivative of u^2/2 is u * du/dz, and both have a sigma.",
                only(dz=lambda a, logvar, **_: a * np.exp(0.5 * logvar),
                     dmu=lambda a, logvar, **_: a * np.exp(0.5 * logvar))),
        Mistake("dlogvar without its 1/2",
                "the whole bracket has a 1/2.",
                only(dlogvar=lambda a, **_: 2 * a)),
        Mistake("dlogvar without the term of log(var)",
                "logvar stands in two places.",
                only(dlogvar=lambda a, **_: a + 0.5)),
        Mistake("dlogvar of log(var) alone",
                "logvar stands in two places.",
                only(dlogvar=lambda a, **_: np.full_like(a, -0.5)))])
