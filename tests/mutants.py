"""Break minivae on purpose, in many small ways: does a test notice?

    python tests/mutants.py              every mutant (minutes)
    python tests/mutants.py conv KL      those with a word in file or name
    python tests/mutants.py --sample 40  forty of them, by the seed 0
    python tests/mutants.py --list       only say what they are

Each mutant is one mistake, patched into a copy of the library; then the
tests of that file run until one fails, or until they take much longer than
without the mistake. A mutant that passes them all is a hole in the tests, and
the exit status is 1.

Those marked * are real: they are, or were, in VAEs and layers that other
people published, with plausible pictures. Those with a test's name are about
its tolerance: a mistake hardly larger than it allows, which that very test
must still see.
"""
import argparse
import contextlib
import functools
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

ROOT = Path(__file__).parent.parent
FLOOR = 60          # seconds in which no mutant is suspected to hang;
FACTOR = 4          # and then, of the seconds that its tests take without it

# which tests a mistake in a file must fail, the quickest first
TESTS = {
    "backend": ["backend", "cupy"],
    "layers": ["layers", "oracle"],
    "gradcheck": ["gradcheck"],
    "checks/arrays": ["layers", "optim", "losses", "vae"],
    "checks/gradcheck": ["gradcheck"],
    "checks/adam": ["optim"],
    "checks/images": ["data", "train", "vae", "plots"],
    "conv": ["oracle", "conv", "layers"],
    "quick/convolution": ["oracle", "conv", "quick"],
    "quick/copies": ["oracle", "conv", "quick"],
    "quick/products": ["quick"],
    "losses": ["losses", "oracle", "vae"],
    "vae": ["vae"],
    "optim": ["optim", "oracle"],
    "data": ["data"],
    "files": ["files"],
    "train": ["train"],
    "plots": ["plots"],
    "extras/device": ["backend", "cupy"],
    "extras/likelihood": ["likelihood"],
    "extras/gpu/kernels": ["recorded"],
    "extras/gpu/layers": ["recorded"],
    "extras/gpu/recorded": ["recorded"],
    "extras/runs/diagnosis": ["diagnosis"],
    "extras/figures/names": ["figures"],
    "extras/figures/rows": ["figures"],
    "extras/figures/codes": ["figures"],
    "extras/figures/curves": ["figures"],
    "extras/parallel/processes": ["workers"],
    "extras/parallel/workers": ["workers"],
    "extras/parallel/work": ["workers"],
    "extras/parallel/memory": ["workers"],
    "extras/parallel/pickling": ["workers"],
    "beyond/categorical": ["categorical"],
    "beyond/classifier": ["classifier"],
    "beyond/conv_gan": ["gan", "gan_demo"],
    "beyond/descend": ["descend"],
    "beyond/discrete": ["discrete"],
    "beyond/gan": ["gan"],
    "beyond/instance_noise": ["gan"],
    "beyond/masked": ["masked", "pixelcnn", "discrete_oracle", "layers"],
    "beyond/networks": ["vqvae", "beyond_cupy"],
    "beyond/pixelcnn": ["pixelcnn", "pixelcnn_demo"],
    "beyond/quantize": ["quantize"],
    "beyond/r1": ["gan", "gan_oracle"],
    "beyond/shipped": ["vqvae", "gan_demo"],
    "beyond/straight_through": ["straight_through"],
    "beyond/two_levels": ["vqvae"],
    "beyond/upsample": ["layers", "vqvae"],
    "beyond/vqvae": ["vqvae"],
    "beyond/vqvae2": ["vqvae"],
    "beyond/weights": ["classifier", "gan_demo"],
    "demos/discrete": ["discrete_demo"],
    "demos/gan": ["gan_demo"],
    "demos/pixelcnn": ["pixelcnn_demo"],
    "demos/vq_vae": ["vq_vae_demo"],
    "demos/which_is_best": ["which_is_best"],
    "demos/common/relatives": ["which_is_best"],
    "demos/common/relatives_options": ["pixelcnn_demo", "gan_demo"],
    "demos/common/sample_scores": ["gan_demo"],
    "demos/common/yardstick": ["yardstick"],
    "demos/common/fit": ["fit"],
    "extras/runs/checkpoint": ["checkpoint"],
    "extras/parallel/distributed": ["distributed"],
    "extras/images/download": ["download"],
    "extras/explorer/__init__": ["explorer"],
    "extras/explorer/decoder.js": [
        "explorer::test_javascript_decodes_as_python_does"],
    "extras/explorer/page.js": ["explorer"],
    "extras/images/idx": ["idx"],
    "extras/runs/model_file": ["model_file"],
    "demos/common/models": ["model_file"],
    "demos/common/nearest": ["nearest"],
    "extras/runs/npz": ["npz"],
    "extras/images/own_data": ["own_data"],
}


class Mutant(NamedTuple):
    """One mistake in a file: old parts of lines, and the new ones."""

    file: str
    name: str
    patch: dict[str, str]
    tests: list[str]


