"""A training run on disk: all that the loop of train.py needs to go on.

One .npz file, without pickles: parameters, Adam's moments, the pictures so
far, and a manifest, which is JSON: numbers, settings, the generator's state,
every array's shape and dtype, and a SHA-256 over all of it. Why not np.savez
alone? With a changed byte, np.load may return other numbers, or leave an
array out, and say nothing.
"""
import hashlib
import json
import os
import platform
import signal
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from ..backend import Array, get_xp, move, to_numpy
from ..optim import Adam
from ..train import check_finite, epoch
from ..vae import VAE
from .npz import array_header

FORMAT = 1


@dataclass
class Progress:
    """Where a run is: it says from which batch on to continue."""

    epoch: int = 1                  # the one that is being trained
    batch: int = 0                  # how many of its batches are done
    sum_of_losses: float = 0.0      # over their images
    seconds: float = 0.0            # since the start, without interruptions
    log: list = field(default_factory=list)
    epoch_start: dict | None = None       # the generator's state back then

    def batches(self, vae: VAE, images: Array, batch_size: int,
                rng: np.random.Generator, share: tuple[int, int] = (0, 1)
                ) -> Iterator[tuple[Array, Array]]:
        """Return what is left of this epoch's batches (x, eps), see epoch.

        A resumed epoch is drawn once more, from rng as it was at its start.
        """
        if self.batch == 0:
            self.epoch_start = rng.bit_generator.state
        else:
            rng.bit_generator.state = self.epoch_start
        return islice(epoch(vae, images, batch_size, rng, share),
                      self.batch, None)

    def next_epoch(self) -> None:
        """The epoch is done."""
        self.epoch += 1
        self.batch, self.sum_of_losses = 0, 0.0


class Stop:
    """While it is entered, Ctrl-C and SIGTERM only leave a note: asked.

    A loop that looks at it after each batch stops with everything in order;
    and who presses Ctrl-C once more does not interrupt the saving.
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
        """Remember that it is asked to stop, and by which signal."""
        self.asked = name

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)


def circumstances(ranks: int, workers: int, device: str) -> dict:
    """What else a run's last bits depend on."""
    return {"NumPy": np.__version__, "Python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "ranks": ranks, "workers": workers, "device": device}


# ---- a run -----------------------------------------------------------------

def save_run(path: Path, vae: VAE, adam: Adam, rng: np.random.Generator,
             progress: Progress, frames: list[bytes], **about: dict) -> None:
    """Write a run's state; about: more to remember, such as settings.

    frames: the pictures so far, as PNG files. Raises FloatingPointError, and
    keeps the file as it was, if the parameters are of no more use.
    """
    check_finite(adam)
    progress.sum_of_losses = float(progress.sum_of_losses)     # from a GPU
    arrays = {name: to_numpy(a) for name, a in _arrays(vae, adam).items()}
    arrays |= {f"frames/{i}": np.frombuffer(frame, np.uint8)
               for i, frame in enumerate(frames)}
    save(path, arrays, {"t": adam.t, "rng": rng.bit_generator.state,
                        "progress": asdict(progress), **about})


def restore_run(arrays: dict[str, np.ndarray], state: dict, vae: VAE,
                adam: Adam, rng: np.random.Generator
                ) -> tuple[Progress, list[bytes]]:
    """Put what load has read into vae, adam and rng, new ones of its settings.

    Returns the run's progress and frames. Raises ValueError if it is another
    network's; nothing has changed then.
    """
    own = _arrays(vae, adam)
    if ({name: a.shape for name, a in own.items()}
            != {name: a.shape for name, a in arrays.items()
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


# ---- a file ----------------------------------------------------------------

def save(path: Path, arrays: dict[str, np.ndarray], state: dict) -> None:
    """Write arrays and state (what JSON can hold), or leave path as it was.

    The new file is written beside the old one, flushed to the disk and read
    back; only then it takes the old one's name. Raises OSError.
    """
    manifest = {"format": FORMAT, "state": state, "arrays": {
        name: [a.dtype.str, list(a.shape)] for name, a in arrays.items()}}
    manifest["sha256"] = digest(arrays, manifest)
    text = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    part = path.with_name(f"part-{path.name}")
    try:
        with open(part, "wb") as file:
            np.savez(file, manifest=text, **arrays)
            file.flush()
            os.fsync(file.fileno())
        load(part)
        part.replace(path)
        _sync_folder(path.parent)
    except ValueError as error:
        raise OSError(0, "the disk gave back something else", str(path)
                      ) from error
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder):
    """Flush the new name, too; Windows needs no such thing."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read what save has written.

    No array is read before all headers agree with the manifest and with the
    file's size, so a file that claims to be huge costs nothing. Raises
    FileNotFoundError, or ValueError if one byte of what it holds is wrong.
    """
    with open(path, "rb") as file:
        try:
            return _load(file)
        except Exception as error:   # a damaged .npz file raises nearly any
            raise ValueError(f"{path} is not a checkpoint of minivae, or "
                             f"damaged ({error}); resume from another one or "
                             "start anew") from error


def _load(file):
    with zipfile.ZipFile(file) as archive:
        headers = {}
        size = os.fstat(file.fileno()).st_size
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED:
                raise ValueError("a part is compressed")
            size -= info.file_size
            with archive.open(info) as part:
                dtype, shape, by_columns = array_header(part, info.file_size)
                if by_columns:
                    raise ValueError("an array lies by columns")
                headers[info.filename] = [dtype.str, list(shape)]
        if size < 0:
            raise ValueError("its parts are larger than the whole")
        manifest = json.loads(_array(archive, "manifest.npy").tobytes())
        if manifest["format"] != FORMAT:
            raise ValueError(f"its format is {manifest['format']}, but this "
                             f"version of minivae reads {FORMAT}")
        del headers["manifest.npy"]
        if headers != {f"{name}.npy": claim for name, claim
                       in manifest["arrays"].items()}:
            raise ValueError("its arrays are not those of its manifest")
        arrays = {name: _array(archive, f"{name}.npy")
                  for name in manifest["arrays"]}
    if manifest.pop("sha256") != digest(arrays, manifest):
        raise ValueError("its SHA-256 is wrong")
    return arrays, manifest["state"]


def _array(archive, name):
    with archive.open(name) as part:
        return np.lib.format.read_array(part, allow_pickle=False)


def digest(arrays: dict[str, np.ndarray], manifest: dict) -> str:
    """Return the SHA-256 of a manifest, without its own, and all arrays."""
    sha = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode())
    for name in sorted(arrays):
        sha.update(np.ascontiguousarray(arrays[name]))
    return sha.hexdigest()
