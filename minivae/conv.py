"""Convolution and transposed convolution: Dense, applied to every window.

im2col copies each window of x that the kernel sees into a row, and calls all
rows cols. A convolution is a Dense on these rows, with w as a matrix of
(KH·KW·C, F), and has Dense's chain rule:

    y  = cols·w          dw = colsᵀ·dy          dcols = dy·wᵀ

im2col is linear in x, as it only copies numbers; dx is its transpose applied
to dcols. That is col2im: it puts each row back where its window was, and adds
where windows overlap, since a pixel that was read several times receives as
many gradients. So

    correlate      y  = im2col(x)·w        what a convolution computes
    correlate_dx   dx = col2im(dy·wᵀ)      the chain rule, with respect to x
    correlate_dw   dw = im2col(x)ᵀ·dy      the chain rule, with respect to w

and these three functions make up two layers:

                   forward         backward: dx      dw
    Conv2D         correlate       correlate_dx      correlate_dw
    ...Transpose   correlate_dx    correlate         correlate_dw (x and dy
                                                     exchanged)

A transposed convolution uses a convolution's dx as its forward, so its own
backward is that convolution. It is no inverse: it leads back to an image size
that the convolution could have come from, not to its numbers.

Images are (N, H, W, C), channels last; padding means exactly what it means
in Keras on TensorFlow. As everywhere in deep learning, the kernel is not
flipped: strictly speaking, these convolutions are cross-correlations.
"""
import numpy as np

from .backend import Array, Seed, get_xp, has_quick_form
from .checks.arrays import check_pair, check_sizes, expects, expects_dy
from .layers import Layer, glorot_uniform


# ---- windows ---------------------------------------------------------------

