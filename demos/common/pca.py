"""Principal components: the directions in which images differ most."""
import numpy as np


def flat(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, C) as rows of pixels (N, H·W·C), float32."""
    return images.reshape(len(images), -1).astype(np.float32)


def pca(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean image, and directions by falling variance, as rows.

    All of them: (H·W·C,) and (H·W·C, H·W·C).
    """
    mean = flat(images).mean(axis=0)
    centred = flat(images) - mean
    _, _, directions = np.linalg.svd(centred.T @ centred)
    return mean, directions
