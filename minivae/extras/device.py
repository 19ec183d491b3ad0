"""Is there a GPU that really works? The only file that imports cupy."""
from types import ModuleType

import numpy as np

from ..backend import to_numpy


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
            raise RuntimeError(f"{problem}; fix that, or choose the device "
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
