"""VQ-VAE-2 as a model of images: codes, and the prior they are drawn from.

vqvae.py turns images into codes and back, two_levels.py knows how probable
codes are. Together they are a distribution of images, which one can draw from,
and which has a bound. They are trained one after the other, each on its own
loss (demos/vq_vae.py): the prior, on codes that change no more.
"""
from types import ModuleType

import numpy as np

from ..backend import Array, Seed
from ..layers import by_name
from ..losses import bernoulli_logpdf
from .two_levels import TwoLevels
from .vqvae import VQVAE
from .weights import read_weights


class VQVAE2:
    """Images (N, H, W, C), by two levels of codes and their prior.

    image_shape, K and rng: as for VQVAE, whose ValueErrors it raises.
    """

    def __init__(self, image_shape: tuple = (28, 28, 1), K: int = 64, *,
                 rng: Seed = None, dtype=np.float32, **settings):
        rng = np.random.default_rng(rng)
        self.codec = VQVAE(image_shape, K, rng=rng, dtype=dtype, **settings)
        self.prior = TwoLevels(self.codec.code_shapes, K, rng=rng,
                               dtype=dtype)

    def bound(self, x: Array, rng: Seed = None) -> Array:
        """Return log p(x | codes) + log p(codes) ≤ log p(x): (N,), in nats.

        Nothing is random in it: rng is there for those who call any model.
        """
        return sum(self.terms(x))

    def terms(self, x: Array) -> tuple[Array, Array, Array]:
        """Return log p(x | codes), log p(top) and log p(bottom | top)."""
        top, bottom = self.codec.encode(x)
        log_p_x, _ = bernoulli_logpdf(x, self.codec.decode(top, bottom))
        return (log_p_x, self.prior.top.log_prob(top),
                self.prior.bottom.log_prob(bottom, self.prior.condition(top)))

    def sample(self, n: int = 100, rng: Seed = None,
               known: tuple = (None, None)) -> Array:
        """Draw codes from the prior, and decode them: (n, H, W, C) in 0..1.

        known: the first rows of top and bottom codes, or all of them, each
        (n, rows, columns), to draw the rest only.
        """
        return self.codec.decode(*self.prior.sample(n, rng, known),
                                 apply_sigmoid=True)

    def to(self, xp: ModuleType) -> "VQVAE2":
        """Move all arrays to xp, numpy or cupy, and return self."""
        self.codec.to(xp)
        self.prior.to(xp)
        return self

    @property
    def params(self) -> dict:
        """All that ships: the networks' parameters, and both codebooks."""
        return {**by_name("params", (("codec", self.codec),
                                     ("prior", self.prior))),
                "codec.top": self.codec.top.vectors,
                "codec.bottom": self.codec.bottom.vectors}


def load_vqvae(name: str) -> VQVAE2:
    """Return the one that ships for "mnist" or "fashion".

    Trained by python demos/vq_vae.py --images NAME. (Do not train it further:
    the codebooks' counts do not ship, so all codes would start anew.) Raises
    ValueError for another name, and where its file is damaged.
    """
    model = VQVAE2(rng=0)
    read_weights(name, "vqvae", model)
    return model
