"""Trained weights: written to a file, and those that ship."""
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import to_numpy
from ..datasets.embedded import read_embedded
from ..files import write_file

NAMES = "fashion", "mnist"          # of the images that all of them know


def write_weights(path: str | Path, network: Any, dtype="float32") -> str:
    """Write a network's or model's params into a file; raises OSError.

    A dtype of "float16" halves the file. Returns its SHA-256: to ship it,
    put the file beside the embedded data, and this into datasets/embedded.py.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = {key: to_numpy(p).astype(dtype)
                              for key, p in network.params.items()}
    np.savez_compressed(content, **arrays)
    write_file(path, content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def round_to_half(network: Any) -> None:
    """Round params to float16, as they will be read again from a file.

    So what is measured then is what ships.
    """
    for p in network.params.values():
        p[...] = p.astype(np.float16)


def read_weights(name: str, kind: str, network: Any) -> None:
    """Read weights that ship into a network like the one they are of.

    name is that of the images, "fashion" or "mnist"; kind the model's. Raises
    ValueError for another name, where the file is missing or damaged, and
    where it was written for another network.
    """
    if name not in NAMES:
        raise ValueError(f"there is no {kind} {name!r} that ships; there are "
                         f"{' and '.join(map(repr, NAMES))}")
    name = f"{name}_{kind}"
    arrays, params = read_embedded(name), network.params
    if {key: arrays[key].shape for key in arrays} != {
            key: p.shape for key, p in params.items()}:
        raise ValueError(f"{name}.npz holds the weights of another network "
                         "than this one; train it again")
    for key, p in params.items():
        p[...] = arrays[key]
