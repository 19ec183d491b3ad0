"""Where can one move an image? Among pixels, components, or a VAE's codes."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minivae.data import to_float
from minivae.plots import decode, encode
from minivae.vae import VAE

from .pca import flat, pca


class Space(NamedTuple):
    """Images (N, H, W, C) become codes (N, D), and codes images in 0..1."""

    name: str
    encode: Callable
    decode: Callable


def of_pixels(shape: tuple) -> Space:
    """Each pixel is a number of its own; shape is (H, W, C)."""
    return Space("pixels", lambda images: flat(to_float(images)),
                 lambda codes: codes.reshape(-1, *shape).clip(0, 1))


def of_components(images: np.ndarray, counts: tuple) -> list[Space]:
    """Coordinates along some principal components of images; a space each."""
    mean, directions = pca(to_float(images))
    pixels = of_pixels(images.shape[1:])

    def space(k):
        few = directions[:k]
        return Space(f"PCA, {k}",
                     lambda images: (pixels.encode(images) - mean) @ few.T,
                     lambda codes: pixels.decode(mean + codes @ few))
    return [space(k) for k in counts]


def of_vae(name: str, vae: VAE) -> Space:
    """The means of q(z|x), and what codes decode to."""
    return Space(name, lambda images: encode(vae, images),
                 lambda codes: decode(vae, codes))
