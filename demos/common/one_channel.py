"""Convolutions of images that are plain matrices, (H, W)."""
from collections.abc import Callable

import numpy as np

from minivae.conv import Convolution


def with_kernel(kind: type[Convolution], w: np.ndarray,
                strides: int | tuple = 1,
                padding: str = "valid") -> Convolution:
    """Return a Conv2D or Conv2DTranspose with the kernel w (KH, KW)."""
    layer = kind(1, 1, w.shape, strides, padding, dtype=w.dtype)
    layer.params["w"][..., 0, 0] = w
    return layer


def apply(function: Callable, image: np.ndarray) -> np.ndarray:
    """Call a layer's forward or backward, (N, H, W, C), on an image (H, W)."""
    return function(image[None, ..., None])[0, ..., 0]