def windows(size: int, kernel: int, stride: int,
            padding: str) -> tuple[int, int, int]:
    """Return how many windows fit along an axis, and the zeros around it.

    The result is (windows, zeros before, zeros after). "valid" adds none;
    "same" adds what ceil(size / stride) windows need, the smaller half first.
    Raises ValueError where no window fits.
    """
    if padding == "valid":
        if size < kernel:
            raise ValueError(f"a kernel of {kernel} does not fit into {size} "
                             "pixels; use larger images, a smaller kernel or "
                             "padding='same'")
        return (size - kernel) // stride + 1, 0, 0
    count = -(-size // stride)                               # ceil
    zeros = max((count - 1) * stride + kernel - size, 0)
    return count, zeros // 2, zeros - zeros // 2


def im2col(x: Array, kernel_size: tuple, strides: tuple,
           padding: str) -> Array:
    """Copy each window of x (N, H, W, C) into a row: (N, OH, OW, KH·KW·C)."""
    xp, (N, H, W, C) = get_xp(x), x.shape
    (KH, KW), (SH, SW) = kernel_size, strides
    OH, top, bottom = windows(H, KH, SH, padding)
    OW, left, right = windows(W, KW, SW, padding)
    x = xp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    cols = xp.empty((N, OH, OW, KH, KW, C), x.dtype)
    for i in range(KH):              # the pixel at place i, j of every window
        for j in range(KW):
            cols[:, :, :, i, j] = x[:, i:i + SH * OH:SH, j:j + SW * OW:SW]
    return cols.reshape(N, OH, OW, KH * KW * C)


def col2im(cols: Array, image_size: tuple, kernel_size: tuple,
           strides: tuple, padding: str) -> Array:
    """Add each row of cols to its window: im2col's transpose, (N, H, W, C)."""
    (H, W), (KH, KW), (SH, SW) = image_size, kernel_size, strides
    OH, top, bottom = windows(H, KH, SH, padding)
    OW, left, right = windows(W, KW, SW, padding)
    N, C = len(cols), cols.shape[-1] // (KH * KW)
    cols = cols.reshape(N, OH, OW, KH, KW, C)
    x = get_xp(cols).zeros(
        (N, top + H + bottom, left + W + right, C), cols.dtype)
    for i in range(KH):         # at one i, j, no two windows share a pixel
        for j in range(KW):
            x[:, i:i + SH * OH:SH, j:j + SW * OW:SW] += cols[:, :, :, i, j]
    return x[:, top:top + H, left:left + W]


# ---- one linear map and its chain rule -------------------------------------

@has_quick_form
def correlate(x: Array, w: Array, strides: tuple, padding: str) -> Array:
    """y = im2col(x)·w: x (N, H, W, C), w (KH, KW, C, F) -> (N, OH, OW, F)."""
    KH, KW, C, F = w.shape
    cols = im2col(x, (KH, KW), strides, padding)     # (N, OH, OW, KH·KW·C)
    return cols @ w.reshape(KH * KW * C, F)          # (N, OH, OW, F)


@has_quick_form
def correlate_dx(dy: Array, w: Array, image_size: tuple, strides: tuple,
                 padding: str) -> Array:
    """dx = col2im(dy·wᵀ): dy (N, OH, OW, F), w as above -> (N, H, W, C)."""
    KH, KW, C, F = w.shape
    dcols = dy @ w.reshape(KH * KW * C, F).T         # (N, OH, OW, KH·KW·C)
    return col2im(dcols, image_size, (KH, KW), strides, padding)


@has_quick_form
def correlate_dw(x: Array, dy: Array, kernel_size: tuple, strides: tuple,
                 padding: str) -> Array:
    """dw = im2col(x)ᵀ·dy: x (N, H, W, C), dy (N, OH, OW, F) -> like w."""
    (KH, KW), C, F = kernel_size, x.shape[-1], dy.shape[-1]
    cols = im2col(x, kernel_size, strides, padding)
    dw = cols.reshape(-1, KH * KW * C).T @ dy.reshape(-1, F)
    return dw.reshape(KH, KW, C, F)


@has_quick_form
def correlate_and_dw(x: Array, w: Array, dy: Array, strides: tuple,
                     padding: str) -> tuple[Array, Array]:
    """Return both y and dw: a transposed convolution's backward needs them."""
    return (correlate(x, w, strides, padding),
            correlate_dw(x, dy, w.shape[:2], strides, padding))


@has_quick_form
def sum_pixels(dy: Array) -> Array:
    """db: the sum of dy (N, OH, OW, F) over all but the last axis."""
    return dy.sum(axis=(0, 1, 2))


# ---- the two layers --------------------------------------------------------

class Convolution(Layer):
    """What Conv2D and Conv2DTranspose share: the settings, and b (F,)."""

    def __init__(self, in_channels: int, filters: int,
                 kernel_size: int | tuple, strides: int | tuple = 1,
                 padding: str = "valid", *, rng: Seed = None,
                 dtype=np.float32):
        caller = type(self).__name__
        check_sizes(caller, in_channels=in_channels, filters=filters)
        if padding not in ("valid", "same"):
            raise ValueError(f"{caller}: padding is {padding!r}; it can be "
                             "'valid' or 'same'")
        self.in_channels, self.filters = in_channels, filters
        self.kernel_size = check_pair(caller, "kernel_size", kernel_size)
        self.strides = check_pair(caller, "strides", strides)
        self.padding = padding
        super().__init__(w=glorot_uniform(self.w_shape, rng, dtype),
                         b=np.zeros(filters, dtype))

    @property
    def w_shape(self) -> tuple:
        """The shape of w, (KH, KW, ., .)."""
        raise NotImplementedError

    def __repr__(self):
        (KH, KW), (SH, SW) = self.kernel_size, self.strides
        kernel = KH if KH == KW else (KH, KW)
        strides = SH if SH == SW else (SH, SW)
        return (f"{type(self).__name__}({self.in_channels}, {self.filters}, "
                f"{kernel}, strides={strides}, padding={self.padding!r})")


class Conv2D(Convolution):
    """y = im2col(x)·w + b: x (N, H, W, C) -> y (N, OH, OW, F).

    OH = ceil(H / SH) for padding "same", floor((H − KH) / SH) + 1 for
    "valid"; OW alike. kernel_size and strides are each a whole number, or a
    pair (rows, columns).
    """

    @property
    def w_shape(self) -> tuple:
        """(KH, KW, C, F), as Keras has it."""
        return (*self.kernel_size, self.in_channels, self.filters)

    @expects("N", "H", "W", "in_channels")
    def forward(self, x: Array) -> Array:
        y = correlate(x, self.params["w"], self.strides, self.padding)
        y += self.params["b"]                # in place: nobody else has y yet
        self.cache = x
        return y

    def backward(self, dy: Array) -> Array:
        Conv2D.backward_params(self, dy)
        return correlate_dx(dy, self.params["w"], self.cache.shape[1:3],
                            self.strides, self.padding)

    @expects_dy
    def backward_params(self, dy: Array) -> None:
        self.grads = {"w": correlate_dw(self.cache, dy, self.kernel_size,
                                        self.strides, self.padding),
                      "b": sum_pixels(dy)}


class Conv2DTranspose(Convolution):
    """The transpose of a Conv2D: x (N, H, W, C) -> y (N, OH, OW, F).

    OH = H·SH for padding "same", H·SH + max(KH − SH, 0) for "valid"; OW
    alike. w has the shape it has in the Conv2D from F channels to C.
    """

    @property
    def w_shape(self) -> tuple:
        """(KH, KW, F, C), as Keras has it."""
        return (*self.kernel_size, self.filters, self.in_channels)

    @expects("N", "H", "W", "in_channels")
    def forward(self, x: Array) -> Array:
        y = correlate_dx(x, self.params["w"], self.output_size(x),
                         self.strides, self.padding)
        y += self.params["b"]
        self.cache = x
        return y

    def output_size(self, x: Array) -> tuple[int, ...]:
        """Return OH and OW."""
        more = self.padding == "valid"
        return tuple(size * S + more * max(K - S, 0) for size, K, S in zip(
            x.shape[1:3], self.kernel_size, self.strides))

    @expects_dy
    def backward(self, dy: Array) -> Array:
        x, w = self.cache, self.params["w"]
        # dy plays the part of an image here, and x that of its output
        dx, dw = correlate_and_dw(dy, w, x, self.strides, self.padding)
        self.grads = {"w": dw, "b": sum_pixels(dy)}
        return dx
