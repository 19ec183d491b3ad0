"""What the processes share: memory; and how each treats memory and threads."""
import contextlib
import ctypes
import functools
import math
import os
import threading
from collections.abc import Iterator
from multiprocessing import heap
from multiprocessing.sharedctypes import (  # type: ignore[attr-defined]
    rebuild_ctype)
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

# What the processes are started with: one thread for matrix products, since
# every core has a process of its own
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
               "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}

# glibc's names for two settings of its allocator, and their values, in bytes:
# what is smaller comes from the heap; and how much may lie free at its end
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = (-3, 2 ** 25), (-1, 2 ** 31 - 1)


def share(shape: tuple, dtype: np.dtype) -> tuple:
    """Return memory for an array, which can be given to a process.

    A RawArray, but one whose memory is certain to be there: writing to a file
    in a full file system would end the program without a word.
    """
    size = int(math.prod(shape)) * dtype.itemsize
    try:
        memory: Any = heap.BufferWrapper(size)
        if hasattr(os, "posix_fallocate"):
            arena = memory._state[0][0]
            os.posix_fallocate(arena.fd, 0, arena.size)
        return rebuild_ctype(ctypes.c_byte * size, memory, None), shape, dtype
    except OSError as error:
        raise RuntimeError(f"Workers: {size:,} bytes of shared memory cannot "
                           f"be allocated ({error}); make room in the folder "
                           "for temporary files, or use one worker") from error


def open_memory(memory) -> dict:
    """Return the shared arrays by name."""
    return {name: np.frombuffer(block, dtype).reshape(shape)
            for name, (block, shape, dtype) in memory.items()}


class OneThread:
    """NumPy multiplies with one thread while anybody is in its with block.

    Threads of this program may be in it at once: the last one gives NumPy
    its threads back.
    """

    def __init__(self):
        self.lock, self.inside = threading.Lock(), 0

    @functools.cached_property
    def libraries(self) -> ThreadpoolController:
        """What multiplies: looked up once, as it takes milliseconds."""
        return ThreadpoolController().select(user_api="blas")

    def __enter__(self):
        with self.lock:
            if not self.inside:
                self.limit = self.libraries.limit(limits=1)
            self.inside += 1

    def __exit__(self, *error):
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.limit.restore_original_limits()


ONE_THREAD = OneThread()


def keep_freed_memory() -> None:
    """Let memory that arrays have freed stay with this process, from now on.

    Else the system takes an array's pages back, and clears them for the same
    step's next array. (This is for glibc; other allocators have no mallopt.)
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for setting in M_MMAP_THRESHOLD, M_TRIM_THRESHOLD:
            mallopt(*setting)


@contextlib.contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
