"""A VAE's densities, Bernoulli and Gaussian, and a KL divergence.

Each function returns its value for every image, in nats, (N,): summed over
pixels or latents, never averaged over them. Beside it stand the gradients of
that value (here dname is d value/dname), one for each argument that a network
computes. No clip and no small constant is needed: there is no log(0) below.
"""
import math

from .backend import Array, fused, get_xp
from .checks.arrays import check_array, check_same
from .layers import sigmoid

LOG_2PI = math.log(2 * math.pi)
PIXEL_WIDTH = 0.2      # roughly the error of a pixel, from a 2-D code


def bernoulli_logpdf(x: Array, logits: Array) -> tuple[Array, Array]:
    """log p(x | logits) of binary pixels x, and its gradient dlogits.

    A logit is the log-odds of ink: p = σ(logit). x and logits (N, ...) have
    the same shape; returns (N,) and (N, ...). Kingma & Welling 2014,
    appendix C.1, here written in logits.
    """
    check_same("bernoulli_logpdf", ("N", ...), logits=logits, x=x)
    logpdf, dlogits = _bernoulli(x, logits)
    return sum_per_image(logpdf), dlogits


@fused
def _bernoulli(x, logits):                       # all (N, ...), not summed
    # log p(x) = x·log σ(l) + (1 − x)·log(1 − σ(l))
    #          = x·l − log(1 + eˡ)
    #          = x·l − max(l, 0) − log(1 + e^−|l|)      no overflow
    # d/dl     = x − σ(l)
    xp = get_xp(x)
    logpdf = (x * logits - xp.maximum(logits, 0)
              - xp.log1p(xp.exp(xp.minimum(logits, -logits))))
    return logpdf, x - sigmoid(logits)


def gaussian_pixels_logpdf(x: Array, logits: Array) -> tuple[Array, Array]:
    """log p(x | logits) of grey pixels x in 0..1, and its gradient dlogits.

    A Gaussian around the grey value σ(logit), PIXEL_WIDTH wide: a density,
    which the Bernoulli is not on grey values. Shapes as for bernoulli_logpdf.
    It is minus half the squared error in units of PIXEL_WIDTH, plus a
    constant: the smaller that is, the more reconstruction weighs against the
    KL. (A density can be above 1, and its logarithm above 0.)
    """
    check_same("gaussian_pixels_logpdf", ("N", ...), logits=logits, x=x)
    logpdf, dlogits = _gaussian_pixels(x, logits)
    return sum_per_image(logpdf), dlogits


@fused
def _gaussian_pixels(x, logits):                 # all (N, ...), not summed
    # With m = σ(l) and u = (x − m)/s:
    # log p = −½·(log 2πs² + u²)    d/dl = u/s·dm/dl,  dm/dl = m·(1 − m)
    s, m = PIXEL_WIDTH, sigmoid(logits)
    u = (x - m) / s
    logpdf = -0.5 * (LOG_2PI + 2 * math.log(s) + u * u)
    return logpdf, u / s * m * (1 - m)


def gaussian_logpdf(
        z: Array, mu: Array | float = 0.0, logvar: Array | float = 0.0
) -> tuple[Array, Array, Array, Array]:
    """log N(z; mu, e^logvar), and its gradients dz, dmu, dlogvar.

    z is (N, D); mu and logvar are too, or numbers (as they stand, the
    standard normal). Returns (N,) and three arrays (N, D).
    """
    check_array("gaussian_logpdf", "z", z, ("N", "D"))
    mu, logvar = (get_xp(z).full_like(z, a) if isinstance(a, (int, float))
                  else a for a in (mu, logvar))              # (N, D)
    check_same("gaussian_logpdf", ("N", "D"), z=z, mu=mu, logvar=logvar)
    logpdf, *gradients = _gaussian(z, mu, logvar)
    return sum_per_image(logpdf), *gradients


@fused
def _gaussian(z, mu, logvar):                    # all (N, D), not summed
    # With u = (z − mu)/σ,  σ² = e^logvar:
    # log p = −½·(log 2π + logvar + u²)
    # d/dz = −u/σ    d/dmu = u/σ    d/dlogvar = ½·(u² − 1), as du/dlogvar = −½u
    precision = get_xp(z).exp(-0.5 * logvar)                 # 1/σ
    u = (z - mu) * precision
    logpdf = -0.5 * (LOG_2PI + logvar + u * u)
    return logpdf, -u * precision, u * precision, 0.5 * (u * u - 1)


def gaussian_kl(mu: Array, logvar: Array) -> tuple[Array, Array, Array]:
    """KL(N(mu, e^logvar) ‖ N(0, 1)), and its gradients dmu, dlogvar.

    The mean of log q(z) − log p(z) over z ~ q, in closed form: how many nats
    a code costs (Kingma & Welling 2014, appendix B). mu, logvar (N, D);
    returns (N,) and two arrays (N, D). Training estimates it from one z
    instead (see vae.py); the two agree in the mean.
    """
    check_same("gaussian_kl", ("N", "D"), mu=mu, logvar=logvar)
    # KL = Σ ½·(mu² + e^logvar − 1 − logvar), and e^a − 1 = expm1(a)
    # d/dmu = mu    d/dlogvar = ½·(e^logvar − 1)
    excess = get_xp(logvar).expm1(logvar)
    kl = sum_per_image(0.5 * (mu * mu + excess - logvar))
    return kl, mu, 0.5 * excess


def sum_per_image(a: Array) -> Array:
    """Sum (N, ...) over all axes but the first: (N,)."""
    return a.reshape(len(a), math.prod(a.shape[1:])).sum(axis=1)
