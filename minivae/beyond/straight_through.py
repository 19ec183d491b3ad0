"""Straight through: gradients for a choice, which has none.

Which of K codes is taken, and whether a pixel is black or white, is a jump:
almost everywhere the choice does not change when the logits do, and its
derivative is 0. A straight-through estimator computes the choice forward, and
backward the gradient of something smooth that it is close to (Bengio, Léonard
& Courville 2013). That is not a gradient of what forward computes: it is
biased, and no finite difference of forward agrees with it. It is the exact
gradient of a *surrogate*,

    soft(l) + constant,    constant = choice − soft,  taken here and now,

which has the choice's value and soft's slope: that is what the tests check.
"""
import math

from ..backend import Array, get_xp
from ..checks.arrays import check_array, check_same
from ..layers import sigmoid
from .categorical import log_softmax


def binarize(logits: Array) -> Array:
    """Return 1 where a logit is above 0, else 0: logits (N, ...), same dtype.

    That is σ(logit) > ½: the more probable of black and white.
    """
    check_array("binarize", "logits", logits, ("N", ...))
    return (logits > 0).astype(logits.dtype)


def binarize_backward(dy: Array, logits: Array) -> Array:
    """Return dlogits as if y were s = σ(logits): all (N, ...)."""
    check_same("binarize_backward", ("N", ...), logits=logits, dy=dy)
    s = sigmoid(logits)
    return dy * s * (1 - s)


def gumbel_one_hot(logits: Array, gumbel: Array) -> Array:
    """Draw one of K from softmax(logits): one-hot, (N, ..., K) like logits.

    The Gumbel-max trick is a categorical's reparameterization: with noise
    gumbel ~ Gumbel(0, 1), the largest of logits + gumbel is k with
    probability softmax(logits)[k].
    """
    check_same("gumbel_one_hot", ("N", ...), logits=logits, gumbel=gumbel)
    noisy = logits + gumbel
    K = get_xp(logits).arange(logits.shape[-1])
    return (noisy.argmax(axis=-1)[..., None] == K).astype(logits.dtype)


def gumbel_one_hot_backward(dy: Array, logits: Array, gumbel: Array,
                            temperature: float) -> Array:
    """Return dlogits as if y were s = softmax((logits + gumbel)/temperature).

    (Jang, Gu & Poole 2017, section 2.2.) The lower the temperature, the
    closer s is to the choice, and the wilder its gradient. Raises ValueError
    unless it is above 0.
    """
    check_same("gumbel_one_hot_backward", ("N", ...), logits=logits,
               gumbel=gumbel, dy=dy)
    if not 0 < temperature < math.inf:
        raise ValueError(f"gumbel_one_hot_backward: temperature is "
                         f"{temperature}, but a number above 0 was expected")
    s = get_xp(dy).exp(log_softmax((logits + gumbel) / temperature))
    # softmax's Jacobian: ∂s[j]/∂l[k] = s[j]·(1[j = k] − s[k])/temperature
    return s * (dy - (s * dy).sum(axis=-1, keepdims=True)) / temperature
