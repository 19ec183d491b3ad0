"""VQ-VAE-2: an image as two small grids of codes, each one of a codebook.

The top grid is coarse, and holds what the whole image is about; the bottom
grid, twice as fine, knows the top's codes and holds what they leave open
(Razavi, van den Oord & Vinyals 2019, figure 2a and algorithm 1):

    x ──> features ──> z_top ──> top ──> up ──┐
             └────────────────────────────────┴─> z_bottom ──> bottom
                                   (up, bottom) ──> logits of p(x | codes)

Is it a VAE? Its q(codes | x) puts all probability on one choice, and the prior
is not there yet. With a prior p(codes), the bound is

    log p(x) ≥ log p(x | codes) + log p(codes),

since p(x) is the sum of p(x | codes)·p(codes) over all codes, and this is one
of its terms. But training raises the first summand alone, less a commitment
(quantize.py): what codes will cost, nobody asks. Priors are trained afterwards
on the codes as they are (two_levels.py).
"""
from types import ModuleType

import numpy as np

from ..backend import Array, Seed, get_xp
from ..checks.arrays import check_array, check_sizes
from ..checks.images import check_image_shape, check_not_empty, check_pixels
from ..conv import Conv2D, Conv2DTranspose
from ..layers import ReLU, Sequential, sigmoid
from ..losses import bernoulli_logpdf
from .masked import Residual
from .networks import Networks
from .quantize import Codebook, commitment
from .upsample import Upsample


class VQVAE(Networks):
    """Images (N, H, W, C) <-> codes: top (N, h/2, w/2), bottom (N, h, w).

    h = H/4, w = W/4, and h/2 is rounded up: 28 × 28 pixels have 4 × 4 and
    7 × 7 codes. K: codes in each codebook; D: numbers in a code's vector;
    beta: the commitment's weight. Raises ValueError for an image_shape that
    is not of multiples of 4, and other sizes that cannot work.
    """

    def __init__(self, image_shape: tuple = (28, 28, 1), K: int = 64, *,
                 D: int = 16, filters: int = 24, beta: float = 0.25,
                 rng: Seed = None, dtype=np.float32):
        H, W, C = check_image_shape("VQVAE", image_shape)
        check_sizes("VQVAE", K=K, D=D, filters=filters)
        settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
        F, h, w = filters, H // 4, W // 4
        self.image_shape, self.beta = (H, W, C), beta
        self.code_shapes = ((h + 1) // 2, (w + 1) // 2), (h, w)
        down = {"strides": 2, "padding": "same", **settings}

        def residual():
            return Residual(Sequential([ReLU(), Conv2D(
                2 * F, 2 * F, 3, padding="same", **settings)]))
        self.encoder = Sequential([                              # x
            Conv2D(C, F, 3, **down), ReLU(),                # (N, 2h, 2w, F)
            Conv2D(F, 2 * F, 3, **down), residual(), ReLU()])    # features
        self.to_top = Sequential([                               # features
            Conv2D(2 * F, 2 * F, 3, **down), residual(), ReLU(),
            Conv2D(2 * F, D, 1, **settings)])                    # z_top
        self.from_top = Sequential([                             # e_top
            Upsample(D, F, (h, w), **settings), ReLU()])         # up
        self.to_bottom = Conv2D(3 * F, D, 1, **settings)   # features, up
        self.decoder = Sequential([                        # e_bottom, up
            Conv2D(D + F, 2 * F, 3, padding="same", **settings), residual(),
            ReLU(), Conv2DTranspose(2 * F, F, 4, **down), ReLU(),
            Conv2DTranspose(F, C, 4, **down)])                   # logits
        self.top, self.bottom = (Codebook(K, D, **settings) for _ in range(2))

    def loss_and_grads(self, x: Array) -> tuple[Array, dict]:
        """Return the mean of −log p(x | codes) + β·commitment; its gradients.

        Straight through both quantizations. The codebooks have none: they
        learn by update_codebooks, afterwards.
        """
        check_not_empty("VQVAE", x)
        xp, N = get_xp(x), len(x)
        log_p, dlogits = bernoulli_logpdf(x, self.decode(*self.encode(x)))
        z_top, e_top, z_bottom, e_bottom = self.cache
        # with each price, its gradient with respect to z: how that is pulled
        price_top, pull_top = commitment(z_top, e_top)
        price_bottom, pull_bottom = commitment(z_bottom, e_bottom)
        loss = (self.beta * (price_top + price_bottom) - log_p).mean()

        # backwards; where something goes two ways, two gradients add
        D = e_bottom.shape[-1]
        dinput = self.decoder.backward(-dlogits / N)         # e_bottom, up
        de_bottom, dup = dinput[..., :D], dinput[..., D:]
        # straight through: what e is asked for, z is
        dz_bottom = de_bottom + self.beta * pull_bottom / N
        dinput = self.to_bottom.backward(dz_bottom)          # features, up
        F = dinput.shape[-1] - dup.shape[-1]
        dfeatures, dup = dinput[..., :F], dup + dinput[..., F:]
        # (from_top ran twice, but on the same e_top: its cache is of both)
        de_top = self.from_top.backward(dup)
        dz_top = de_top + self.beta * pull_top / N
        self.encoder.backward_params(xp.ascontiguousarray(dfeatures)
                                     + self.to_top.backward(dz_top))
        return loss, self.grads

    def update_codebooks(self, rng: Seed = None) -> None:
        """Move both codebooks towards the vectors of the last batch."""
        rng, (z_top, _, z_bottom, _) = np.random.default_rng(rng), self.cache
        for book, z in (self.top, z_top), (self.bottom, z_bottom):
            book.update(z, book.nearest(z), rng)

    def encode(self, x: Array) -> tuple[Array, Array]:
        """Images (N, H, W, C) -> the codes of both levels, top and bottom.

        Raises ValueError for pixels that are not in 0..1.
        """
        check_array("VQVAE", "x", x, ("N", *self.image_shape))
        if type(x) is np.ndarray:
            check_pixels("VQVAE", x)
        features = self.encoder.forward(x)
        z_top = self.to_top.forward(features)
        top = self.top.nearest(z_top)
        e_top = self.top.look_up(top)
        z_bottom = self.to_bottom.forward(get_xp(x).concatenate(
            [features, self.from_top.forward(e_top)], axis=-1))
        bottom = self.bottom.nearest(z_bottom)
        self.cache = z_top, e_top, z_bottom, self.bottom.look_up(bottom)
        return top, bottom

    def decode(self, top: Array, bottom: Array,
               apply_sigmoid: bool = False) -> Array:
        """Codes -> logits (N, H, W, C), or with sigmoid: probabilities."""
        e_top, e_bottom = self.top.look_up(top), self.bottom.look_up(bottom)
        logits = self.decoder.forward(get_xp(e_top).concatenate(
            [e_bottom, self.from_top.forward(e_top)], axis=-1))
        return sigmoid(logits) if apply_sigmoid else logits

    def to(self, xp: ModuleType) -> Networks:
        """Move all arrays, the codebooks' too, to xp, and return self."""
        for book in self.top, self.bottom:
            book.to(xp)
        return super().to(xp)

    def _networks(self):
        return [(name, getattr(self, name)) for name in (
            "encoder", "to_top", "from_top", "to_bottom", "decoder")]
