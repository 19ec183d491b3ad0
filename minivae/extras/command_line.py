"""What all demos do at their edges: options, and errors in one sentence."""
import argparse
import math
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from .distributed import leave


def parser(doc: str, out: str,
           limit: int | None = None) -> argparse.ArgumentParser:
    """Return a parser for a demo: doc is its help, out its folder.

    One that trains has --seed, --device and --limit, with limit for its
    default; args.device is what choose_device takes.
    """
    result = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--out", type=Path, default=Path(out), metavar="DIR",
                        help=f"where the pictures go ({out})")
    if limit:
        result.add_argument(
            "--limit", type=at_least(320), default=limit, metavar="N",
            help=f"train on the first N images only ({limit})")
        result.add_argument("--seed", type=at_least(0), default=0,
                            metavar="N", help="of all randomness (0)")
        result.add_argument("--device", choices=("auto", "cpu", "gpu"),
                            default="auto", help="where to train; auto takes "
                            "a GPU that works")
    return result


def at_least(minimum: int) -> Callable[[str], int]:
    """Return a type for an option: a whole number from minimum on."""
    def whole_number(text):
        if not text.isdecimal() or int(text) < minimum:
            raise argparse.ArgumentTypeError(
                f"{text} is not a whole number of at least {minimum}")
        return int(text)
    return whole_number


def above_0(text: str) -> float:
    """Read an option: a finite number above 0."""
    try:
        if 0 < float(text) < math.inf:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text} is not a number above 0")


def run(main: Callable, arguments: Callable[[], argparse.Namespace]) -> None:
    """Call main(arguments()), and end with an exit status.

    2 after an error, which gets one sentence; 130 after Ctrl-C.
    """
    sys.stdout.reconfigure(line_buffering=True)      # into a file, too
    status, sentence = 0, ""
    try:
        status = main(arguments()) or 0
    except BrokenPipeError:           # who read what it prints has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as problem:
        status, sentence = 2, (
            f"error: {problem.filename or 'a file'} cannot be written or "
            f"read ({problem.strerror}); make room or rights for it, or "
            "choose another folder with --out")
    except (ArithmeticError, RuntimeError, ValueError) as problem:
        status, sentence = 2, f"error: {problem}"
    except KeyboardInterrupt:
        status = 130
    except Exception:             # our mistake: the other ranks must not wait
        if "mpi4py.MPI" not in sys.modules:
            raise
        traceback.print_exc()
        status = 1
    leave(status, sentence)
