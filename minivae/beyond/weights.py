"""Trained weights that ship with the package: from a network, and back."""
import hashlib
import io
from typing import Any

import numpy as np

from ..backend import to_numpy
from ..datasets.embedded import DATASETS, read_embedded
from ..files import write_file
from ..layers import Layer
from ..vae import VAE


def write_weights(name: str, network: Layer | VAE, dtype="float32") -> str:
    """Write a network's parameters beside the embedded data; raises OSError.

    Returns the file's SHA-256, which belongs into datasets/embedded.py. A
    dtype of "float16" halves the file.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = {key: to_numpy(p).astype(dtype)
                              for key, p in network.params.items()}
    np.savez_compressed(content, **arrays)
    write_file(DATASETS / f"{name}.npz", content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def read_weights(name: str, network: Layer | VAE) -> None:
    """Read what write_weights has written into a network like the one then.

    Raises ValueError where the file is missing or damaged, or was written for
    another network.
    """
    arrays, params = read_embedded(name), network.params
    if {key: arrays[key].shape for key in arrays} != {
            key: p.shape for key, p in params.items()}:
        raise ValueError(f"{name}.npz holds the weights of another network "
                         "than this one; train it again")
    for key, p in params.items():
        p[...] = arrays[key]
