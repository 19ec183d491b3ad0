"""The same functions, quicker: what exists only for speed, in one place.

Nobody needs to read this to understand a VAE. Each function below computes
what the plain one of the same name computes, to the last bit or up to
rounding (tests/test_quick.py); `function.plain` is the plain one. How much
longer a step takes with it, `python demos/benchmark.py --profile` measures.

Half of a step's time goes into products of matrices, which NumPy leaves to
OpenBLAS. The rest is memory traffic, and that is where time is saved: by
keeping numbers in the cache, and by copying them in long runs.
"""
import itertools
import math
from collections.abc import Iterator

import numpy as np

from . import conv, layers
from .backend import Array, get_xp, quick_form_of

L2_CACHE = 2 ** 20     # bytes: about what a core's own cache holds


# ---- a few images at a time ------------------------------------------------

def tiles(x: Array, row_numbers: int) -> list[slice]:
    """Cut a batch x (N, ...) into tiles; row_numbers: those in cols per image.

    A tile is the most images whose cols fit in the cache. cols is up to KH·KW
    times as large as x: that of a whole batch would go out to main memory and
    come back. (A GPU computes all at once.)
    """
    n = len(x)
    if get_xp(x) is np:
        n = L2_CACHE // max(row_numbers * x.itemsize, 1)
    n = max(n, 1)
    return [slice(start, start + n) for start in range(0, len(x), n)]


def tiles_of_cols(x: Array, kernel_size: tuple, strides: tuple,
                  padding: str) -> Iterator[tuple[slice, Array]]:
    """Yield each tile of x (N, H, W, C) with its cols (n·OH·OW, KH·KW·C)."""
    OH, OW = output_size(x.shape[1:3], kernel_size, strides, padding)
    for tile in tiles(x, OH * OW * math.prod(kernel_size) * x.shape[-1]):
        cols = im2col(x[tile], kernel_size, strides, padding)
        yield tile, cols.reshape(-1, math.prod(cols.shape[3:]))


def output_size(image_size: tuple, kernel_size: tuple, strides: tuple,
                padding: str) -> tuple[int, int]:
    """Return OH and OW: how many rows and columns of windows there are."""
    OH, OW = (conv.windows(*axis, padding)[0]
              for axis in zip(image_size, kernel_size, strides))
    return OH, OW


@quick_form_of(conv.correlate)
def correlate(x: Array, w: Array, strides: tuple, padding: str) -> Array:
    """y, each tile's product written where it belongs."""
    xp, (KH, KW, C, F) = get_xp(x), w.shape
    OH, OW = output_size(x.shape[1:3], (KH, KW), strides, padding)
    w = w.reshape(KH * KW * C, F)
    y = xp.empty((len(x), OH, OW, F), x.dtype)
    for tile, cols in tiles_of_cols(x, (KH, KW), strides, padding):
        xp.matmul(cols, w, out=y[tile].reshape(-1, F))       # (n·OH·OW, F)
    return y


@quick_form_of(conv.correlate_dx)
def correlate_dx(dy: Array, w: Array, image_size: tuple, strides: tuple,
                 padding: str) -> Array:
    """dx, tile by tile."""
    xp, (N, OH, OW, F), (KH, KW, C, _) = get_xp(dy), dy.shape, w.shape
    w = w.reshape(KH * KW * C, F)
    dx = xp.empty((N, *image_size, C), dy.dtype)
    for tile in tiles(dy, OH * OW * len(w)):
        dcols = dy[tile].reshape(-1, F) @ w.T                # (n·OH·OW, ...)
        dcols = dcols.reshape(-1, OH, OW, KH, KW, C)
        dx[tile] = col2im(dcols, image_size, strides, padding)
    return dx


@quick_form_of(conv.correlate_dw)
def correlate_dw(x: Array, dy: Array, kernel_size: tuple, strides: tuple,
                 padding: str) -> Array:
    """dw, the sum over tiles.

    forward has made these cols already, but they are KH·KW times as large as
    x: making them again is quicker than keeping and fetching them.
    """
    (KH, KW), C, F = kernel_size, x.shape[-1], dy.shape[-1]
    dw = get_xp(x).zeros((KH * KW * C, F), x.dtype)
    for tile, cols in tiles_of_cols(x, kernel_size, strides, padding):
        dw += cols.T @ dy[tile].reshape(-1, F)               # (KH·KW·C, F)
    return dw.reshape(KH, KW, C, F)


