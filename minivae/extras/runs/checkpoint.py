"""A training run on disk: all that the loop of train.py needs to go on.

One file, of npz.save: parameters, Adam's moments, the pictures so far;
numbers, settings and the generator's state.
"""
import platform
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...backend import get_xp, move, to_numpy
from ...optim import Adam
from ...vae import VAE
from . import npz
from .diagnosis import check_finite


@dataclass
class Progress:
    """Where a run is, and so from which batch on to continue."""

    epoch: int = 1                  # the one that is being trained
    batch: int = 0                  # how many of its batches are done
    sum_of_losses: float = 0.0      # over their images
    seconds: float = 0.0            # since the start, without interruptions
    log: list = field(default_factory=list)
    epoch_start: Any = None         # the generator's state at its start

    def rest(self, batches: Iterator, rng: np.random.Generator) -> Iterator:
        """Return what is left of an epoch's batches.

        batches: those of train.epoch, which draws all from rng when the first
        is asked for. A resumed epoch is drawn again, from rng as it was then.
        """
        if self.batch == 0:
            self.epoch_start = rng.bit_generator.state
        else:
            rng.bit_generator.state = self.epoch_start
        return islice(batches, self.batch, None)

    def next_epoch(self) -> None:
        """The epoch is done."""
        self.epoch += 1
        self.batch, self.sum_of_losses = 0, 0.0


class Stop:
    """In its `with` block, Ctrl-C and SIGTERM only leave a note: asked.

    A loop that looks at it after each batch stops with everything in order;
    and pressing Ctrl-C once more does not interrupt the saving.
    """

    asked = ""                      # or the name of the signal

    def __enter__(self):
        self.before = {number: signal.signal(number, self._heard)
                       for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _heard(self, number, frame):
        self.note("Ctrl-C" if number == signal.SIGINT
                  else signal.Signals(number).name)

    def note(self, name: str) -> None:
        """Remember that we are asked to stop, and by which signal."""
        self.asked = name

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)


def platform_of(ranks: int, workers: int, device: str) -> dict:
    """What else a run's last bits depend on."""
    return {"NumPy": np.__version__, "Python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "ranks": ranks, "workers": workers, "device": device}


# ---- a run -----------------------------------------------------------------

def save_run(path: str | Path, vae: VAE, adam: Adam, rng: np.random.Generator,
             progress: Progress, frames: list[bytes], **about: dict) -> None:
    """Write a run's state; about: more to remember, such as settings.

    frames: the pictures so far, as PNG files. Raises OSError, and
    FloatingPointError if a parameter is not finite; the file is then as it
    was.
    """
    check_finite(adam)
    progress.sum_of_losses = float(progress.sum_of_losses)     # from a GPU
    arrays = {name: to_numpy(a) for name, a in _arrays(vae, adam).items()}
    arrays |= {f"frames/{i}": np.frombuffer(frame, np.uint8)
               for i, frame in enumerate(frames)}
    npz.save(path, arrays, {
        "kind": "checkpoint", "t": adam.t, "rng": rng.bit_generator.state,
        "progress": asdict(progress), **about})


def load(path: str | Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read what save_run has written: arrays and state, for restore_run.

    Raises FileNotFoundError (another OSError for a file that cannot be
    opened), and ValueError if one byte of what it holds is wrong.
    """
    try:
        arrays, state = npz.load(path)
        if state.get("kind", "checkpoint") != "checkpoint":
            raise ValueError("it is a model, from which no run can be "
                             "resumed")
        return arrays, state
    except ValueError as error:
        raise ValueError(f"{path} is not a checkpoint of minivae, or damaged "
                         f"({error}); take another copy, or start the run "
                         "anew, without --resume") from error


def restore_run(arrays: dict[str, np.ndarray], state: dict, vae: VAE,
                adam: Adam, rng: np.random.Generator
                ) -> tuple[Progress, list[bytes]]:
    """Put what load has read into vae, adam and rng, made with its settings.

    Returns the run's progress and frames. Raises ValueError if it is another
    network's; nothing has changed then.
    """
    own = _arrays(vae, adam)
    if ({name: (a.shape, a.dtype) for name, a in own.items()}
            != {name: (a.shape, a.dtype) for name, a in arrays.items()
                if not name.startswith("frames/")}):
        raise ValueError("the checkpoint is of a run of another network; "
                         "resume it with its own settings")
    for name, a in own.items():
        a[...] = move(arrays[name], get_xp(a))
    adam.t, rng.bit_generator.state = state["t"], state["rng"]
    return Progress(**state["progress"]), [
        a.tobytes() for name, a in arrays.items() if name.startswith("frames")]


def _arrays(vae, adam):
    """Return all arrays that training changes, by kind and name."""
    return {f"{kind}/{name}": a for kind, group in (
        ("params", vae.params), ("m", adam.m), ("v", adam.v))
        for name, a in group.items()}
