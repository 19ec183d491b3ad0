"""The trio of conv.py, a few images at a time, and dx plane by plane.

Half of a training step's time goes into products of matrices. The rest is
memory traffic, and that is where time is saved: by keeping numbers in the
cache, and by making fewer and longer copies.
"""
import itertools
import math
from collections.abc import Iterator

import numpy as np

from .. import conv
from ..backend import Array, get_xp, quick_form_of
from .copies import col2im, im2col, output_size
from .products import multiply, multiply_transposed

L2_CACHE = 2 ** 20     # bytes: about what a core's own cache holds


# ---- a few images at a time ------------------------------------------------

def tiles(x: Array, numbers: int) -> list[slice]:
    """Cut a batch x (N, ...) into tiles; numbers: how many an image needs.

    A tile is the most images whose numbers fit in the cache. cols is up to
    KH·KW times as large as x: that of a whole batch would go out to main
    memory and come back. (A GPU computes all at once.)
    """
    n = len(x)
    if get_xp(x) is np:
        n = L2_CACHE // max(numbers * x.itemsize, 1)
    n = max(n, 1)
    return [slice(start, start + n) for start in range(0, len(x), n)]


def tiles_of_cols(x: Array, kernel_size: tuple, strides: tuple,
                  padding: str) -> Iterator[tuple[slice, Array]]:
    """Yield each tile of x (N, H, W, C) with its cols (n·OH·OW, KH·KW·C)."""
    OH, OW = output_size(x.shape[1:3], kernel_size, strides, padding)
    numbers = math.prod(kernel_size) * x.shape[-1]
    parts = tiles(x, OH * OW * numbers)
    for tile, cols in zip(parts, im2col(x, parts, kernel_size, strides,
                                        padding)):
        yield tile, cols.reshape(-1, numbers)


@quick_form_of(conv.correlate)
def correlate(x: Array, w: Array, strides: tuple, padding: str) -> Array:
    """y, each tile's product written where it belongs."""
    xp, (KH, KW, C, F) = get_xp(x), w.shape
    OH, OW = output_size(x.shape[1:3], (KH, KW), strides, padding)
    w = w.reshape(KH * KW * C, F)
    y = xp.empty((len(x), OH, OW, F), x.dtype)
    for tile, cols in tiles_of_cols(x, (KH, KW), strides, padding):
        multiply(cols, w, out=y[tile].reshape(-1, F))        # (n·OH·OW, F)
    return y


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
        dw += multiply_transposed(cols, dy[tile].reshape(-1, F))
    return dw.reshape(KH, KW, C, F)


@quick_form_of(conv.correlate_and_dw)
def correlate_and_dw(x: Array, w: Array, dy: Array, strides: tuple,
                     padding: str) -> tuple[Array, Array]:
    """y and dw, from cols that are made once."""
    xp, (KH, KW, C, F) = get_xp(x), w.shape
    w = w.reshape(KH * KW * C, F)
    y, dw = xp.empty(dy.shape, x.dtype), xp.zeros(w.shape, x.dtype)
    for tile, cols in tiles_of_cols(x, (KH, KW), strides, padding):
        multiply(cols, w, out=y[tile].reshape(-1, F))        # (n·OH·OW, F)
        dw += multiply_transposed(cols, dy[tile].reshape(-1, F))
    return y, dw.reshape(KH, KW, C, F)


@quick_form_of(conv.sum_pixels)
def sum_pixels(dy: Array) -> Array:
    """db as a product with a row of ones."""
    dy = dy.reshape(-1, dy.shape[-1])                        # (N·OH·OW, F)
    return get_xp(dy).ones(len(dy), dy.dtype) @ dy


# ---- dx: plane by plane, or by col2im --------------------------------------