@quick_form_of(conv.correlate_and_dw)
def correlate_and_dw(x: Array, w: Array, dy: Array, strides: tuple,
                     padding: str) -> tuple[Array, Array]:
    """y and dw, from cols that are made once."""
    xp, (KH, KW, C, F) = get_xp(x), w.shape
    w = w.reshape(KH * KW * C, F)
    y, dw = xp.empty(dy.shape, x.dtype), xp.zeros(w.shape, x.dtype)
    for tile, cols in tiles_of_cols(x, (KH, KW), strides, padding):
        xp.matmul(cols, w, out=y[tile].reshape(-1, F))       # (n·OH·OW, F)
        dw += cols.T @ dy[tile].reshape(-1, F)               # (KH·KW·C, F)
    return y, dw.reshape(KH, KW, C, F)


# ---- copies in long runs ---------------------------------------------------

def view_windows(x: Array, kernel_size: tuple, strides: tuple) -> Array:
    """View every window of x (N, H, W, C): (N, OH, OW, KH, KW, C).

    Nothing is copied: where windows overlap, they share the memory of x.
    """
    xp, (N, H, W, C) = get_xp(x), x.shape
    (KH, KW), (SH, SW) = kernel_size, strides
    OH, OW = output_size((H, W), kernel_size, strides, "valid")
    n, h, w, c = x.strides        # bytes from an image, row, ... to the next
    return xp.lib.stride_tricks.as_strided(
        x, (N, OH, OW, KH, KW, C), (n, SH * h, SW * w, h, w, c))


def zeros_around(like: Array, image_size: tuple, kernel_size: tuple,
                 strides: tuple, padding: str) -> tuple[Array, Array]:
    """Return zeros for images with their padding, and the images' place.

    like (N, ..., C) says how many images and channels there are.
    """
    (H, W), N, C = image_size, len(like), like.shape[-1]
    _, top, bottom = conv.windows(H, kernel_size[0], strides[0], padding)
    _, left, right = conv.windows(W, kernel_size[1], strides[1], padding)
    padded = get_xp(like).zeros(
        (N, top + H + bottom, left + W + right, C), like.dtype)
    return padded, padded[:, top:top + H, left:left + W]


def im2col(x: Array, kernel_size: tuple, strides: tuple,
           padding: str) -> Array:
    """conv.im2col as one copy of a strided view: (N, OH, OW, KH, KW, C).

    Copies are fast when long runs are contiguous. That is the KW·C numbers in
    a row of a window; or, with few channels, the OW windows in a row: then
    cols lies in another order in memory; as a matrix, by columns.
    """
    padded = x
    if padding == "same":
        padded, inside = zeros_around(x, x.shape[1:3], kernel_size, strides,
                                      padding)
        inside[...] = x
    view = view_windows(padded, kernel_size, strides)
    _, _, OW, _, KW, C = view.shape
    if KW * C < OW:
        cols = view.transpose(3, 4, 5, 0, 1, 2).copy()  # (KH, KW, C, N, ...)
        return cols.transpose(3, 4, 5, 0, 1, 2)
    return view.copy()


def col2im(cols: Array, image_size: tuple, strides: tuple,
           padding: str) -> Array:
    """conv.col2im of cols (N, OH, OW, KH, KW, C), adding SW places at once.

    `view += cols` would lose sums: overlapping windows share memory. One
    place of every window (or SW in a row) does not overlap; and the first SH
    times SW places are the first at their pixels: stored, not added to 0.
    """
    xp, (_, _, OW, KH, KW, C) = get_xp(cols), cols.shape
    padded, inside = zeros_around(cols, image_size, (KH, KW), strides, padding)
    view, (SH, SW) = view_windows(padded, (KH, KW), strides), strides
    # Long runs: all channels of SW places, or else, where these are few, the
    # OW pixels in a row of one channel. (A GPU has no runs.)
    channels = 1 if xp is np and SW * C < OW else C
    for i, j, c in itertools.product(range(KH), range(0, KW, SW),
                                     range(0, C, channels)):
        part = np.s_[:, :, :, i, j:j + SW, c:c + channels]
        pixels = view[part]
        if i < SH and j < SW:
            pixels[...] = cols[part]
        else:
            pixels += cols[part]
    return inside


# ---- two of NumPy's slow cases ---------------------------------------------

@quick_form_of(layers.relu)
def relu(x: Array) -> Array:
    """max(x, 0) against an array: NumPy takes three times as long for one 0.
    """
    xp = get_xp(x)
    return xp.maximum(x, xp.zeros(x.shape[1:], x.dtype))


@quick_form_of(conv.sum_pixels)
def sum_pixels(dy: Array) -> Array:
    """The sum as a product with a row of ones: a third of the time."""
    dy = dy.reshape(-1, dy.shape[-1])                        # (N·OH·OW, F)
    return get_xp(dy).ones(len(dy), dy.dtype) @ dy
