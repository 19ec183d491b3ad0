"""Products of matrices, in the pieces that OpenBLAS multiplies fastest.

Before OpenBLAS multiplies, it packs both matrices: it copies them into the
order in which its innermost loop reads. For a large product that is little
beside the arithmetic; for one with two short sides, such as (3136, 64) by
(64, 32), it is not. Its kernels for AVX-512 leave it out where M·N·K, the
product's number of multiplications, is below a million. So we ask for several
such products instead of one: np.matmul takes a stack of matrices.
"""
import functools

import numpy as np
from threadpoolctl import threadpool_info

from ..backend import Array, get_xp

UNPACKED = {"SkylakeX", "Cooperlake", "SapphireRapids"}      # kernels' names
SMALL = 10 ** 6      # multiplications: below, these kernels pack nothing
ROWS = 100           # pieces of fewer rows take longer than one product


def multiply(a: Array, b: Array, out: Array) -> None:
    """Write a·b into out: a (M, K), b (K, N), out (M, N), C-contiguous.

    Some rows of a at a time: each row of the result is a sum of its own.
    """
    m = rows_of_a_piece(len(a), b.size) if get_xp(a) is np else len(a)
    if m < len(a):
        a = a.reshape(-1, m, a.shape[1])
        out = out.reshape(-1, m, b.shape[1])
        b = np.ascontiguousarray(b)          # else OpenBLAS packs it even so
    get_xp(a).matmul(a, b, out=out)


def multiply_transposed(a: Array, b: Array) -> Array:
    """Return aᵀ·b: a (M, K), b (M, N) -> (K, N).

    The sum over M is cut into pieces here, and they are summed afterwards.
    """
    K, N = a.shape[1], b.shape[1]
    m = rows_of_a_piece(len(a), K * N) if get_xp(a) is np else len(a)
    if m == len(a):
        return a.T @ b
    return (a.reshape(-1, m, K).swapaxes(1, 2) @ b.reshape(-1, m, N)).sum(0)


@functools.cache
def rows_of_a_piece(M: int, multiplications: int) -> int:
    """Return how many of M rows a piece should have; each costs so much.

    It is the largest divisor of M that keeps a piece small; or M, where
    pieces would be too thin, or OpenBLAS packs them as well.
    """
    most = (SMALL - 1) // max(multiplications, 1)
    if M <= most or not leaves_packing_out():
        return M
    return next((m for m in range(most, ROWS - 1, -1) if M % m == 0), M)


@functools.cache
def leaves_packing_out() -> bool:
    """Return whether NumPy multiplies with kernels that do not always pack.

    (Other kernels of OpenBLAS gain nothing by pieces, or lose; and what other
    libraries do is not known.)
    """
    kernels = {library.get("architecture") for library in threadpool_info()
               if library["user_api"] == "blas"}
    return bool(kernels) and kernels <= UNPACKED
