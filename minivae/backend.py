"""NumPy or CuPy: who owns an array, and is there a GPU that really works.

Every layer asks the array that it is given, `xp = get_xp(x)`, and calls
xp.maximum, xp.exp, ...: the same line runs on a CPU and on a GPU. This is
the only file that imports cupy.
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

    Else every operation in it is a kernel of its own; and a GPU computes a
    small array sooner than Python can ask for it. NumPy runs the function as
    it stands, and so can you. It may only use operators and xp's functions.
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
    """Let quick.py compute a function in its own way, to the same result.

    What stands below this decorator is the idea, and all that a reader needs;
    it stays at hand as function.plain.
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


def choose_device(device: str = "auto") -> tuple[ModuleType, str]:
    """Return the array module to compute with, and a line that says why.

    device: "cpu", "gpu", or "auto": the GPU if it works, else the CPU.
    Raises RuntimeError where "gpu" is asked for and does not work, and
    ValueError for any other name.
    """
    if not isinstance(device, str) or device not in ("auto", "cpu", "gpu"):
        raise ValueError(f"device is {device!r}; it can be 'auto', 'cpu' or "
                         "'gpu'")
    if device == "cpu":
        return np, "cpu"
    try:
        cupy = _working_cupy()
    except RuntimeError as problem:
        if device == "gpu":
            raise RuntimeError(f"{problem}; mend that, or choose the device "
                               "'cpu'") from problem
        return np, f"cpu ({problem})"
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return cupy, f"gpu ({name})"


def _working_cupy() -> ModuleType:
    """Import CuPy and let it compute; RuntimeError says what went wrong.

    `import cupy` succeeds on a machine without a GPU, and a device can be
    listed and yet be unusable (wrong driver, memory full). So we believe
    only an answer: allocate, one elementwise kernel, one matrix product.
    """
    try:
        import cupy
    except Exception as error:
        absent = getattr(error, "name", None) == "cupy"
        reason = ("is not installed" if absent else
                  f"cannot be imported, {error}")
        raise RuntimeError(f"no GPU: CuPy {reason}") from error
    try:
        a = cupy.asarray(np.array([[1, 2], [3, 4]], np.float32))
        answer = to_numpy((a + 1) @ a)
    except Exception as error:
        raise RuntimeError(f"no GPU: CuPy cannot compute, {error}") from error
    if not np.array_equal(answer, [[11, 16], [19, 28]]):
        raise RuntimeError("no GPU: it answered a test product wrongly, "
                           f"{answer.tolist()}")
    return cupy
