"""PixelCNN: a distribution of images, or of codes, one place after another.

    log p(x) = Σ log p(x[i, j] | all places before)

exactly, with no bound and no latent variable: a network of masked layers
(masked.py) computes all factors of a known x in one go. To sample is slow:
each place must be drawn before the next can be computed. What the layers have
computed of the rows above stays as it is, so only one row is computed anew.

A place holds one of K values: 2 for black and white, or the codes of a
discrete VAE, whose prior this is.
"""
import numpy as np
from threadpoolctl import threadpool_limits

from ..backend import Array, Seed, get_xp, move
from ..checks.arrays import check_sizes
from ..checks.images import check_not_empty
from ..conv import Conv2D
from ..layers import Layer, Sequential, sublayers
from .categorical import categorical_logpdf, one_hot
from .masked import Beside, Gate, MaskedConv2D, Residual
from .weights import read_weights


class PixelCNN(Sequential):
    """Codes as one-hot (N, H, W, K) -> logits (N, H, W, K) of each place.

    filters: channels in between; blocks: how many gated residual blocks;
    reach: the first kernel's size, size: that of all others. (Masks that lie
    upon each other leave a blind corner, above on the right: van den Oord et
    al. mend it with a second stack of layers. Here a wide first kernel keeps
    it small.)
    places: it is told where each place is, its row and column from -1 to 1,
    in two channels behind the codes'. A network that sees fewer rows than an
    image has cannot know otherwise, and begins a second digit below the first.
    conditional: it is told of a condition, too, (N, H, W, filters) in x's last
    channels, such as a network makes of other codes; see Beside.
    """

    def __init__(self, K: int, filters: int = 32, blocks: int = 3, *,
                 reach: int = 7, size: int = 3, places: bool = False,
                 conditional: bool = False, rng: Seed = None,
                 dtype=np.float32):
        check_sizes("PixelCNN", K=K, filters=filters, blocks=blocks)
        settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
        self.K, self.places, self.dtype = K, places, np.dtype(dtype)
        first = MaskedConv2D(K + 2 * places, filters, reach, strict=True,
                             **settings)
        super().__init__([
            Beside(first) if conditional else first,
            *(Residual(Sequential([
                MaskedConv2D(filters, 2 * filters, size, **settings), Gate()]))
              for _ in range(blocks)),
            Conv2D(filters, K, 1, **settings)])

    def loss_and_grads(self, codes: Array) -> tuple[Array, dict]:
        """Return -log p(codes), the mean over N images, and its gradients.

        codes (N, H, W) are whole numbers from 0 to K-1.
        """
        check_not_empty("PixelCNN", codes)
        log_p, dlogits = categorical_logpdf(codes, self.logits(codes))
        self.backward_params(-dlogits / len(codes))
        return -log_p.mean(), self.grads

    def log_prob(self, codes: Array, condition: Array = None) -> Array:
        """Return log p of each image of codes (N, H, W): (N,), in nats."""
        return categorical_logpdf(codes, self.logits(codes, condition))[0]

    def logits(self, codes: Array, condition: Array = None) -> Array:
        """Return each place's logits, given the places before it."""
        return self.forward(self._input(codes, condition))

    def _input(self, codes, condition):
        if codes.ndim != 3:
            raise ValueError(f"PixelCNN: codes have shape {codes.shape}, but "
                             "(N, H, W) was expected")
        xp, (_, H, W) = get_xp(codes), codes.shape
        x = [one_hot(codes, self.K, self.dtype)]
        if self.places:
            at = xp.stack(xp.meshgrid(xp.linspace(-1, 1, H), xp.linspace(
                -1, 1, W), indexing="ij"), axis=-1).astype(self.dtype)
            x.append(xp.broadcast_to(at, (len(codes), H, W, 2)))
        if condition is not None:
            x.append(condition)
        return xp.concatenate(x, axis=-1)

    @threadpool_limits.wrap(limits=1)   # small products: others would wait
    def sample(self, n: int, height: int, width: int, rng: Seed = None, *,
               condition: Array = None, known: Array = None) -> Array:
        """Draw n images of codes, (n, height, width).

        known: codes (n, r, width) of the first r rows, to draw the rest only.
        """
        check_sizes("sample", n=n, height=height, width=width)
        rng, xp = np.random.default_rng(rng), get_xp(self.params["0.w"])
        codes = xp.zeros((n, height, width), int)
        start = 0 if known is None else known.shape[1]
        codes[:, :start] = 0 if known is None else known
        x = self._input(codes, condition)
        inputs = [x]              # of each layer, all rows that are known
        for r in range(start):
            self._compute(inputs, r, 0, width)
        for r in range(start, height):
            for c in range(width):
                logits = self._compute(inputs, r, c, c + 1)[:, 0]
                # a draw, by the Gumbel-max trick (straight_through.py)
                noise = move(rng.gumbel(size=(n, self.K)), xp)
                codes[:, r, c] = drawn = (logits + noise).argmax(axis=-1)
                x[:, r, c, :self.K] = one_hot(drawn, self.K, self.dtype)
        self.forget()
        return codes

    def _compute(self, inputs, r, c, stop):
        """Return the logits of row r, columns c to stop.

        inputs are each layer's, as far as they are known, and grow by that.
        """
        for i, layer in enumerate(self.layers):
            k = reach_of(layer)
            first, left = max(0, r - k), max(0, c - k)
            seen = inputs[i][:, first:r + 1, left:stop + k]
            y = layer.forward(seen)[:, -1, c - left:stop - left]
            if len(inputs) == i + 1:
                inputs.append(get_xp(y).zeros(
                    (*inputs[0].shape[:3], y.shape[-1]), y.dtype))
            inputs[i + 1][:, r, c:stop] = y
        return y


def reach_of(layer: Layer) -> int:
    """How many rows above, and columns beside its own, does a layer see?"""
    return getattr(layer, "above", 0) + sum(map(reach_of, sublayers(layer)))


def pixel_cnn(rng: Seed = None) -> PixelCNN:
    """A PixelCNN of black and white images: 0 is white, 1 black."""
    return PixelCNN(2, filters=32, blocks=4, reach=11, places=True, rng=rng)


def load_pixelcnn(name: str) -> PixelCNN:
    """Return the one that ships for "mnist" or "fashion".

    Trained by python demos/pixelcnn.py --images NAME. Raises ValueError for
    another name, and where its file is damaged.
    """
    net = pixel_cnn(0)
    read_weights(name, "pixelcnn", net)
    return net
