"""Worker processes that never leave anything hanging.

Python's multiprocessing starts them, but much can go wrong with it:

- It runs the main module again in each. In a script that does not guard its
  code with `if __name__ == "__main__":`, each starts processes of its own.
- It writes a process's task into a pipe, and waits for it to be read: forever,
  if the process has died and the pipe is full.
- Ctrl-C, and the SIGTERM of a job scheduler, reach all processes at once. But
  the parent should save its work, with the help of the others.
- A process may be killed or stopped, and no answer comes.
- A process waits for a message from its parent, even if that was killed, as
  long as another process, which the parent has forked, holds their pipe.
"""
import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from multiprocessing.util import Finalize
from typing import Any

from tqdm import tqdm

SIGNALS = signal.SIGINT, signal.SIGTERM
PATIENCE = 30          # seconds of silence until we say so
FAREWELL = 3           # seconds in which a process may end by itself
ROOM = 2 ** 15         # bytes that surely fit into a pipe, besides the rest
CONTEXT = multiprocessing.get_context("spawn")
STARTING = threading.RLock()       # all threads share sys.modules, os.environ


class Processes:
    """Processes that each run main(*arguments, pipe).

    arguments: one tuple for each process, small ones: together with sys.path
    they must fit into a pipe (64 KB). Large things go into shared memory.
    main gets messages with hear, and must return when its pipe ends: after
    close, or once this object or this process is gone.

    Raises RuntimeError where processes cannot be started.
    """

    def __init__(self, main: Callable, arguments: list[tuple]):
        self.patience = PATIENCE
        self._processes: list[Any] = []
        self._pipes: list[Any] = []
        # Called at the end of the program, too, before multiprocessing waits
        # for these processes: they wait for the end of their pipe
        self._end = Finalize(self, end, (self._processes, self._pipes),
                             exitpriority=0)
        if multiprocessing.current_process().daemon:
            raise RuntimeError("a daemonic process cannot start workers; make "
                               "it one with daemon=False, or use one worker")
        if len(pickle.dumps(sys.path)) > ROOM:
            raise RuntimeError(f"sys.path has {len(str(sys.path)):,} "
                               "characters, which do not fit into a worker's "
                               "pipe; shorten it, or use one worker")
        try:
            with STARTING, empty_main(), no_signals():
                for some in arguments:
                    self._start(main, some)
        except OSError as error:
            self.close()
            raise RuntimeError(f"a worker process cannot be started ({error})"
                               "; use fewer workers, or one") from error
        except BaseException:
            self.close()
            raise

    def _start(self, main, arguments):
        pipe, theirs = CONTEXT.Pipe()
        self._pipes.append(pipe)
        with theirs:            # closed here: so it ends when the process does
            process = CONTEXT.Process(
                target=live, args=(main, *arguments, theirs), daemon=True)
            process.start()
        self._processes.append(process)

    def send(self, index: int, message: Any) -> None:
        """Send a small message to a process; receive says if it has ended."""
        if not self._pipes:
            raise RuntimeError("the worker processes were closed, or ended by "
                               "an interrupted call; start new ones")
        with contextlib.suppress(ConnectionError):
            self._pipes[index].send(message)

    def receive(self, index: int, limit: float = math.inf) -> Any:
        """Return what a process sends, and say so if that takes long.

        Raises RuntimeError if it has ended, or after limit seconds.
        """
        pipe, process, silence = self._pipes[index], self._processes[index], 0
        who = f"worker process {process.pid}"
        try:
            # Counted, not measured: this process may have been stopped, too
            while not pipe.poll(1):
                silence += 1
                if silence >= limit:
                    raise RuntimeError(f"{who} was not ready within {limit} "
                                       "s; use fewer workers, or one")
                if silence >= self.patience:
                    self.patience *= 2
                    tqdm.write(          # which a progress bar makes room for
                        f"note: {who} has not answered for {silence} s: it "
                        "is very busy, or was stopped (kill -CONT "
                        f"{process.pid} lets it go on; Ctrl-C ends the run)",
                        file=sys.stderr)
            return pipe.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"{who} has ended: {why(process)}; with one "
                               "worker there is no such process") from error

    def close(self) -> None:
        """End the processes; calling it twice does no harm."""
        self._end()


def live(main: Callable, *arguments: Any) -> None:
    """Run main in a process that ignores SIGNALS."""
    for number in SIGNALS:            # they are blocked, but not on Windows
        signal.signal(number, signal.SIG_IGN)
    main(*arguments)


def hear(pipe: Any) -> Any:
    """Return the parent's next message; EOFError once it is gone."""
    parent = multiprocessing.parent_process()
    while not pipe.poll(1):
        if parent and os.getppid() != parent.pid:
            raise EOFError
    return pipe.recv()


def end(processes: list, pipes: list) -> None:
    """End processes: those that do not see the end of their pipe are killed.
    """
    for pipe in pipes:
        pipe.close()
    pipes.clear()
    deadline = time.monotonic() + FAREWELL
    try:
        for process in processes:
            process.join(max(0, deadline - time.monotonic()))
    finally:                                       # after Ctrl-C, too
        for process in processes:
            process.kill()                         # a stopped one ends as well
        for process in processes:
            process.join()


def why(process: multiprocessing.Process) -> str:
    """Say how a process has ended."""
    process.join(FAREWELL)
    status = process.exitcode
    if status is None or status >= 0:
        return f"its exit status is {status}"
    name = next((s.name for s in signal.Signals if s == -status), -status)
    memory = ", as happens when memory runs out" * (name == "SIGKILL")
    return f"it was killed by signal {name}{memory}"


# ---- while they are started ------------------------------------------------

@contextlib.contextmanager
def empty_main() -> Iterator[None]:
    """Start processes that know neither the main module nor its arguments.

    So nothing of it is run again; but what it defines cannot be found there,
    either, which is why cloudpickle must send it.
    """
    main, argv = sys.modules["__main__"], sys.argv
    sys.modules["__main__"], sys.argv = types.ModuleType("__main__"), argv[:1]
    try:
        yield
    finally:
        sys.modules["__main__"], sys.argv = main, argv


@contextlib.contextmanager
def no_signals() -> Iterator[None]:
    """Start processes that never get SIGNALS; this one gets them afterwards.

    What is blocked here is blocked there, from the first moment on. This
    process needs a handler as well: where one thread has blocked a signal,
    another gets it (NumPy has some), and the handler is called in any case.
    """
    heard: list[int] = []
    before: dict[int, Any] = {}
    blocked: set[int] = set()
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, lambda n, _: heard.append(n))
                  for number in SIGNALS}
    try:
        if os.name == "posix":
            from multiprocessing import resource_tracker
            resource_tracker.ensure_running()  # its start would unblock them
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        yield
    finally:
        if os.name == "posix":
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in heard:
            signal.raise_signal(number)
