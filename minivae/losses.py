"""A VAE's densities, Bernoulli and Gaussian, and a KL divergence.

Each function returns its value for every image, in nats, (N,): summed over
pixels or latents, never averaged over them. Beside it stand the gradients of
that value (here dname is d value/dname), one for each argument that a network
computes. No clip and no small constant is needed: there is no log(0) below.
"""
import math

from .backend import Array, get_xp
from .layers import check_array, sigmoid

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
    # d/dl     = x − σ(l)
    check_array("bernoulli_logpdf", "logits", logits, ("N", ...))
    check_array("bernoulli_logpdf", "x", x, logits.shape, like=logits)
    xp = get_xp(logits)
    logpdf = (x * logits - xp.maximum(logits, 0)
              - xp.log1p(xp.exp(-abs(logits))))
    return sum_per_image(logpdf), x - sigmoid(logits)


def continuous_bernoulli_logpdf(x: Array,
                                logits: Array) -> tuple[Array, Array]:
    """log p(x | logits) of grey pixels x in [0, 1], and its gradient dlogits.

    The Bernoulli's e^(x·logit), but divided by its integral over [0, 1], not
    by its sum over {0, 1}: on grey pixels the Bernoulli itself is no density
    (Loaiza-Ganem & Cunningham 2019). Shapes as for bernoulli_logpdf. A
    density can be above 1, so its logarithm can be above 0.
    """
    # p(x)     = e^(x·l) / ∫₀¹ e^(t·l) dt,  and that integral is (eˡ − 1)/l
    # log p(x) = x·l − max(l, 0) − log((1 − e^−|l|)/|l|)        no overflow
    # d/dl     = x − mean(l),  as d/dl log ∫ e^(t·l) dt = E[t]
    who = "continuous_bernoulli_logpdf"
    check_array(who, "logits", logits, ("N", ...))
    check_array(who, "x", x, logits.shape, like=logits)
    xp = get_xp(logits)
    a = xp.maximum(abs(logits), 1e-30)       # (1 − e^−a)/a is 1 there, not 0/0
    logpdf = x * logits - xp.maximum(logits, 0) - xp.log(-xp.expm1(-a) / a)
    return sum_per_image(logpdf), x - continuous_bernoulli_mean(logits)


def continuous_bernoulli_mean(logits: Array) -> Array:
    """Return E[x] = 1/(1 − e^−l) − 1/l for every logit l; ½ at l = 0."""
    # Near 0 both terms are huge, and digits would be lost: so its series
    # ½ + l/12 − l³/720 + l⁵/30240. It is computed for |l|: E is 1 − E(−l).
    xp, a = get_xp(logits), abs(logits)
    far = xp.maximum(a, 0.4)
    mean = xp.where(a < 0.4, 0.5 + a / 12 - a ** 3 / 720 + a ** 5 / 30240,
                    -1 / xp.expm1(-far) - 1 / far)
    return xp.where(logits < 0, 1 - mean, mean)


def gaussian_logpdf(
        z: Array, mu: Array | float = 0.0, logvar: Array | float = 0.0
) -> tuple[Array, Array, Array, Array]:
    """log N(z; mu, e^logvar), and its gradients dz, dmu, dlogvar.

    z is (N, D); mu and logvar are too, or numbers (as they stand, the
    standard normal). Returns (N,) and three arrays (N, D).
    """
    # With u = (z − mu)/σ,  σ² = e^logvar:
    # log N = Σ −½·(log 2π + logvar + u²)
    # d/dz = −u/σ    d/dmu = u/σ    d/dlogvar = ½·(u² − 1), as du/dlogvar = −½u
    check_array("gaussian_logpdf", "z", z, ("N", "D"))
    mu, logvar = (a + 0 * z if isinstance(a, (int, float)) else a
                  for a in (mu, logvar))                     # (N, D)
    check_array("gaussian_logpdf", "mu", mu, z.shape, like=z)
    check_array("gaussian_logpdf", "logvar", logvar, z.shape, like=z)
    precision = get_xp(z).exp(-0.5 * logvar)                 # 1/σ
    u = (z - mu) * precision
    logpdf = sum_per_image(-0.5 * (LOG_2PI + logvar + u * u))
    return logpdf, -u * precision, u * precision, 0.5 * (u * u - 1)


def gaussian_kl(mu: Array, logvar: Array) -> tuple[Array, Array, Array]:
    """KL(N(mu, e^logvar) ‖ N(0, 1)), and its gradients dmu, dlogvar.

    The mean of log q(z) − log p(z) over z ~ q, in closed form: how many nats
    a code costs (Kingma & Welling 2014, appendix B). mu, logvar (N, D);
    returns (N,) and two arrays (N, D). Training estimates it from one z
    instead (see vae.py); the two agree in the mean.
    """
    check_array("gaussian_kl", "logvar", logvar, mu.shape, like=mu)
    # KL = Σ ½·(mu² + e^logvar − 1 − logvar), and e^a − 1 = expm1(a)
    # d/dmu = mu    d/dlogvar = ½·(e^logvar − 1)
    excess = get_xp(logvar).expm1(logvar)
    kl = sum_per_image(0.5 * (mu * mu + excess - logvar))
    return kl, mu, 0.5 * excess


def sum_per_image(a: Array) -> Array:
    """Sum (N, ...) over all axes but the first: (N,)."""
    return a.reshape(len(a), math.prod(a.shape[1:])).sum(axis=1)