def mutants() -> list[Mutant]:
    """Read the mutants from mutants.txt."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    found = []
    for block in text.strip().split("\n\n"):
        head, *lines = block.splitlines()
        file, name = head.split(": ", 1)
        file, _, test = file.partition(" | ")
        lines = [line.replace(r"\n", "\n") for line in lines]
        old = [line[2:] for line in lines if line.startswith("- ")]
        new = [line[2:] for line in lines if line.startswith("+ ")]
        found.append(Mutant(file, name, dict(zip(old, new, strict=True)),
                            [test] if test else TESTS[file]))
    return found


def mutate(mutant: Mutant, text: str) -> str:
    """Return the file's text with the mistake in it.

    Each old part of the patch must stand in the file exactly once.
    """
    for old, new in mutant.patch.items():
        if text.count(old) != 1:
            raise ValueError(f"{mutant.file}: {mutant.name}: {old!r} stands "
                             f"{text.count(old)} times in the file, not once")
        text = text.replace(old, new)
    return text


def sample(every: list[Mutant], n: int | None, seed: int) -> list[Mutant]:
    """Choose n mutants; each by the seed and its name, whatever others are.
    """
    return sorted(every, key=lambda m: hashlib.sha256(
        f"{seed} {m.file}: {m.name}".encode()).digest())[:n]


def catch_all(chosen: list[Mutant], say: Callable) -> list[str | None]:
    """Return what caught each mutant; a line of say(mutant, by) is printed.
    """
    pool, found = ThreadPoolExecutor(os.cpu_count() or 1), []
    try:
        with tqdm(total=len(chosen), disable=None, leave=False) as bar:
            for mutant, by in zip(chosen, pool.map(catch, chosen)):
                bar.update()
                found.append(by)
                if line := say(mutant, by):
                    bar.write(line)
                    sys.stdout.flush()
    finally:                                           # after Ctrl-C, too
        pool.shutdown(wait=False, cancel_futures=True)
        ENDED.set()
        for process in list(RUNNING):
            kill(process)
    return found


def catch(mutant: Mutant | None) -> str | None:
    """Run a mutant's tests; return what caught it, None if nothing did.

    That is the first test that fails; or they hang, or pytest itself ends.
    """
    tests = mutant.tests if mutant else set().union(*TESTS.values())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in "minivae", "tests", "demos":
            shutil.copytree(ROOT / name, Path(folder, name),
                            ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", folder)
        if mutant:
            path = path_in(Path(folder), mutant.file)
            text = path.read_text(encoding="utf-8")
            path.write_text(mutate(mutant, text), encoding="utf-8")
        with testing(folder, tests) as (process, output):
            if mutant and hangs(process, tuple(tests)):
                return "hangs"
            status = process.wait()
            output.seek(0)
            printed = output.read()
    if status == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", printed, re.M)
    if not failed and status in (1, 4, 5):        # no pytest, or no such test
        raise RuntimeError(f"pytest did not run:\n{printed[-2000:]}")
    return failed[1] if failed else f"pytest ends with status {status}"


def hangs(process, tests):
    """Wait for a mutant's tests; are they much slower than without it?"""
    for limit in (lambda: FLOOR), (lambda: FACTOR * seconds(tests)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit())
            return False
    return True


@functools.cache
def seconds(tests):
    """Return how long tests take without a mutant, while others run."""
    start = time.monotonic()
    with testing(ROOT, tests) as (process, _):
        process.wait()
    return time.monotonic() - start


# ---- pytest, in a process --------------------------------------------------

RUNNING: set[subprocess.Popen] = set()
ENDED = threading.Event()            # what is started from then on is killed


@contextlib.contextmanager
def testing(folder, tests):
    """Run tests of the package in folder: a process, and what it prints.

    At the end no process is left. So it prints into a file: a pipe would be
    open as long as some lost process has it.
    """
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryFile("w+", encoding="utf-8",
                                errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p",
             "no:cacheprovider", *map(path_of, tests)],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1",
                 "PYTHONDONTWRITEBYTECODE": "1",
                 # demos that a test starts take this minivae as well
                 "PYTHONPATH": path.rstrip(os.pathsep)})
        RUNNING.add(process)
        if ENDED.is_set():
            kill(process)
        try:
            yield process, output
        finally:
            kill(process)
            RUNNING.discard(process)


def kill(process):
    """Kill a process and all that it has started, workers and browsers."""
    if os.name == "posix":
        for pid in descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def descendants(pid):
    """Return the processes below pid, of whatever session."""
    if not shutil.which("ps"):
        return []
    lines = subprocess.run(["ps", "-A", "-o", "pid=", "-o", "ppid="],
                           capture_output=True, text=True).stdout.splitlines()
    parents = dict(map(int, line.split()) for line in lines)
    below = [pid]
    for parent in below:                               # it grows meanwhile
        below += [child for child, its in parents.items() if its == parent]
    return below[1:]


def path_in(root, file):
    """Return where a mutant's file is: a name without an ending is Python."""
    if not file.startswith("demos/"):
        root = root / "minivae"
    return root / (file if "." in file else f"{file}.py")


def path_of(test):
    """Return pytest's name of a test: "vae::test_it" or just "vae"."""
    file, *rest = test.split("::")
    return "::".join([f"tests/test_{file}.py", *rest])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("words", nargs="*", help="only mutants that have one")
    parser.add_argument("--sample", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--passed", action="store_true", help="do not run the "
                        "tests first: they have just passed")
    args = parser.parse_args()
    chosen = [m for m in mutants() if not args.words or any(
        word in f"{m.file} {m.name} {m.tests}" for word in args.words)]
    if args.sample:
        chosen = sample(chosen, args.sample, args.seed)
    for name in {"SIGTERM", "SIGHUP"} & set(dir(signal)):   # tidy up, as after
        signal.signal(getattr(signal, name), lambda *_: sys.exit(1))  # Ctrl-C
    if args.list:
        print(*(f"{m.file}: {m.name}" for m in chosen), sep="\n")
        return 0
    by = None if args.passed else catch(None)
    if by:
        print(f"{by} fails without any mutant: mend that first")
        return 1
    found = catch_all(chosen, lambda m, by: (
        f"{m.file}: {m.name}: {by or f'SURVIVED {m.tests}'}"))
    print(f"{len(chosen)} mutants, {sum(map(bool, found))} caught")
    return None in found


if __name__ == "__main__":
    sys.exit(main())
