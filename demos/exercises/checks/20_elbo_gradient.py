"""The gradient of minus the ELBO, and what goes wrong in it."""
import numpy as np

from minivae import Dense, bernoulli_logpdf, gaussian_logpdf, reparameterize
from minivae.layers import sigmoid

from common.exercise import Exercise, Mistake, call, slopes

OUTPUTS = "dlogits", "dz", "dmu", "dlogvar"


def cases(rng):
    return [{"x": 1. * (rng.random((N, P)) < 0.5),
             "w": rng.standard_normal((D, P)),
             **{name: rng.standard_normal((N, D))
                for name in ("mu", "logvar", "eps")}}
            for N, P, D in ((4, 5, 2), (3, 6, 3))]


def make_decoder(w):
    decoder = Dense(*w.shape, dtype=w.dtype)
    decoder.params["w"] = w
    return decoder


def run(its, x, w, mu, logvar, eps):
    def once():
        decoder = make_decoder(w)
        z = reparameterize(mu, logvar, eps)
        logits = decoder.forward(z)
        return {**call(its.loss_gradients, OUTPUTS, decoder=decoder, x=x, z=z,
                       logits=logits, logvar=logvar, eps=eps),
                "the decoder's dw": decoder.grads["w"]}
    outputs = once()
    same = all(np.asarray(a).tobytes() == np.asarray(b).tobytes()
               for a, b in zip(outputs.values(), once().values()))
    return {**outputs, "repeatability": np.float64(same)}


def right(x, w, mu, logvar, eps):
    """By finite differences of the loss, or of what of it counts."""
    def of_logits(logits):
        return -bernoulli_logpdf(x, logits)[0].mean()

    def of_z(z, w):
        return of_logits(z @ w) - gaussian_logpdf(z)[0].mean()

    def of_mu_and_logvar(mu, logvar):
        return (of_z(reparameterize(mu, logvar, eps), w)
                - 0.5 * logvar.sum(axis=1).mean())
    z = reparameterize(mu, logvar, eps)
    dz, dw = slopes(of_z, 1.0, z, w)
    dmu, dlogvar = slopes(of_mu_and_logvar, 1.0, mu, logvar)
    return {"dlogits": slopes(of_logits, 1.0, z @ w)[0], "dz": dz,
            "dmu": dmu, "dlogvar": dlogvar, "the decoder's dw": dw,
            "repeatability": np.float64(1)}


def wrong(prior=1, entropy=1, half=0.5, scale=lambda x: len(x), sign=1,
          twice=0, slope=lambda p: 1):
    """Return gradients in which one of the terms has another factor."""
    def gives(x, w, mu, logvar, eps):
        sigma = np.exp(0.5 * logvar)
        z, N = mu + sigma * eps, scale(x)
        p = sigmoid(z @ w)
        dlogits = sign * (p - x) * slope(p) / N
        dz = dlogits @ w.T + prior * z / N
        return {"dlogits": dlogits, "dz": dz, "dmu": dz + twice * mu / N,
                "dlogvar": dz * half * sigma * eps - entropy * 0.5 / N
                + twice * 0.5 * (sigma ** 2 - 1) / N,
                "the decoder's dw": z.T @ dlogits}
    return gives


EXERCISE = Exercise(
    needs=("loss_gradients",), read="minivae/vae.py", single=False,
    hints=("Write the loss as 1/N times a sum over images, and mark with a "
           "pen where logits, z and logvar stand in it.",
           "d log p(x|z)/dlogits = x - sigmoid(logits); the loss has it with "
           "a minus, and 1/N. From there decoder.backward leads to z. log "
           "p(z) = -z^2/2 + a constant gives z a second term.",
           "dz is the sum of both. Through reparameterize_backward it gives "
           "dmu and a part of dlogvar; the other part comes from log q(z|x), "
           "which has -logvar/2 in it, and 1/N before it."),
    cases=cases, run=run, right=right,
    mistakes=[
        Mistake("a sum over images, where the loss is a mean",
                "1/N is missing in every gradient.", wrong(
                    scale=lambda x: 1)),
        Mistake("a mean over pixels, too",
                "log p(x|z) is a sum over pixels: divide by N alone.", wrong(
                    scale=lambda x: x.size)),
        Mistake("the prior's gradient missing in dz",
                "z enters log p(z), too: without it nothing holds codes near "
                "0.", wrong(prior=0)),
        Mistake("the prior's gradient with the other sign",
                "the loss pulls z towards 0.", wrong(prior=-1)),
        Mistake("log q(z|x)'s gradient missing in dlogvar",
                "logvar enters log q(z|x), too: without it clouds shrink to "
                "points.", wrong(entropy=0)),
        Mistake("log q(z|x)'s gradient with the other sign",
                "the loss wants wide clouds.", wrong(entropy=-1)),
        Mistake("the 1/2 missing in sigma's derivative",
                "sigma = e^(logvar/2).", wrong(half=1)),
        Mistake("no gradient of z in logvar",
                "logvar enters z by sigma.", wrong(half=0)),
        Mistake("the reconstruction with the other sign: images are unlearnt",
                "the loss is minus log p(x|z).", wrong(sign=-1)),
        Mistake("the KL counted twice: by z, and in closed form",
                "log q - log p has been estimated with z; choose one.",
                wrong(twice=1)),
        Mistake("an extra factor p(1 - p) in dlogits",
                "that belongs to a squared error; here it cancels.",
                wrong(slope=lambda p: p * (1 - p))),
        Mistake("noise drawn twice: backward has another eps than forward",
                "use the eps that is given; call no random function.",
                lambda **_: {"repeatability": np.float64(0)}, published=True)])
