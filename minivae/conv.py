"""Convolution and transposed convolution: one linear map and its transposes.

Let P(x) be the matrix whose rows are the windows ("patches") of x that a
kernel sees. P is linear in x: it only copies numbers. Its transpose Pᵀ puts
the patches back where they came from, and adds where they overlap. (In a
shape such as (N, P, Q, F), P and Q count rows and columns of windows.) Then

    correlate      y  = P(x)·w         what a convolution layer computes
    correlate_dx   dx = Pᵀ(dy·wᵀ)      the chain rule, with respect to x
    correlate_dw   dw = P(x)ᵀ·dy       the chain rule, with respect to w

and these three functions are two layers:

                   forward         backward: dx      dw
    Conv2D         correlate       correlate_dx      correlate_dw
    ...Transpose   correlate_dx    correlate         correlate_dw

A transposed convolution is a convolution run backwards, so its own backward
is that convolution run forwards. It is no inverse: it undoes the shapes, not
the numbers.

Images are (N, H, W, C), channels last; padding means exactly what it means
in Keras on TensorFlow. As everywhere in deep learning, the kernel is not
flipped: strictly speaking, these convolutions are cross-correlations.
"""
import itertools
import math
from collections.abc import Iterator

import numpy as np

from .backend import Array, Seed, get_xp
from .layers import Layer, check_array, check_sizes, glorot_uniform


# ---- patches and their transpose -------------------------------------------