@quick_form_of(conv.correlate_dx)
def correlate_dx(dy: Array, w: Array, image_size: tuple, strides: tuple,
                 padding: str) -> Array:
    """dx, tile by tile."""
    xp, (N, OH, OW, F), (KH, KW, C, _) = get_xp(dy), dy.shape, w.shape
    dx = xp.empty((N, *image_size, C), dy.dtype)
    if xp is np and has_planes(dy.shape, w.shape, image_size, strides,
                               padding):
        w = w.swapaxes(2, 3).copy()                          # (KH, KW, F, C)
        for tile in tiles(dy, OH * OW * (F + 2 * C)):
            fill_planes(dx[tile], dy[tile], w, strides)
        return dx
    w = w.reshape(KH * KW * C, F).T                          # (F, KH·KW·C)
    for tile in tiles(dy, OH * OW * KH * KW * C):
        rows = dy[tile].reshape(-1, F)                       # (n·OH·OW, F)
        dcols = xp.empty((len(rows), KH * KW * C), dy.dtype)
        multiply(rows, w, out=dcols)
        dcols = dcols.reshape(-1, OH, OW, KH, KW, C)
        dx[tile] = col2im(dcols, image_size, strides, padding)
    return dx


def has_planes(dy_shape: tuple, w_shape: tuple, image_size: tuple,
               strides: tuple, padding: str) -> bool:
    """Return whether dx splits into planes, each filled by a kernel position.

    That is so with padding "same", where images are SH times as high and SW
    times as wide as dy, and the kernel is no smaller than the strides. With a
    single channel, col2im is quicker.
    """
    _, OH, OW, _ = dy_shape
    KH, KW, C, _ = w_shape
    (SH, SW), (H, W) = strides, image_size
    return (padding == "same" and C > 1 and KH >= SH and KW >= SW
            and (H, W) == (OH * SH, OW * SW))


def fill_planes(dx: Array, dy: Array, w: Array, strides: tuple) -> None:
    """Write dx (n, H, W, C) for dy (n, OH, OW, F) and w (KH, KW, F, C).

    Every SH-th row and SW-th pixel of dx make up a plane, as large as dy: the
    pixels at one place within a stride. A kernel position falls on one plane
    only, for all windows. So for each plane, in turn: the product dy·wᵀ of
    every kernel position that falls on it, added up in long runs; and then
    one copy into dx. The position that falls on pixel o of the plane for
    window o comes first: it fills the plane, so nothing need be set to 0.
    """
    (n, OH, OW, F), (KH, KW, _, C), (SH, SW) = dy.shape, w.shape, strides
    plane, part = np.empty((2, n, OH, OW, C), dy.dtype)
    for a, b in itertools.product(range(SH), range(SW)):
        positions = itertools.product(on_the_plane(a, KH, SH, OH),
                                      on_the_plane(b, KW, SW, OW))
        for nth, ((i, rows, from_rows), (j, columns, from_columns)) in (
                enumerate(positions)):
            multiply(dy.reshape(-1, F), w[i, j],
                     out=(part if nth else plane).reshape(-1, C))
            if nth:
                plane[:, rows, columns] += part[:, from_rows, from_columns]
        dx[:, a::SH, b::SW] = plane


def on_the_plane(place: int, kernel: int, stride: int,
                 windows: int) -> list[tuple[int, slice, slice]]:
    """Return the kernel positions that fall on the plane at a place, 0 … S−1.

    With each, along one axis: which part of the plane its product is added
    to, and which part of the product that is. The first one fills the plane.
    """
    _, before, _ = conv.windows(windows * stride, kernel, stride, "same")
    found = []
    for i in range((place + before) % stride, kernel, stride):
        # window o puts position i into pixel o·S + i − before of the image,
        # which is number o − m of the plane's
        m = (place + before - i) // stride
        if abs(m) < windows:
            found.append((i, slice(max(0, -m), windows - max(0, m)),
                          slice(max(0, m), windows + min(0, m))))
    return sorted(found, key=lambda position: position[0] != place + before)
