"""Vector quantization: a vector becomes the nearest one of a codebook.

    k = argmin |z − e_j|²,    y = e_k

(van den Oord, Vinyals & Kavukcuoglu 2017, eq. 1 and 2). Two questions remain.

How does an encoder learn, if y jumps where z comes nearer to another code, and
stands still elsewhere? Straight through (straight_through.py), dz = dy, as if
y were z + constant. So the encoder learns where the decoder would rather have
y, in the hope that y will follow.

And how does the codebook learn? It is k-means, one batch at a time: each code
is the mean of those vectors that were nearest to it lately (Codebook.update),
while a price, the commitment, keeps vectors near their codes.
"""
from types import ModuleType

import numpy as np

from ..backend import Array, Seed, get_xp, move
from ..checks.arrays import check_array, check_same, check_sizes
from ..losses import sum_per_image
from .categorical import one_hot

DEAD = 0.03         # of a code's usual share of vectors: with less, it is dead


class Codebook:
    """K vectors of D numbers, each the mean of those nearest to it lately.

    vectors (K, D): the codes. counts (K,) and sums (K, D): how many vectors of
    a batch are nearest to each code, and their sum: moving averages, in which
    a batch that is one older weighs decay times as much. Raises ValueError for
    sizes and a decay that cannot work.
    """

    def __init__(self, K: int, D: int, *, decay: float = 0.99,
                 rng: Seed = None, dtype=np.float32):
        check_sizes("Codebook", K=K, D=D)
        if not 0 <= decay < 1:
            raise ValueError(f"Codebook: decay is {decay!r}, but a number "
                             "from 0 to below 1 was expected")
        self.decay = decay
        self.vectors = np.random.default_rng(rng).standard_normal(
            (K, D)).astype(dtype)
        self.counts = np.zeros(K, dtype)
        self.sums = np.zeros((K, D), dtype)

    def nearest(self, z: Array) -> Array:
        """Vectors z (N, h, w, D) -> the codes nearest to them, (N, h, w)."""
        e = self.vectors
        check_array("Codebook", "z", z, ("N", "h", "w", e.shape[1]), like=e)
        # |z − e|² = |z|² − 2·z·e + |e|², with |z|² the same for all codes
        return ((e * e).sum(axis=1) - 2 * (z @ e.T)).argmin(axis=-1)

    def look_up(self, codes: Array) -> Array:
        """Codes (N, ...), whole numbers from 0 to K-1 -> (N, ..., D)."""
        return one_hot(codes, len(self.vectors),
                       self.vectors.dtype) @ self.vectors

    def update(self, z: Array, codes: Array, rng: Seed = None) -> None:
        """Move the codes towards a batch's vectors z (N, h, w, D), nearest
        to codes (N, h, w).

        van den Oord et al. 2017, appendix A.1, eq. 6 to 8. A code near which
        hardly any vectors lie starts anew as one of this batch's, drawn at
        random; so do nearly all at the first update, for they start with no
        counts at all.
        """
        K, D = self.vectors.shape
        check_array("update", "z", z, (*codes.shape, D), like=self.vectors)
        xp, z, new = get_xp(z), z.reshape(-1, D), 1 - self.decay
        is_code = one_hot(codes.reshape(-1), K, z.dtype)     # (N·h·w, K)
        # counts ← γ·counts + (1 − γ)·n       sums ← γ·sums + (1 − γ)·Σ z
        counts = self.counts + new * (is_code.sum(axis=0) - self.counts)
        sums = self.sums + new * (is_code.T @ z - self.sums)
        usual = len(z) / K
        dead = counts < DEAD * usual
        at = move(np.random.default_rng(rng).integers(len(z), size=K), xp)
        # as if a usual share of vectors had been nearest to it, all like z
        self.counts = xp.where(dead, z.dtype.type(usual), counts)
        self.sums = xp.where(dead[:, None], z.dtype.type(usual) * z[at], sums)
        self.vectors = self.sums / self.counts[:, None]

    def to(self, xp: ModuleType) -> "Codebook":
        """Move the arrays to xp, numpy or cupy, and return self."""
        for name in "vectors", "counts", "sums":
            setattr(self, name, move(getattr(self, name), xp))
        return self


def commitment(z: Array, vectors: Array) -> tuple[Array, Array]:
    """Return Σ |z − e|² of each image, and its gradient dz.

    z and the codes e = vectors are (N, h, w, D); returns (N,) and dz. e counts
    as a constant here: it is z that commits itself (van den Oord et al. 2017,
    eq. 3). As a loss, it is in nats, up to a constant: those of a Gaussian
    around e of variance ½, or with a factor β, 1/(2β).
    """
    check_same("commitment", ("N", "h", "w", "D"), z=z, vectors=vectors)
    return sum_per_image((z - vectors) ** 2), 2 * (z - vectors)


def perplexity(codes: Array, K: int) -> float:
    """Return how many of K codes are in use: e to the power of their entropy.

    codes (...) are those of many images. K if all are equally frequent, 1 if
    there is but one.
    """
    p = one_hot(codes.reshape(-1), K, np.float64).mean(axis=0)
    p = p[p > 0]
    return float(get_xp(p).exp(-(p * get_xp(p).log(p)).sum()))
