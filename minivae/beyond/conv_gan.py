"""The networks of DCGAN (Radford, Metz & Chintala 2016), for small images.

Strides in place of pooling, and in the discriminator a ReLU that leaks: the
generator learns only from what comes back through it. (No batch norm; and the
generator ends with a convolution at full resolution, in which the windows of
neighbouring pixels overlap by two thirds.)
"""
import numpy as np

from ..backend import Array, Seed, get_xp
from ..checks.arrays import check_sizes, expects, expects_dy
from ..checks.images import check_image_shape
from ..conv import Conv2D, Conv2DTranspose
from ..layers import Dense, Flatten, Layer, ReLU, Reshape, Sequential
from .gan import GAN
from .weights import read_weights


class LeakyReLU(Layer):
    """y = x where x > 0, else slope·x: a ReLU that is never quite off.

    Raises ValueError unless slope is between 0 and 1.
    """

    def __init__(self, slope: float = 0.2):
        super().__init__()
        if not 0 <= slope <= 1:
            raise ValueError(f"LeakyReLU: slope is {slope}, but a number from "
                             "0 to 1 was expected")
        self.slope = slope

    @expects(...)
    def forward(self, x: Array) -> Array:
        self.cache = x
        return get_xp(x).maximum(x, self.slope * x)

    @expects_dy
    def backward(self, dy: Array) -> Array:
        return get_xp(dy).where(self.cache > 0, dy, self.slope * dy)

    def __repr__(self):
        return f"LeakyReLU({self.slope})"


def conv_gan(image_shape: tuple = (28, 28, 1), latent_dim: int = 16, *,
             filters: int = 16, rng: Seed = None, dtype=np.float32) -> GAN:
    """DCGAN's layers, two of each kind, and a dense one of 128 in D.

    image_shape: (H, W, C), H and W multiples of 4, at least 8. filters: those
    at full resolution; there are twice as many at half of it, and so on.
    """
    H, W, C = check_image_shape("conv_gan", image_shape)
    check_sizes("conv_gan", latent_dim=latent_dim, filters=filters)
    settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
    F, h, w = filters, H // 4, W // 4
    # A kernel of 4 with a stride of 2: each pixel is in as many windows as
    # any other, so that there is no checkerboard (demos/strides.py)
    half = {"strides": 2, "padding": "same", **settings}
    generator = Sequential([                                 # (N, latent_dim)
        Dense(latent_dim, h * w * 4 * F, **settings), ReLU(),
        Reshape((h, w, 4 * F)),                              # (N, h, w, 4F)
        Conv2DTranspose(4 * F, 2 * F, 4, **half), ReLU(),    # (N, 2h, 2w, 2F)
        Conv2DTranspose(2 * F, F, 4, **half), ReLU(),        # (N, H, W, F)
        Conv2D(F, C, 3, padding="same", **settings)])        # (N, H, W, C)
    discriminator = Sequential([                             # (N, H, W, C)
        Conv2D(C, 2 * F, 4, **half), LeakyReLU(),            # (N, 2h, 2w, 2F)
        Conv2D(2 * F, 4 * F, 4, **half), LeakyReLU(),        # (N, h, w, 4F)
        Flatten(), Dense(h * w * 4 * F, 128, **settings), LeakyReLU(),
        Dense(128, 1, **settings)])                          # (N, 1)
    return GAN(generator, discriminator)


def load_gan(name: str) -> GAN:
    """Return the conv_gan whose generator ships, "mnist" or "fashion".

    They are the generator.npz of runs of demos/gan.py. The discriminator
    does not ship: it is untrained. Raises ValueError for another name, and
    where the file is damaged.
    """
    gan = conv_gan(rng=0)
    read_weights(name, "gan", gan.generator)
    return gan
