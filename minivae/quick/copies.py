"""im2col and col2im, in copies of long runs.

A copy is as fast as its runs of contiguous numbers are long, since between
two runs NumPy's loop begins anew.
"""
import itertools
from collections.abc import Iterator

import numpy as np

from .. import conv
from ..backend import Array, get_xp


def output_size(image_size: tuple, kernel_size: tuple, strides: tuple,
                padding: str) -> tuple[int, int]:
    """Return OH and OW: how many rows and columns of windows there are."""
    OH, OW = (conv.windows(*axis, padding)[0]
              for axis in zip(image_size, kernel_size, strides))
    return OH, OW


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


def im2col(x: Array, tiles: list[slice], kernel_size: tuple, strides: tuple,
           padding: str) -> Iterator[Array]:
    """Yield conv.im2col of each tile, (n, OH, OW, KH, KW, C): a view's copy.

    All tiles share the same zeros around them, and one view. Copies are fast
    when long runs are contiguous. That is the KW·C numbers in a row of a
    window; or, with few channels, the OW windows in a row: then cols lies in
    another order in memory; as a matrix, by columns.
    """
    if padding == "same":
        padded, inside = zeros_around(x[tiles[0]], x.shape[1:3], kernel_size,
                                      strides, padding)
        view = view_windows(padded, kernel_size, strides)
    else:
        view = view_windows(x, kernel_size, strides)
    _, _, OW, _, KW, C = view.shape
    for tile in tiles:
        windows = view[tile]
        if padding == "same":
            n = len(x[tile])
            inside[:n], windows = x[tile], view[:n]
        if KW * C < OW:
            cols = windows.transpose(3, 4, 5, 0, 1, 2).copy()
            yield cols.transpose(3, 4, 5, 0, 1, 2)  # was (KH, KW, C, n, ...)
        else:
            yield windows.copy()


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
