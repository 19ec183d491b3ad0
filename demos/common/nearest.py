"""Which of many images is most like another? A yardstick for what is decoded.

It knows nothing about the VAE that it measures; it only counts pixels.
"""
import numpy as np

from minivae.checks.images import check_bytes
from minivae.data import to_float


def nearest(images: np.ndarray,
            others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find, for each of images (N, ...), the nearest of others (M, ...).

    Both are made black or white at 0.5, once they are numbers in 0..1 (see
    to_float). Returns indices into others and the numbers of pixels that
    differ: (N,), (N,). Raises ValueError where there are no others.
    """
    if not len(others):
        raise ValueError("nearest: there are no others to be near to")
    a, b = map(bits, (images, others))
    ink, places, distances = b.sum(axis=1), [], []
    for few in np.split(a, range(100, len(a), 100)):       # for memory
        # |a − b|² = |a|² + |b|² − 2·a·b; for bits it counts those that differ
        differ = few.sum(axis=1)[:, None] + ink - 2 * few @ b.T
        places.append(differ.argmin(axis=1))
        distances.append(differ.min(axis=1))
    return np.concatenate(places), np.concatenate(distances)


def bits(images: np.ndarray) -> np.ndarray:
    """Return images (N, ...) as rows of 0 and 1, float32."""
    check_bytes(images)
    rows = to_float(images).reshape(len(images), -1)
    return np.greater(rows, 0.5, out=rows)
