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
# significant bits of a weight: float16 has one more, but the last ones are
# noise, which does not compress
BITS = 10


def write_weights(path: str | Path, network: Any) -> str:
    """Write a network's or model's rounded params into a file; raises OSError.

    Returns its SHA-256: to ship it, put the file beside the embedded data,
    and this into datasets/embedded.py.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = {key: to_numpy(p).astype(np.float16)
                              for key, p in network.params.items()}
    np.savez_compressed(content, **arrays)
    write_file(path, content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def round_weights(network: Any) -> None:
    """Round params as they will be read again from a file, to BITS bits.

    So what is measured then is what ships.
    """
    for p in network.params.values():
        fraction, exponent = np.frexp(p)         # p = fraction·2**exponent
        p[...] = np.ldexp(np.rint(fraction * 2**BITS),
                          exponent - BITS).astype(np.float16)


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
