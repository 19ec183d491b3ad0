"""A convolution and its chain rule, each as one kernel for a GPU.

In CuPy, a convolution of conv.py is several kernels: zeros around the images,
copies into cols, a product, its bias, a ReLU. For a small batch a GPU spends
more time on starting each than on computing; for a large one, most of it goes
into cols, written to memory and read again. kernels.cu does it all at once.

    correlate       y  = im2col(x)·w     then, if asked, + bias and ReLU
    correlate_dx    dx = col2im(dy·wᵀ)   likewise; or 0 where a mask is
    correlate_dw    dw = im2col(x)ᵀ·dy   in parts, still to be added
    sum_rows        db                   likewise

A Dense is a convolution of images of one pixel. The kernels are compiled for
the sizes that they are called with, once; CuPy keeps them on the disk.
"""
import functools
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ...backend import Array, get_xp
from ...conv import windows

SOURCE = Path(__file__).parent / "kernels.cu"
NULL = np.uint64(0)


class Sizes(NamedTuple):
    """Those of a convolution, in the letters of layers.py."""

    H: int
    W: int
    C: int
    OH: int
    OW: int
    F: int
    KH: int
    KW: int
    SH: int
    SW: int
    TOP: int               # zeros above the image, and left of it
    LEFT: int


class Tile(NamedTuple):
    """What a block of threads computes, and each thread of it."""

    TILE_M: int
    TILE_N: int
    EACH_M: int
    EACH_N: int
    TILE_K: int


# for kernels that need neither
ANY, TILE = Sizes._make([1] * 12), Tile._make([1] * 5)
# of threads, for each processor: so that one can compute while others wait
BLOCKS = 8


def sizes_of(image_shape: tuple, w_shape: tuple, strides: tuple,
             padding: str) -> Sizes:
    """Return a convolution's sizes, from its images (N, H, W, C) and w."""
    (_, H, W, C), (KH, KW, _, F) = image_shape, w_shape
    SH, SW = strides
    OH, top, _ = windows(H, KH, SH, padding)
    OW, left, _ = windows(W, KW, SW, padding)
    return Sizes(H, W, C, OH, OW, F, KH, KW, SH, SW, top, left)


