"""One of K: the log-density of a softmax, and its gradient."""
import numpy as np

from ..backend import Array, get_xp
from ..checks.arrays import check_array
from ..losses import sum_per_image


def categorical_logpdf(codes: Array, logits: Array) -> tuple[Array, Array]:
    """log p(codes | logits) of whole numbers 0 … K−1, and dlogits.

    codes (N, ...) are whole numbers, logits (N, ..., K) floating point; p is
    softmax(logits), of each place by itself. Returns the sum over places, in
    nats, (N,), and its gradient, like logits. Raises ValueError for other
    shapes, and on a CPU for codes outside 0 … K−1; TypeError for codes that
    are not whole numbers.
    """
    caller, xp = "categorical_logpdf", get_xp(logits)
    check_array(caller, "logits", logits, (*codes.shape, "K"))
    if codes.dtype.kind not in "iu":
        raise TypeError(f"{caller}: codes are {codes.dtype}, but whole "
                        "numbers were expected")
    K = logits.shape[-1]
    if type(codes) is np.ndarray and codes.size and not (
            0 <= codes.min() and codes.max() < K):
        raise ValueError(f"{caller}: codes lie between {codes.min()} and "
                         f"{codes.max()}, but with {K} logits 0 to {K - 1} "
                         "were expected")
    # log p = l[code] − log Σ eˡ;  with the largest l subtracted from all, no
    # power of e is above 1.   d/dl[k] = 1[k = code] − p[k]
    logits = logits - logits.max(axis=-1, keepdims=True)
    powers = xp.exp(logits)
    total = powers.sum(axis=-1, keepdims=True)
    chosen = (xp.arange(K) == codes[..., None]).astype(logits.dtype)
    value = (chosen * (logits - xp.log(total))).sum(axis=-1)
    return sum_per_image(value), chosen - powers / total
