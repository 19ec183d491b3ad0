"""What measurements share: fresh processes, a clock, the machine, pictures."""
import multiprocessing
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_info

from minivae.extras.parallel.workers import cores
from minivae.plots import pixels, save_frame


def start(work: Callable, *args: Any) -> Any:
    """Start work(*args, pipe) in a fresh process; return our end."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    # Ctrl-C is ours alone: the process inherits that it is ignored
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    context.Process(target=live, args=(work, *args, theirs)).start()
    signal.signal(signal.SIGINT, ours)
    theirs.close()                         # so that we see it end
    return pipe


def live(work: Callable, *args: Any) -> None:
    """What start starts: its errors go to the parent, not to the screen."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)       # frameworks' chatter
    try:
        work(*args)
    except EOFError:                       # the parent has all it wanted
        pass
    except Exception as error:
        args[-1].send(RuntimeError(f"{type(error).__name__}: {error}"))


def receive(pipe: Any, who: str) -> Any:
    """Return a process's answer; RuntimeError is what it raised."""
    try:
        answer = pipe.recv()
    except EOFError:
        raise RuntimeError(f"{who} ended without a word: perhaps it had too "
                           "little memory") from None
    if isinstance(answer, Exception):
        raise RuntimeError(f"{who} failed; {answer}") from answer
    return answer


def clock(work: Callable) -> float:
    """Return how many seconds a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def matmul_speed(n: int = 768, times: int = 9) -> float:
    """Return the FLOP/s of a float32 product of two (n, n) matrices."""
    a = np.ones((n, n), np.float32)
    seconds = [clock(lambda: a @ a) for _ in range(times)]
    return 2 * n ** 3 / statistics.median(seconds)


def peak_memory() -> tuple[float, float]:
    """Return this process's peak in bytes, and all of its workers'."""
    try:
        import resource
    except ImportError:                    # Windows
        return float("nan"), float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    children = 0
    for child in multiprocessing.active_children():
        try:
            status = Path(f"/proc/{child.pid}/status").read_text()
            peak = status.split("VmHWM:")[1].split()[0]
            children += int(peak) * 1024
        except (OSError, IndexError):
            children = float("nan")
    return own, own + children


def print_machine() -> None:
    """Print what the figures depend on: versions, cores, kernels."""
    kernels = sorted({f"{library['internal_api']}'s {library['architecture']}"
                      for library in threadpool_info()
                      if "architecture" in library})
    print(f"""\
Python {platform.python_version()}, NumPy {np.__version__}, \
{platform.machine()}, {cores()} core{'s' * (cores() > 1)}; with \
{' and '.join(kernels) or 'unknown'} kernels
NumPy's matrix product reaches {matmul_speed() / 1e9:.0f} GFLOP/s
""")


def save(path: Path, figure: Figure) -> None:
    """Save a figure, and say where it is."""
    save_frame(path, pixels(figure))
    print(f"\nThe picture is {path}")
