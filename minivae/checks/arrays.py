"""What a layer, or any function of arrays, refuses.

A wrong shape or dtype that got through would be broadcast, or computed in
half the digits, and nobody would know. So layers check what they are given;
these decorators do it, and leave a method to its mathematics.
"""
import functools
import operator
from collections.abc import Callable

import numpy as np

from ..backend import Array, get_xp

FLOATS = np.float32, np.float64, np.complex128   # complex: complex-step checks


def expects(*shape) -> Callable:
    """Let a layer's forward refuse an x of another shape, dtype or device.

    shape: as for check_array; the name of an attribute stands for its value.
    x must be of the same kind as the layer's parameters.
    """
    def decorate(forward):
        @functools.wraps(forward)
        def checked(self, x):
            sizes = [getattr(self, size, size) if isinstance(size, str)
                     else size for size in shape]
            check_array(self, "x", x, sizes,
                        like=next(iter(self.params.values()), None))
            y = forward(self, x)
            self.y_kind = y.shape, get_xp(y).empty(0, y.dtype)
            return y
        return checked
    return decorate


def expects_dy(backward: Callable) -> Callable:
    """Let backward refuse a dy that is not of the last y's kind.

    Raises RuntimeError if there is no last y.
    """
    @functools.wraps(backward)
    def checked(self, dy):
        if self.cache is None:
            raise RuntimeError(f"{self}: backward was called before forward; "
                               "there is nothing to go back through")
        check_array(self, "dy", dy, *self.y_kind)
        return backward(self, dy)
    return checked


def check_array(caller, name: str, x: Array, shape: tuple | list,
                like: Array | None = None) -> None:
    """Refuse an array that a function was not made for.

    shape: the one expected; letters stand for any size of at least 1 (N may be
    0), a last `...` for any further axes: ("N", "H", "W", 3), ("N", ...).
    like: an array whose type and dtype x must share; without it, any
    floating dtype will do. Raises ValueError (shape) or TypeError (the rest).
    """
    if type(x) is not (get_xp(x).ndarray if like is None else type(like)):
        wanted = "numpy ndarray" if like is None else kind(like)
        raise TypeError(f"{caller}: {name} is a {kind(x)}, but a {wanted} was "
                        "expected; convert it first")
    like = x if like is None else like
    if x.dtype.kind not in "fc" or x.dtype != like.dtype:
        wanted = like.dtype if like.dtype.kind in "fc" else "float32"
        raise TypeError(f"{caller}: {name} is {x.dtype}, but {wanted} was "
                        f"expected; convert it with .astype('{wanted}')")
    fixed = [size for size in shape if size is not ...]
    rank = x.ndim >= len(fixed) if ... in shape else x.ndim == len(fixed)
    if not rank or any(
            (have == 0 and want != "N") if isinstance(want, str)
            else have != want for want, have in zip(fixed, x.shape)):
        wanted = ", ".join("..." if s is ... else str(s) for s in shape)
        raise ValueError(f"{caller}: {name} has shape {x.shape}, but "
                         f"({wanted}) was expected"
                         + ", none of them 0" * (0 in x.shape))


def check_same(caller, shape: tuple, **arrays: Array) -> None:
    """Refuse arrays that are not all of one kind, of which shape says more."""
    (name, first), *others = arrays.items()
    check_array(caller, name, first, shape)
    for name, x in others:
        check_array(caller, name, x, first.shape, like=first)


def check_sizes(caller, **sizes) -> None:
    """Refuse sizes that are not whole numbers of at least 1."""
    for name, size in sizes.items():
        try:
            good = operator.index(size) >= 1
        except TypeError:
            good = False
        if not good:
            raise ValueError(f"{caller}: {name} is {size!r}, but a whole "
                             "number of at least 1 was expected")


def check_pair(caller, name: str, size) -> tuple[int, int]:
    """Return (rows, columns) from a pair, or from one number for both."""
    sizes = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sizes) != 2:
        raise ValueError(f"{caller}: {name} is {size!r}, but one or two "
                         "numbers were expected")
    for size in sizes:
        check_sizes(caller, **{name: size})
    return sizes


def check_param(caller, name: str, p: Array) -> None:
    """Refuse a parameter that is not an array of float32 or float64.

    (Or complex: some tests take derivatives by a complex step.)
    """
    if type(p) is not get_xp(p).ndarray or p.dtype not in FLOATS:
        what = getattr(p, "dtype", f"a {kind(p)}")
        raise TypeError(f"{caller}: {name} is {what}, but an array of float32 "
                        "or float64 was expected; set dtype='float32'")


def kind(x) -> str:
    """Say what x is: "numpy ndarray", "list", ..."""
    module = type(x).__module__.split(".")[0]
    return f"{module} {type(x).__name__}".removeprefix("builtins ")
