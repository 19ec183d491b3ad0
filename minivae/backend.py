"""NumPy or CuPy: each array says which library computes.

Every layer asks the array that it is given, `xp = get_xp(x)`, and calls
xp.maximum, xp.exp, ...: the same line runs on a CPU and on a GPU.
"""
import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Array = Any                              # a numpy or a cupy ndarray
Seed = np.random.Generator | int | None  # what np.random.default_rng takes


def get_xp(x: Array) -> ModuleType:
    """Return the module whose array x is: numpy, or cupy."""
    # No array can be CuPy's before somebody has imported cupy, so we never
    # have to: `import minivae` stays quick where there is no GPU.
    cupy = sys.modules.get("cupy")
    return cupy if cupy and type(x).__module__.startswith("cupy") else np


def fused(function: Callable) -> Callable:
    """Let CuPy compute an elementwise function of arrays as one kernel.

    Else every operation in it is a kernel of its own; and of a small array,
    Python takes longer to launch one than the GPU to run it. NumPy runs the
    function as it stands, and so can you. It may only use operators and xp's
    functions.
    """
    kernels = {}

    @functools.wraps(function)
    def run(*arrays):
        xp = get_xp(arrays[0])
        if xp is np:
            return function(*arrays)
        if xp not in kernels:
            # At its first call CuPy runs the function on placeholders, notes
            # what is done to them, and compiles that
            kernels[xp] = xp.fuse(function)
        return kernels[xp](*arrays)
    return run


class has_quick_form:
    """Let minivae/quick or extras/gpu compute a function in their own way.

    What stands below this decorator is the idea, and all that a reader needs:
    the result is the same. It stays at hand as function.plain.
    """

    def __init__(self, plain: Callable):
        self.plain = self.quick = plain
        functools.update_wrapper(self, plain)

    def __call__(self, *args):
        return self.quick(*args)


def quick_form_of(function: has_quick_form) -> Callable:
    """Let a function that has_quick_form be computed by the one below."""
    def register(quick):
        function.quick = quick
        return quick
    return register


def to_numpy(x: Array) -> np.ndarray:
    """Return x as a NumPy array: itself, or a copy from the GPU."""
    return x if get_xp(x) is np else x.get()


def move(x: Array, xp: ModuleType) -> Array:
    """Return x as an array of xp: itself, or a copy across the bus."""
    if not isinstance(xp, ModuleType):
        raise TypeError(f"the device is {xp!r}, but numpy or cupy was "
                        "expected, such as choose_device('gpu')[0]")
    return to_numpy(x) if xp is np else xp.asarray(x)
