"""One of K possibilities: softmax, its log-probability, and a KL divergence.

Logits (N, ..., K) give a distribution over K codes at each place. As in
minivae/losses.py, values are summed over all places of an image, (N,), in
nats, and gradients are those of the values.
"""
import numpy as np

from ..backend import Array, get_xp
from ..checks.arrays import check_array, check_same
from ..losses import sum_per_image


def log_softmax(logits: Array) -> Array:
    """Return log p, p = e^logits / Σ e^logits over the last axis.

    A constant added to all logits changes nothing; with the largest at 0, no
    power of e overflows.
    """
    xp = get_xp(logits)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - xp.log(xp.exp(logits).sum(axis=-1, keepdims=True))


def one_hot(codes: Array, K: int, dtype=np.float32) -> Array:
    """Turn codes (N, ...), whole numbers from 0 to K-1, into (N, ..., K).

    1 at the code's place, 0 elsewhere. Raises TypeError for codes that are
    not whole numbers, and ValueError for those out of range. (On a GPU that
    is not looked at: it would make the CPU wait.)
    """
    if codes.dtype.kind not in "iu":
        raise TypeError(f"one_hot: codes are {codes.dtype}, but whole numbers "
                        "were expected")
    if type(codes) is np.ndarray and codes.size and not (
            0 <= codes.min() and codes.max() < K):
        raise ValueError(f"one_hot: codes lie between {codes.min()} and "
                         f"{codes.max()}, but whole numbers from 0 to {K - 1} "
                         "were expected")
    return (codes[..., None] == get_xp(codes).arange(K)).astype(dtype)


def categorical_logpdf(codes: Array, logits: Array) -> tuple[Array, Array]:
    """log p(codes | logits) and its gradient dlogits.

    codes (N, ...) are whole numbers from 0 to K-1, logits (N, ..., K);
    returns (N,) and (N, ..., K). (The negative is softmax cross-entropy.)
    """
    is_code = one_hot(codes, logits.shape[-1], logits.dtype)
    check_array("categorical_logpdf", "logits", logits, is_code.shape)
    # log p = l[code] − log Σ e^l        d/dl[k] = 1[k = code] − p[k]
    log_p = log_softmax(logits)
    return (sum_per_image(is_code * log_p),
            is_code - get_xp(logits).exp(log_p))


def categorical_kl(q_logits: Array,
                   p_logits: Array) -> tuple[Array, Array, Array]:
    """KL(q ‖ p) = Σ q·(log q − log p), and both gradients.

    Both logits are (N, ..., K); returns (N,), dq_logits and dp_logits.
    """
    check_same("categorical_kl", ("N", ...), q_logits=q_logits,
               p_logits=p_logits)
    exp = get_xp(q_logits).exp
    log_q, log_p = log_softmax(q_logits), log_softmax(p_logits)
    q, p, difference = exp(log_q), exp(log_p), log_q - log_p
    # with softmax's Jacobian, ∂q[j]/∂l[k] = q[j]·(1[j = k] − q[k]) (and log q
    # may count as a constant, for Σ q·∂log q = Σ ∂q = 0):
    #   d/dq_logits[k] = q[k]·(log q[k] − log p[k] − KL at this place)
    #   d/dp_logits[k] = p[k] − q[k]
    kl = (q * difference).sum(axis=-1, keepdims=True)
    return sum_per_image(kl), q * (difference - kl), p - q
