"""A prior of two levels of codes: top first, then bottom given top.

    p(top, bottom) = p(top)·p(bottom | top)

Each factor is a PixelCNN (pixelcnn.py); the second is told, at each place,
what a small network makes of all top codes (Razavi, van den Oord & Vinyals
2019, section 3.2). The product of two distributions that sum to 1 sums to 1.
"""
import numpy as np

from ..backend import Array, Seed
from ..conv import Conv2D
from ..layers import ReLU, Sequential
from .categorical import categorical_logpdf, one_hot
from .networks import Networks
from .pixelcnn import PixelCNN
from .upsample import Upsample


class TwoLevels(Networks):
    """p(top)·p(bottom | top) of codes from 0 to K-1, in two small grids.

    code_shapes: (rows, columns) of top and of bottom, as a VQVAE has them.
    Raises ValueError unless the bottom's, halved and rounded up, are the
    top's, and for other sizes that cannot work.
    """

    def __init__(self, code_shapes: tuple = ((4, 4), (7, 7)), K: int = 64, *,
                 filters: int = 32, blocks: int = 3, rng: Seed = None,
                 dtype=np.float32):
        if [-(-size // 2) for size in code_shapes[1]] != [*code_shapes[0]]:
            raise ValueError(f"TwoLevels: code_shapes are {code_shapes}, but "
                             "a top grid of half the bottom's rows and "
                             "columns, rounded up, was expected")
        settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
        within = {"reach": 5, **settings}
        self.K, self.code_shapes, F = K, code_shapes, filters
        self.top = PixelCNN(K, F, blocks, **within)
        self.context = Sequential([                     # top as one-hot
            Conv2D(K, F, 3, padding="same", **settings), ReLU(),
            Upsample(F, F, code_shapes[1], **settings), ReLU(),
            Conv2D(F, F, 3, padding="same", **settings)])   # like bottom
        self.bottom = PixelCNN(K, F, blocks, conditional=True, **within)

    def loss_and_grads(self, top: Array,
                       bottom: Array) -> tuple[Array, dict]:
        """Return the mean of −log p(top) − log p(bottom | top); gradients.

        top (N, h/2, w/2) and bottom (N, h, w) are whole numbers from 0 to K-1.
        """
        loss, _ = self.top.loss_and_grads(top)
        log_p, dlogits = categorical_logpdf(
            bottom, self.bottom.logits(bottom, self.condition(top)))
        dx = self.bottom.backward(-dlogits / len(bottom))
        self.context.backward_params(dx[..., self.K:].copy())   # its condition
        return loss - log_p.mean(), self.grads

    def log_prob(self, top: Array, bottom: Array) -> Array:
        """Return log p(top, bottom) of each pair: (N,), in nats."""
        return (self.top.log_prob(top)
                + self.bottom.log_prob(bottom, self.condition(top)))

    def condition(self, top: Array) -> Array:
        """What the bottom is told of the top: (N, h, w, filters)."""
        return self.context.forward(one_hot(top, self.K, self.top.dtype))

    def sample(self, n: int, rng: Seed = None,
               known: tuple = (None, None)) -> tuple[Array, Array]:
        """Draw n images' codes, top (n, h/2, w/2) and bottom (n, h, w).

        known: the first rows of either, or all of them, to draw the rest only.
        """
        rng, ((H, W), (h, w)) = np.random.default_rng(rng), self.code_shapes
        top = self.top.sample(n, H, W, rng, known=known[0])
        condition = self.condition(top)
        self.context.forget()
        return top, self.bottom.sample(n, h, w, rng, condition=condition,
                                       known=known[1])

    def _networks(self):
        return (("top", self.top), ("context", self.context),
                ("bottom", self.bottom))
