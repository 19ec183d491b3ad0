"""A model by name: one that ships with minivae, or one that a run has saved.

The checkpoint beside a saved model says what its images were, and has the
pictures of how its landscape grew.
"""
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..data import Dataset
from ..train import load_model, load_pretrained
from ..vae import VAE
from .checkpoint import load
from .training_options import EMBEDDED, images_of

SHIPPED = {"fashion": "Fashion-MNIST", "mnist": "MNIST"}


class Found(NamedTuple):
    """A VAE, what its images are called, and what else is known of its run.

    load_data() returns its images; ValueError says why it cannot. frames are
    pictures of its landscape as it grew, as PNG files.
    """

    vae: VAE
    title: str
    load_data: Callable[[], Dataset]
    frames: list[bytes] = []


def find_model(name: str) -> Found:
    """Return the model that name names; ValueError if there is none."""
    if name in SHIPPED:
        title = SHIPPED[name]
        return Found(load_pretrained(name), title, EMBEDDED[title])
    path = Path(name)
    if not path.exists():
        raise ValueError(f"there is no model {name}; name a model.npz that a "
                         f"run has saved, or {' or '.join(SHIPPED)}")
    vae, checkpoint = load_model(path), path.with_name("checkpoint.npz")
    try:
        arrays, state = load(checkpoint)
    except (FileNotFoundError, ValueError) as error:
        problem = str(error)
        if isinstance(error, FileNotFoundError):
            problem = f"there is no {checkpoint} to say what the images were"

        def nothing():
            raise ValueError(problem)
        return Found(vae, path.parent.name or path.name, nothing)
    settings = state["settings"]
    own = settings["data_dir"] and Path(settings["data_dir"]).name
    return Found(vae, own or settings["title"],
                 lambda: images_of(settings).data,
                 [a.tobytes() for key, a in arrays.items()
                  if key.startswith("frames/")])