def windows(size: int, kernel: int, stride: int,
            padding: str) -> tuple[int, int, int]:
    """Return how many windows fit along an axis, and the zeros around it.

    The result is (windows, zeros before, zeros after). "valid" adds none;
    "same" adds what ceil(size / stride) windows need, the smaller half first.
    """
    if padding == "valid":
        return max((size - kernel) // stride + 1, 0), 0, 0
    P = -(-size // stride)                                   # ceil
    zeros = max((P - 1) * stride + kernel - size, 0)
    return P, zeros // 2, zeros - zeros // 2


def grid(image_size: tuple, kernel_size: tuple, strides: tuple,
         padding: str) -> tuple[int, int]:
    """Return P and Q: how many rows and columns of windows an image has."""
    P, Q = (windows(*axis, padding)[0]
            for axis in zip(image_size, kernel_size, strides))
    return P, Q


def view_windows(x: Array, kernel_size: tuple, strides: tuple) -> Array:
    """View every window of x (N, H, W, C): (N, P, Q, KH, KW, C).

    Nothing is copied: where windows overlap, they share the memory of x.
    """
    xp, (N, H, W, C) = get_xp(x), x.shape
    (KH, KW), (SH, SW) = kernel_size, strides
    P, Q = grid((H, W), kernel_size, strides, "valid")
    n, h, w, c = x.strides        # bytes from an image, row, ... to the next
    return xp.lib.stride_tricks.as_strided(
        x, (N, P, Q, KH, KW, C), (n, SH * h, SW * w, h, w, c))


def zeros_around(like: Array, image_size: tuple, kernel_size: tuple,
                 strides: tuple, padding: str) -> tuple[Array, Array]:
    """Return zeros for images with their padding, and the images' place.

    like (N, ..., C) says how many images and channels there are.
    """
    (H, W), N, C = image_size, len(like), like.shape[-1]
    _, top, bottom = windows(H, kernel_size[0], strides[0], padding)
    _, left, right = windows(W, kernel_size[1], strides[1], padding)
    padded = get_xp(like).zeros(
        (N, top + H + bottom, left + W + right, C), like.dtype)
    return padded, padded[:, top:top + H, left:left + W]


def patches(x: Array, kernel_size: tuple, strides: tuple,
            padding: str) -> Array:
    """P(x): copy each window of x (N, H, W, C) to (N, P, Q, KH, KW, C)."""
    padded = x
    if padding == "same":
        padded, inside = zeros_around(x, x.shape[1:3], kernel_size, strides,
                                      padding)
        inside[...] = x
    p = view_windows(padded, kernel_size, strides)
    # A copy is quick where many numbers follow each other: the KW·C in a row
    # of a window, or else, of few channels, the Q windows in a row. So where
    # C is small, p lies in another order in memory; in a matrix, by columns.
    _, _, Q, _, KW, C = p.shape
    if KW * C < Q:
        p = p.transpose(3, 4, 5, 0, 1, 2).copy()     # (KH, KW, C, N, P, Q)
        return p.transpose(3, 4, 5, 0, 1, 2)
    return p.copy()


def unpatches(p: Array, image_size: tuple, strides: tuple,
              padding: str) -> Array:
    """Pᵀ(p): add each patch of p (N, P, Q, KH, KW, C) to an image's window.

    Where patches reads from windows, this adds to them: a pixel that was read
    several times receives as many gradients.
    """
    xp, (_, _, Q, KH, KW, C) = get_xp(p), p.shape
    padded, inside = zeros_around(p, image_size, (KH, KW), strides, padding)
    view = view_windows(padded, (KH, KW), strides)
    # All windows at once would overlap, and sums be lost. One tap of each (or
    # SW taps in a row) does not; and the first SH times SW taps are the first
    # at their pixels, so there is nothing to add to.
    SH, SW = strides
    # Long runs are quick: all channels of SW taps, or else, where these are
    # few, the Q pixels in a row of one channel. (A step on RGB images takes a
    # tenth less; and a GPU has no runs.)
    channels = 1 if xp is np and SW * C < Q else C
    for i, j, c in itertools.product(range(KH), range(0, KW, SW),
                                     range(0, C, channels)):
        part = np.s_[:, :, :, i, j:j + SW, c:c + channels]
        taps = view[part]
        if i < SH and j < SW:
            taps[...] = p[part]
        else:
            taps += p[part]
    return inside


# ---- the trio --------------------------------------------------------------

CACHE = 2 ** 20     # bytes: about what a core's own (L2) cache holds


def tiles(x: Array, size: int) -> list[slice]:
    """Cut a batch x (N, ...) into tiles, for patches of size numbers each.

    A tile is as many images as have their patches in the processor's cache
    together. Patches are up to KH·KW times as large as their image: those of
    a whole batch would go out to main memory, and come back. (A GPU computes
    all at once.)
    """
    n = len(x) if get_xp(x) is not np else CACHE // max(size * x.itemsize, 1)
    n = max(n, 1)
    return [slice(start, start + n) for start in range(0, len(x), n)]


def tiles_of_patches(x: Array, kernel_size: tuple, strides: tuple,
                     padding: str) -> Iterator[tuple[slice, Array]]:
    """Yield each tile of x (N, H, W, C) with its P(x): (n·P·Q, KH·KW·C)."""
    P, Q = grid(x.shape[1:3], kernel_size, strides, padding)
    for tile in tiles(x, P * Q * math.prod(kernel_size) * x.shape[-1]):
        p = patches(x[tile], kernel_size, strides, padding)
        yield tile, p.reshape(-1, math.prod(p.shape[3:]))


def correlate(x: Array, w: Array, strides: tuple, padding: str) -> Array:
    """y = P(x)·w: x (N, H, W, C), w (KH, KW, C, F) -> y (N, P, Q, F)."""
    xp, (KH, KW, C, F) = get_xp(x), w.shape
    P, Q = grid(x.shape[1:3], (KH, KW), strides, padding)
    w = w.reshape(KH * KW * C, F)
    y = xp.empty((len(x), P, Q, F), x.dtype)
    for tile, p in tiles_of_patches(x, (KH, KW), strides, padding):
        xp.matmul(p, w, out=y[tile].reshape(-1, F))  # (n·P·Q, F)
    return y


def correlate_dx(dy: Array, w: Array, image_size: tuple, strides: tuple,
                 padding: str) -> Array:
    """dx = Pᵀ(dy·wᵀ): dy (N, P, Q, F), w (KH, KW, C, F) -> (N, H, W, C)."""
    xp, (N, P, Q, F), (KH, KW, C, _) = get_xp(dy), dy.shape, w.shape
    w = w.reshape(KH * KW * C, F)
    dx = xp.empty((N, *image_size, C), dy.dtype)
    for tile in tiles(dy, P * Q * len(w)):
        dp = dy[tile].reshape(-1, F) @ w.T           # (n·P·Q, KH·KW·C)
        dp = dp.reshape(-1, P, Q, KH, KW, C)
        dx[tile] = unpatches(dp, image_size, strides, padding)
    return dx


def correlate_dw(x: Array, dy: Array, kernel_size: tuple, strides: tuple,
                 padding: str) -> Array:
    """dw = P(x)ᵀ·dy: x (N, H, W, C), dy (N, P, Q, F) -> (KH, KW, C, F)."""
    # Forward has had these patches already. But they are KH·KW times as large
    # as x: to make them anew is quicker than to keep and fetch them.
    (KH, KW), C, F = kernel_size, x.shape[-1], dy.shape[-1]
    dw = get_xp(x).zeros((KH * KW * C, F), x.dtype)
    for tile, p in tiles_of_patches(x, kernel_size, strides, padding):
        dw += p.T @ dy[tile].reshape(-1, F)          # (KH·KW·C, F)
    return dw.reshape(KH, KW, C, F)


def correlate_and_dw(x: Array, w: Array, dy: Array, strides: tuple,
                     padding: str) -> tuple[Array, Array]:
    """Return both P(x)·w and P(x)ᵀ·dy, from patches that are made once.

    So a transposed convolution's backward takes a tenth less time.
    """
    xp, (KH, KW, C, F) = get_xp(x), w.shape
    w = w.reshape(KH * KW * C, F)
    y, dw = xp.empty(dy.shape, x.dtype), xp.zeros(w.shape, x.dtype)
    for tile, p in tiles_of_patches(x, (KH, KW), strides, padding):
        xp.matmul(p, w, out=y[tile].reshape(-1, F))  # (n·P·Q, F)
        dw += p.T @ dy[tile].reshape(-1, F)          # (KH·KW·C, F)
    return y, dw.reshape(KH, KW, C, F)


# ---- the two layers --------------------------------------------------------

def pair(who, name: str, size) -> tuple[int, int]:
    """Return (rows, columns) from a pair, or from one number for both."""
    sizes = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sizes) != 2:
        raise ValueError(f"{who}: {name} is {size!r}, but one or two numbers "
                         "were expected")
    for size in sizes:
        check_sizes(who, **{name: size})
    return sizes


def sum_pixels(dy: Array) -> Array:
    """db = 1ᵀ·dy: the sum of dy (N, P, Q, F) over all but the last axis.

    A product with a row of ones: three times as fast as NumPy's sum.
    """
    dy = dy.reshape(-1, dy.shape[-1])                        # (N·P·Q, F)
    return get_xp(dy).ones(len(dy), dy.dtype) @ dy


class Convolution(Layer):
    """What Conv2D and Conv2DTranspose share: the settings, and b (F,)."""

    def __init__(self, in_channels: int, filters: int,
                 kernel_size: int | tuple, strides: int | tuple = 1,
                 padding: str = "valid", *, rng: Seed = None,
                 dtype=np.float32):
        who = type(self).__name__
        check_sizes(who, in_channels=in_channels, filters=filters)
        if padding not in ("valid", "same"):
            raise ValueError(f"{who}: padding is {padding!r}; it can be "
                             "'valid' or 'same'")
        self.in_channels, self.filters = in_channels, filters
        self.kernel_size = pair(who, "kernel_size", kernel_size)
        self.strides = pair(who, "strides", strides)
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
    """y = P(x)·w + b: x (N, H, W, C) -> y (N, P, Q, F), w (KH, KW, C, F).

    P = ceil(H / S) for padding "same", floor((H − K) / S) + 1 for "valid";
    Q alike. kernel_size and strides are a whole number, or (rows, columns).
    """

    @property
    def w_shape(self) -> tuple:
        """(KH, KW, C, F), as Keras has it."""
        return (*self.kernel_size, self.in_channels, self.filters)

    def y_shape(self, x_shape: tuple) -> tuple:
        """(N, P, Q, F) for an x of shape (N, H, W, C)."""
        N, H, W, _ = x_shape
        P, Q = grid((H, W), self.kernel_size, self.strides, self.padding)
        if not P * Q:
            raise ValueError(
                f"{self}: images of {H} x {W} have no room for the kernel; "
                "use larger images, a smaller kernel or padding='same'")
        return N, P, Q, self.filters

    def forward(self, x: Array) -> Array:
        w, b = self.params["w"], self.params["b"]
        check_array(self, "x", x, ("N", "H", "W", self.in_channels), like=w)
        self.y_shape(x.shape)               # refuses images that are too small
        self.cache = x
        y = correlate(x, w, self.strides, self.padding)
        y += b                               # in place: y is still ours alone
        return y

    def backward(self, dy: Array) -> Array:
        x, w = self.recall(), self.params["w"]
        check_array(self, "dy", dy, self.y_shape(x.shape), like=x)
        self.grads = {
            "w": correlate_dw(x, dy, self.kernel_size, self.strides,
                              self.padding),
            "b": sum_pixels(dy)}
        return correlate_dx(dy, w, x.shape[1:3], self.strides, self.padding)


class Conv2DTranspose(Convolution):
    """The transpose of a Conv2D: (N, P, Q, C) -> (N, H, W, F).

    H = P·S for padding "same", P·S + max(K − S, 0) for "valid"; W alike.
    w (KH, KW, F, C) is that Conv2D's, which takes F channels to C.
    """

    @property
    def w_shape(self) -> tuple:
        """(KH, KW, F, C), as Keras has it."""
        return (*self.kernel_size, self.filters, self.in_channels)

    def y_shape(self, x_shape: tuple) -> tuple:
        """(N, H, W, F) for an x of shape (N, P, Q, C)."""
        N, P, Q, _ = x_shape
        if 0 in (P, Q):
            raise ValueError(f"{self}: images of {P} x {Q} have no pixel; use "
                             "larger images")
        H, W = (size * stride + (max(kernel - stride, 0)
                                 if self.padding == "valid" else 0)
                for size, kernel, stride
                in zip((P, Q), self.kernel_size, self.strides))
        return N, H, W, self.filters

    def forward(self, x: Array) -> Array:
        w, b = self.params["w"], self.params["b"]
        check_array(self, "x", x, ("N", "P", "Q", self.in_channels), like=w)
        self.cache = x
        y = correlate_dx(x, w, self.y_shape(x.shape)[1:3], self.strides,
                         self.padding)
        y += b
        return y

    def backward(self, dy: Array) -> Array:
        x, w = self.recall(), self.params["w"]
        check_array(self, "dy", dy, self.y_shape(x.shape), like=x)
        dx, dw = correlate_and_dw(dy, w, x, self.strides, self.padding)
        self.grads = {"w": dw, "b": sum_pixels(dy)}
        return dx
