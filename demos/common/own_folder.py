"""A run has its folder to itself: two would overwrite each other's files.

The lock is the operating system's (filelock asks for it), on a hidden file in
the folder. So it ends with the process that holds it, even with one that was
killed. Where a file system has no locks, a run goes on without one.
"""
import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

# how mpiexec or srun tells each of its processes how many there are
STARTED = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"


def own_folder(main: Callable) -> Callable:
    """Let a demo's main(args) make its folder, args.out, and own it.

    In an MPI run (args.comm), rank 0 does so for all. Raises RuntimeError
    where another run has the folder.
    """
    @functools.wraps(main)
    def alone(args):
        with contextlib.ExitStack() as stack:
            enter = functools.partial(stack.enter_context, claim(args.out))
            if getattr(args, "comm", None) is None:
                enter()
            else:                          # most demos need not know of MPI
                from minivae.extras.parallel.distributed import on_rank_0
                on_rank_0(args.comm, lambda: bool(enter()))
            return main(args)
    return alone


@contextlib.contextmanager
def claim(folder: str | Path) -> Iterator[None]:
    """Make a folder, and keep other runs out of it meanwhile."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    lock = FileLock(path)
    with contextlib.ExitStack() as stack:
        try:
            path.touch()              # can it be written at all?
            stack.enter_context(lock.acquire(timeout=0))
            stack.callback(_remove, path)
        except Timeout:
            raise RuntimeError(f"another run is writing to {folder}; "
                               f"{_advice()}") from None
        except (OSError, NotImplementedError):
            pass                      # there are no locks, or no permission
        yield


def _remove(path):
    with contextlib.suppress(OSError):        # Windows: not while it is locked
        path.unlink()


def _advice():
    copies = max(int(os.environ.get(name) or 1) for name in STARTED)
    if copies > 1:
        return (f"mpiexec has started {copies} copies of this one: add "
                "--distributed, and they share the work")
    return "wait until it ends, or choose another folder with --out"
