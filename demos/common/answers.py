"""Call what a student's file defines, whatever it may do, and compare."""
import _thread
import contextlib
import copy
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np


WARNINGS = "warnings"     # this output is what NumPy warned of on the way
LIMIT = 10                # seconds; right answers take a hundredth of one


@dataclass
class Outcome:
    """What a call gave: outputs by name, or a sentence about its error."""

    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    error: str = ""
    open: bool = False                  # it raised NotImplementedError
    changed: list[str] = field(default_factory=list)    # which inputs


def load_answer(path: Path, needs: tuple[str, ...]) -> ModuleType | str:
    """Return the module in a file, or a sentence that says what is wrong."""
    module = ModuleType(path.stem)
    try:
        # not imported, as an import may use an outdated .pyc after an edit
        code = compile(path.read_bytes(), str(path), "exec")
        with time_limit():
            exec(code, module.__dict__)
    except SyntaxError as error:
        return f"Python cannot read line {error.lineno} of it: {error.msg}."
    except Exception as error:
        return f"It cannot be imported: {_say(error, path)}"
    for name in needs:
        if not hasattr(module, name):
            return (f"{path.name} has no {name}: keep the names that the "
                    "exercise came with.")
    return module


def attempt(run: Callable[..., dict], case: dict,
            path: Path | None = None) -> Outcome:
    """Return what run(**case) gives; NumPy's warnings are an output, too."""
    inputs, flags = copy.deepcopy(case), set()
    try:
        with time_limit(), np.errstate(
                all="call", under="ignore",
                call=lambda kind, _: flags.add(kind)):
            outputs = {name: np.asarray(a)
                       for name, a in run(**inputs).items()}
    except NotImplementedError:
        return Outcome(open=True, error="it is still open")
    except Exception as error:
        return Outcome(error=_say(error, path))
    changed = [name for name, a in case.items() if isinstance(a, np.ndarray)
               and not np.array_equal(a, inputs[name])]
    outputs[WARNINGS] = np.array(sorted(flags), dtype=str)
    return Outcome(outputs, changed=changed)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise TimeoutError where a block was after LIMIT seconds."""
    late = []

    def stop():
        late.append(True)
        _thread.interrupt_main()
    timer = threading.Timer(LIMIT, stop)
    # interrupt_main does nothing where Ctrl-C is ignored, as behind nohup
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        yield
    except KeyboardInterrupt as stopped:
        if not late:                                # it was a real Ctrl-C
            raise
        raise TimeoutError(
            f"it takes more than {LIMIT} seconds: perhaps a loop never ends"
        ).with_traceback(stopped.__traceback__) from None
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, handler)


def _say(error: Exception, path: Path | None) -> str:
    """Say what was raised, and in which line of the student's file."""
    lines = [frame.lineno for frame in traceback.extract_tb(
        error.__traceback__) if path and frame.filename == str(path)]
    where = f"in line {lines[-1]}, " if lines else ""
    return f"{where}{type(error).__name__}: {str(error).rstrip('.')}."


def agree(one: Outcome, other: Outcome, name: str, rtol: float) -> bool:
    """Do two outcomes have the same numbers under a name?"""
    return (name in one.outputs and name in other.outputs
            and close(one.outputs[name], other.outputs[name], rtol))


def close(a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    """Are two arrays equal, up to rtol and 1% of it of the largest?"""
    if a.shape != b.shape or not (is_readable(a) and is_readable(b)):
        return False
    if "U" in (a.dtype.kind, b.dtype.kind):
        return a.tolist() == b.tolist()
    largest = abs(b).max(initial=0, where=np.isfinite(b))
    return np.allclose(a, b, rtol, 0.01 * rtol * largest, equal_nan=True)


def is_readable(a: np.ndarray) -> bool:
    """Does an array hold numbers, or words?"""
    return a.dtype.kind in "biufcU"
