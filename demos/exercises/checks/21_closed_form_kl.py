"""A loss with the KL in closed form, and what goes wrong in it."""
import numpy as np

from minivae import Dense, bernoulli_logpdf, gaussian_kl, reparameterize
from minivae.layers import sigmoid

from common.exercise import Exercise, Mistake, call, slopes

OUTPUTS = "loss", "dmu", "dlogvar"


def cases(rng):
    return [{"x": 1. * (rng.random((N, P)) < 0.5),
             "w": rng.standard_normal((D, P)),
             **{name: rng.standard_normal((N, D))
                for name in ("mu", "logvar", "eps")}}
            for N, P, D in ((4, 5, 2), (3, 6, 3))]


def run(its, x, w, mu, logvar, eps):
    decoder = Dense(*w.shape, dtype=w.dtype)
    decoder.params["w"] = w
    return call(its.loss_and_gradients, OUTPUTS, decoder=decoder, x=x, mu=mu,
                logvar=logvar, eps=eps)


def loss(x, w, mu, logvar, eps, kl=lambda mu, logvar: gaussian_kl(
        mu, logvar)[0]):
    z = reparameterize(mu, logvar, eps)
    return kl(mu, logvar) - bernoulli_logpdf(x, z @ w)[0]      # (N,)


def right(x, w, mu, logvar, eps):
    def mean(mu, logvar):
        return loss(x, w, mu, logvar, eps).mean()
    dmu, dlogvar = slopes(mean, 1.0, mu, logvar)
    return {"loss": mean(mu, logvar), "dmu": dmu, "dlogvar": dlogvar}


def wrong(kl=1, prior=0, entropy=0, images=1, into_z=0, reconstruction=1):
    """Return gradients in which one of the terms has another factor."""
    def gives(x, w, mu, logvar, eps):
        sigma, N = np.exp(0.5 * logvar), len(x)
        z = mu + sigma * eps
        _, kl_mu, kl_logvar = gaussian_kl(mu, logvar)
        dz = (reconstruction * (sigmoid(z @ w) - x) @ w.T / N + prior * z / N
              + into_z * kl_mu / N)
        dmu = dz + (1 - into_z) * kl * kl_mu / N ** images
        dlogvar = (dz * 0.5 * sigma * eps - entropy * 0.5 / N
                   + kl * kl_logvar / N ** images)
        return {"dmu": dmu, "dlogvar": dlogvar}
    return gives


EXERCISE = Exercise(
    needs=("loss_and_gradients",), read="minivae/vae.py", single=False,
    hints=("Forward first: z, logits, both terms, and a mean over images. "
           "Then mark where z, mu and logvar stand.",
           "z enters log p(x|z) only; the prior's term in dz is gone, and so "
           "is log q(z|x)'s in dlogvar. mu and logvar enter the KL directly.",
           "So mu and logvar get a gradient from two sides, which add: that "
           "of the KL over N, and that of z, through "
           "reparameterize_backward."),
    cases=cases, run=run, right=right,
    mistakes=[
        Mistake("a prior's gradient in dz, left over from the one-sample KL",
                "log p(z) is not in this loss any more.", wrong(prior=1)),
        Mistake("log q(z|x)'s gradient, left over from the one-sample KL",
                "log q(z|x) is not in this loss any more.",
                wrong(entropy=1)),
        Mistake("both leftovers of the one-sample KL: the KL counts twice",
                "neither log p(z) nor log q(z|x) is in this loss any more.",
                wrong(prior=1, entropy=1)),
        Mistake("the KL in the loss only, with no gradient",
                "mu and logvar enter the KL, too.", wrong(kl=0)),
        Mistake("the KL's gradient without 1/N",
                "the loss is a mean over images, of both terms.",
                wrong(images=0)),
        Mistake("the KL's gradient with the other sign",
                "the loss is KL - log p(x|z).", wrong(kl=-1)),
        Mistake("the KL's dmu added to dz, from where it reaches logvar, too",
                "the KL does not depend on z; add its gradients at the end.",
                wrong(into_z=1)),
        Mistake("the reconstruction's gradient with the other sign",
                "the loss is KL - log p(x|z).", wrong(reconstruction=-1)),
        Mistake("the ELBO, not minus it",
                "a loss is what becomes smaller.",
                lambda **case: {"loss": -loss(**case).mean()}),
        Mistake("a sum over images, where the loss is a mean",
                "one number per image would depend on the batch's size.",
                lambda **case: {"loss": loss(**case).sum()}),
        Mistake("a loss per image, where one number was asked for",
                "the loss is a mean over images.",
                lambda **case: {"loss": loss(**case)}),
        Mistake("a mean of the KL over the D numbers of a code",
                "the numbers of a code are independent: their costs add. "
                "(gaussian_kl has summed them.)",
                lambda **case: {"loss": loss(**case, kl=lambda mu, logvar: (
                    gaussian_kl(mu, logvar)[0] / mu.shape[1])).mean()})])
