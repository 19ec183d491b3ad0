"""Straight-through: a step forward, a slope backward. Not a gradient.

Where a network must decide, for black or white, its output is a step, whose
derivative is 0 nearly everywhere: nothing could be learnt through it. The
straight-through estimator (Bengio, Léonard & Courville 2013) goes through the
step as if it had been a smooth function.
"""
import math

from ..backend import Array
from ..checks.arrays import check_array, check_same
from ..layers import sigmoid


def binarize(logits: Array) -> Array:
    """Return 1 where a logit is above 0, else 0: logits (N, ...), same dtype.

    That is σ(logit) > ½: the more probable of black and white.
    """
    check_array("binarize", "logits", logits, ("N", ...))
    return (logits > 0).astype(logits.dtype)


def binarize_backward(dy: Array, logits: Array, width: float = 1.0) -> Array:
    """Return dlogits = dy·σ'(logits/width)/width; both arrays are (N, ...).

    This is not binarize's derivative, which is 0 or does not exist, but the
    exact one of the surrogate

        s(l) = σ(l/width) + stop(1[l > 0] − σ(l/width))

    where stop(·) counts as a constant: its value is binarize's, its slope the
    sigmoid's. So what a network learns from it is biased: the slope is that
    of a grey that nobody sees. Far from 0 it vanishes; a larger width lets
    pixels change that are nearly decided. Raises ValueError unless width is
    above 0.
    """
    check_same("binarize_backward", ("N", ...), logits=logits, dy=dy)
    if not 0 < width < math.inf:
        raise ValueError(f"binarize_backward: width is {width}, but a number "
                         "above 0 was expected")
    y = sigmoid(logits / width)
    return dy * y * (1 - y) / width