def choose_tile(columns: int) -> Tile:
    """Return the tile for a product of so many columns: 64 by 64 at most.

    A larger one fetches fewer numbers for each product, but needs so many
    registers that fewer threads run side by side.
    """
    n = min(64, 2 ** math.ceil(math.log2(columns)))
    m = max(64, 128 // n)
    each = m * n // 128                               # of each of 128 threads
    each_n = min(each, 4)
    return Tile(m, n, each // each_n, each_n, 8 if each > 8 else 16)


@functools.cache
def compiled(xp: ModuleType, name: str, dtype: np.dtype, sizes: Sizes = ANY,
             tile: Tile = TILE) -> Callable:
    """Return a kernel of kernels.cu, for these sizes."""
    constants = ", ".join(f"{key} = {value}" for key, value in (
        sizes._asdict() | tile._asdict()).items())
    T = {"f": "float", "d": "double"}[np.dtype(dtype).char]
    return xp.RawModule(
        code=f"#define {name.upper()}\nusing T = {T};\n"
        f"constexpr int {constants};\n" + SOURCE.read_text(encoding="utf-8"),
        options=("-std=c++17",)).get_function("kernel")


@functools.cache
def processors(xp: ModuleType) -> int:
    """Return how many processors the GPU has, each for several blocks."""
    return xp.cuda.Device().attributes["MultiProcessorCount"]


# ---- products --------------------------------------------------------------

class Product(NamedTuple):
    """A product of matrices that a kernel computes: its name and its size.

    rows and columns are those of the result, inner is the length of its sums;
    for correlate_dx, of one plane.
    """

    name: str
    sizes: Sizes
    rows: int
    columns: int
    inner: int
    planes: int = 1

    def grid(self, parts: int) -> tuple[int, int, int]:
        """Return how many blocks compute it."""
        tile = choose_tile(self.columns)
        return (-(-self.rows // tile.TILE_M), -(-self.columns // tile.TILE_N),
                self.planes * parts)

    def parts(self, xp: ModuleType) -> int:
        """Return in how many parts its sums should be, so that all have work.
        """
        return max(1, min(BLOCKS * processors(xp) // math.prod(self.grid(1)),
                          self.inner // 64))

    def run(self, a: Array, b: Array, out: Array, *, parts: int = 1,
            bias: Array | None = None, mask: Array | None = None,
            relu: bool = False) -> None:
        """Compute it into out; in parts, each into a row of out.

        Raises ValueError for arrays of 2³¹ numbers or more.
        """
        xp, tile = get_xp(a), choose_tile(self.columns)
        if max(a.size, b.size, out.size) >= 2 ** 31:     # kernels count in int
            raise ValueError(f"a batch of {len(a):,} images is too large to "
                             "be recorded; make it smaller")
        kernel = compiled(xp, self.name, a.dtype, self.sizes, tile)
        threads = tile.TILE_M // tile.EACH_M * (tile.TILE_N // tile.EACH_N)
        kernel(self.grid(parts), (threads, 1, 1),
               (xp.ascontiguousarray(a), xp.ascontiguousarray(b),
                np.int32(len(a)), *finish(out, bias, mask, relu),
                np.int32(parts), np.int32(out.size // parts)))

    def finished(self, a: Array, b: Array, shape: tuple, **finishing) -> Array:
        """Return it; where blocks are few, parts are added afterwards."""
        xp, parts = get_xp(a), self.parts(get_xp(a))
        out = xp.empty(shape, a.dtype)
        if parts == 1:
            self.run(a, b, out, **finishing)
        else:
            sums = xp.empty((parts, out.size), a.dtype)
            self.run(a, b, sums, parts=parts)
            add_parts(sums, out, self.columns, **finishing)
        return out


def finish(out, bias, mask, relu):
    """Return what kernels.cu's Finish is made of."""
    return (out, NULL if bias is None else bias,
            NULL if mask is None else mask, np.int32(relu))


def correlate(x: Array, w: Array, sizes: Sizes, **finishing) -> Array:
    """y = im2col(x)·w: (N, H, W, C), (KH, KW, C, F) -> (N, OH, OW, F)."""
    N, s = len(x), sizes
    product = Product("correlate", s, N * s.OH * s.OW, s.F, s.KH * s.KW * s.C)
    return product.finished(x, w, (N, s.OH, s.OW, s.F), **finishing)


def correlate_dx(dy: Array, w: Array, sizes: Sizes, **finishing) -> Array:
    """dx = col2im(dy·wᵀ): (N, OH, OW, F), (KH, KW, C, F) -> (N, H, W, C)."""
    N, s = len(dy), sizes
    rows, columns = -(-s.H // s.SH), -(-s.W // s.SW)           # of a plane
    positions = -(-s.KH // s.SH) * -(-s.KW // s.SW)
    product = Product("correlate_dx", s, N * rows * columns, s.C,
                      positions * s.F, s.SH * s.SW)
    return product.finished(dy, w, (N, s.H, s.W, s.C), **finishing)


def product_dw(N: int, sizes: Sizes) -> Product:
    """dw = im2col(x)ᵀ·dy, for N images: (KH·KW·C, F)."""
    s = sizes
    return Product("correlate_dw", s, s.KH * s.KW * s.C, s.F, N * s.OH * s.OW)


def correlate_dw(x: Array, dy: Array, sizes: Sizes, sums: Array) -> None:
    """dw = im2col(x)ᵀ·dy in parts: sums (parts, w.size)."""
    product_dw(len(x), sizes).run(x, dy, sums, parts=len(sums))


# ---- sums ------------------------------------------------------------------

def elementwise(name: str, out: Array, *args: Any) -> None:
    """Run a kernel that has a thread for each number of out."""
    compiled(get_xp(out), name, out.dtype)(
        (-(-out.size // 256), 1, 1), (256, 1, 1), args)


def sum_rows(a: Array, sums: Array) -> None:
    """The sum of a over all but the last axis, in parts: (parts, columns)."""
    columns = a.shape[-1]
    across = min(32, 2 ** math.ceil(math.log2(columns)))
    compiled(get_xp(a), "sum_rows", a.dtype)(
        (-(-columns // across), len(sums), 1), (across, 256 // across, 1),
        (get_xp(a).ascontiguousarray(a), np.int32(a.size // columns),
         np.int32(columns), sums))


def add_parts(sums: Array, out: Array, channels: int, *,
              bias: Array | None = None, mask: Array | None = None,
              relu: bool = False) -> None:
    """Add the rows of sums (parts, out.size) into out, and finish it."""
    elementwise("add_parts", out, sums, np.int32(out.size), np.int32(channels),
                *finish(out, bias, mask, relu), np.int32(len(sums)))


def add_gradients(sums: Array, table: Array, out: Array) -> None:
    """Add the parts of all gradients into one vector; see kernels.cu."""
    elementwise("add_gradients", out, sums, table, np.int32(table.shape[1]),
                out)


def adam(pointers: Array, ends: Array, g: Array, m: Array, v: Array,
         *settings: float) -> None:
    """Adam's update: pointers to the parameters, and where they end in g."""
    elementwise("adam", g, pointers, ends, np.int32(ends.size), g, m, v,
                *map(g.dtype.type, settings))
