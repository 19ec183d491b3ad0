"""What all demos share: options, and errors in one sentence."""
import argparse
import contextlib
import errno
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

IMAGES = 60000                        # to train on, in either MNIST


# ---- options ---------------------------------------------------------------

def parser(doc: str, out: str,
           limit: int | None = None) -> argparse.ArgumentParser:
    """Return a parser for a demo: doc is its help, out its folder.

    With a limit, the demo trains: it has --seed, --device and --limit, whose
    default is limit. args.device is what choose_device takes.
    """
    result = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--out", type=a_path, default=Path(out), metavar="DIR",
                        help=f"where the pictures go ({out})")
    if limit:
        result.add_argument(
            "--limit", type=at_least(320, IMAGES), default=limit, metavar="N",
            help=f"train on the first N images only ({limit})")
        result.add_argument("--seed", type=at_least(0), default=0,
                            metavar="N",
                            help="seed of all random numbers (0)")
        result.add_argument("--device", choices=("auto", "cpu", "gpu"),
                            default="auto", help="where to train; auto uses "
                            "a GPU if one works")
    return result


def at_least(minimum: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type for an option: a whole number from minimum to most."""
    wanted = f"of at least {minimum}" + f" and at most {most}" * bool(most)

    def whole_number(text):
        # (Python refuses to read thousands of digits)
        if not (text.isdecimal() and len(text) < 1000
                and minimum <= int(text) <= (most or math.inf)):
            raise argparse.ArgumentTypeError(
                f"{text:.50} is not a whole number {wanted}")
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


def at_least_0(text: str) -> float:
    """Read an option: a finite number of at least 0."""
    try:
        if 0 <= float(text) < math.inf:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0")


def up_to(most: int, why: str = "") -> Callable[[str], float]:
    """Return a type for an option: a number above 0 and at most most."""
    def number(text):
        if above_0(text) <= most:
            return float(text)
        raise argparse.ArgumentTypeError(
            f"{text} is not a number above 0 and at most {most:,}{why}")
    return number


def a_name(text: str) -> str:
    """Read an option: any text but an empty one."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"a name was expected, not {text!r}")
    return text


def a_path(text: str) -> Path:
    """Read an option: the path of a file or a folder."""
    return Path(a_name(text))             # Path("") would be this very folder


# ---- from the beginning to the end -----------------------------------------

def end(status: int, sentence: str = "") -> None:
    """Print a sentence, if there is one, and end with an exit status."""
    if sentence:
        with contextlib.suppress(OSError):           # nobody listens
            print(sentence, file=sys.stderr)
    sys.exit(status)


def run(main: Callable, arguments: Callable[[], argparse.Namespace],
        end: Callable[[int, str], None] = end) -> None:
    """Call main(arguments()), and end with an exit status.

    end: another way to do so, which speaks for all processes of a run.
    2 after an error, which gets one sentence; 130 after Ctrl-C, 143 after
    SIGTERM; 1 if nobody reads what is printed, or after a bug in the demo.
    """
    _prepare_streams()
    _hear(_interrupt)
    args, status, sentence = argparse.Namespace(), 0, ""
    try:
        args = arguments()
        status = main(args) or 0
    except SystemExit as error:                     # --help, or a bad option
        status = int(error.code or 0)
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        status = 128 + number
        if number != signal.SIGINT:
            sentence = f"stopped by {signal.Signals(number).name}"
    except BrokenPipeError:           # whoever read its output has left
        status = 1
    except Exception as error:
        status, sentence = 2, explain(error, args)
        if not sentence:          # a bug: the other ranks must not wait
            traceback.print_exc()
            status = 1
    _hear(lambda number, _: os._exit(128 + number))
    problem = _flush()
    if isinstance(problem, BrokenPipeError):
        status, sentence = 1, ""
    elif problem and not sentence:
        status, sentence = 2, explain(problem, args)
    end(status, sentence)


def _prepare_streams():
    """Print line by line: in any encoding, and even if nobody listens."""
    for name in "stdout", "stderr":
        if getattr(sys, name) is None:      # pythonw, or >&- in a shell
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        with contextlib.suppress(AttributeError):      # a notebook's cannot
            getattr(sys, name).reconfigure(line_buffering=True,
                                           errors="backslashreplace")


def _hear(handler):
    """Call handler on Ctrl-C and SIGTERM, unless they are ignored."""
    for number in signal.SIGINT, signal.SIGTERM:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _interrupt(number, frame):
    raise KeyboardInterrupt(number)


def _flush():
    """Print what is left; return the OSError that prevents it, if any."""
    try:
        sys.stdout.flush()
    except OSError as problem:       # Python will try again, and must succeed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return problem


# ---- errors ----------------------------------------------------------------

FULL = {errno.ENOSPC: "make room", errno.EDQUOT: "make room",
        errno.EFBIG: "allow larger files (ulimit -f)"}
TAKEN = {errno.EEXIST: "move away what is in its place",
         errno.ENOTDIR: "move away the file in its folder's place",
         errno.EISDIR: "move away the folder in its place"}
# options that take memory, where a demo has them
SIZES = ("batch_size", "batch_sizes", "latent_dim", "image_size", "limit",
         "workers", "steps")


def explain(error: Exception, args: argparse.Namespace) -> str:
    """Return a sentence for an error, or "" for a bug in the demo."""
    if isinstance(error, MemoryError) or (
            isinstance(error, OSError) and error.errno == errno.ENOMEM):
        sizes = [f"--{name.replace('_', '-')}" for name in SIZES
                 if getattr(args, name, None) not in (None, 1)]
        remedy = f"lower {' or '.join(sizes)}" if sizes else (
            "close other programs")
        details = str(error) or "no details"
        return f"error: memory ran out ({details}); {remedy}"
    if isinstance(error, OSError):
        return f"error: {_about_file(error, getattr(args, 'out', None))}"
    if isinstance(error, ModuleNotFoundError):
        return (f"error: this needs {error.name}, which is not installed: "
                f"pip install {error.name}")
    if isinstance(error, (ArithmeticError, RuntimeError, ValueError)) and (
            not isinstance(error, (NotImplementedError, RecursionError))):
        return f"error: {error}"
    return ""


def _about_file(error, out):
    """Was it read or written? Written, if it is in out or a disk is full."""
    reason = error.strerror or error
    if error.filename is None and error.errno in FULL:    # see write_file
        return (f"what is printed cannot be written ({reason}); send it "
                "somewhere else")
    path = Path(str(error.filename or out or "a file"))
    ours = out and (path == out or out in path.parents
                    or path in out.parents)
    if ours or error.errno in FULL:
        remedy = (FULL | TAKEN).get(error.errno,
                                    "get permission to write there")
        return (f"{path} cannot be written ({reason}); {remedy}"
                + ", or choose another place with --out" * bool(ours))
    return (f"{path} cannot be read ({reason}); check its name and its "
            "permissions")
