"""The three densities of a VAE: Bernoulli, Gaussian, and their distance KL.

Each function returns its value for every image, in nats, (N,): summed over
pixels or latents, never averaged over them. Beside it stand that value's
gradients, one for each argument that a network computes. They need no clip
and no small constant: the formulas below have no 0·∞ and no log(0).
"""
import math

from .backend import Array, get_xp
from .layers import check_array

LOG_2PI = math.log(2 * math.pi)


def bernoulli_logpdf(x: Array, logits: Array) -> tuple[Array, Array]:
    """log p(x | logits) of binary pixels x, and its gradient dlogits.

    A logit is the log-odds of ink: p = σ(logit). x and logits (N, ...) have
    the same shape; returns (N,) and (N, ...). Kingma & Welling 2014,
    appendix C.1, here written in logits.
    """
    # log p(x) = x·log σ(l) + (1 − x)·log(1 − σ(l))
    #          = x·l − log(1 + eˡ)
    #          = x·l − max(l, 0) − log(1 + e^−|l|)      no overflow
    # d/dl     = x − σ(l),  σ(l) = (1 or e^−|l|) / (1 + e^−|l|)
    check_array("bernoulli_logpdf", "x", x, logits.shape, like=logits)
    xp = get_xp(logits)
    e = xp.exp(-abs(logits))
    logpdf = x * logits - xp.maximum(logits, 0) - xp.log1p(e)
    dlogits = x - xp.where(logits >= 0, 1, e) / (1 + e)
    return sum_per_image(logpdf), dlogits


def gaussian_logpdf(
        z: Array, mu: Array | float = 0.0, logvar: Array | float = 0.0
) -> tuple[Array, Array, Array, Array]:
    """log N(z; mu, e^logvar), and its gradients dz, dmu, dlogvar.

    z is (N, D); mu and logvar are too, or numbers (as they stand, the
    standard normal). Returns (N,) and three arrays (N, D).
    """
    # log N = Σ −½·(log 2π + logvar + (z − mu)²·e^−logvar)
    mu, logvar = mu + 0 * z, logvar + 0 * z                # numbers too (N, D)
    check_array("gaussian_logpdf", "mu", mu, z.shape, like=z)
    check_array("gaussian_logpdf", "logvar", logvar, z.shape, like=z)
    dmu = (z - mu) * get_xp(z).exp(-logvar)
    squares = (z - mu) * dmu
    logpdf = sum_per_image(-0.5 * (LOG_2PI + logvar + squares))
    return logpdf, -dmu, dmu, 0.5 * (squares - 1)


def gaussian_kl(mu: Array, logvar: Array) -> tuple[Array, Array, Array]:
    """KL(N(mu, e^logvar) ‖ N(0, 1)), and its gradients dmu, dlogvar.

    The mean of log q(z) − log p(z) over z ~ q, in closed form: how many nats
    a code costs (Kingma & Welling 2014, appendix B). mu, logvar (N, D);
    returns (N,) and two arrays (N, D).
    """
    check_array("gaussian_kl", "logvar", logvar, mu.shape, like=mu)
    # KL = Σ ½·(mu² + σ² − 1 − log σ²), and e^x − 1 = expm1(x)
    excess = get_xp(logvar).expm1(logvar)
    kl = sum_per_image(0.5 * (mu * mu + excess - logvar))
    return kl, mu, 0.5 * excess


def sum_per_image(a: Array) -> Array:
    """Sum (N, ...) over all axes but the first: (N,)."""
    return a.reshape(len(a), math.prod(a.shape[1:])).sum(axis=1)
