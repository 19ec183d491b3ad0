"""Which of many images is most like another? A yardstick for what is decoded.

It knows nothing of the VAE that it measures; it only counts pixels.
"""
import numpy as np


def nearest(images: np.ndarray,
            others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find, for each of images (N, ...), the nearest of others (M, ...).

    Both hold numbers in 0..1 and are made black or white at 0.5. Returns
    the places in others and the numbers of pixels that differ: (N,), (N,).
    """
    a, b = ((part.reshape(len(part), -1) > 0.5).astype(np.float32)
            for part in (images, others))
    ink, places, distances = b.sum(axis=1), [], []
    for few in np.split(a, range(100, len(a), 100)):       # for memory
        # |a − b|² = |a|² + |b|² − 2·a·b; for bits it counts those that differ
        differ = few.sum(axis=1)[:, None] + ink - 2 * few @ b.T
        places.append(differ.argmin(axis=1))
        distances.append(differ.min(axis=1))
    return np.concatenate(places), np.concatenate(distances)
