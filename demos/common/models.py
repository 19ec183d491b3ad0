"""A model by name: one that ships with minivae, or one that a run has saved.

The checkpoint beside a saved model says what its images were, and has the
pictures of how its landscape grew.
"""
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from minivae.data import Dataset
from minivae.extras.runs.checkpoint import load
from minivae.extras.runs.model_file import load_model, load_pretrained
from minivae.vae import VAE

from .training_options import EMBEDDED, images_of

SHIPPED = {"fashion": "Fashion-MNIST", "mnist": "MNIST"}


class FoundModel(NamedTuple):
    """A VAE, what its images are called, and what else is known about its run.

    load_data() returns its images; ValueError says why it cannot. frames are
    pictures of its landscape as it grew, as PNG files.
    """

    vae: VAE
    title: str
    load_data: Callable[[], Dataset]
    frames: list[bytes] = []


def find_model(name: str | Path) -> FoundModel:
    """Return the model that name names: a file, a run's folder or one SHIPPED.

    Raises ValueError in one sentence if there is none.
    """
    shipped, path = str(name).lower(), Path(name)
    if shipped in SHIPPED:
        title = SHIPPED[shipped]
        return FoundModel(load_pretrained(shipped), title, EMBEDDED[title])
    if path.is_dir():
        path /= "model.npz"
    if not path.is_file():
        raise ValueError(f"there is no model {path}; name a model.npz that a "
                         "run has saved, its folder, or "
                         f"{' or '.join(SHIPPED)}")
    vae, checkpoint = load_model(path), path.with_name("checkpoint.npz")
    try:
        arrays, state = load(checkpoint)
        settings = state["settings"]
    except (OSError, LookupError, ValueError) as error:
        problem = str(error)
        if not isinstance(error, ValueError):
            problem = (f"there is no {checkpoint} that says what the images "
                       "were; copy it there from the run's folder, or give "
                       "pictures as files")

        def nothing():
            raise ValueError(problem)
        name = path.resolve().parent.name or path.name
        return FoundModel(vae, name, nothing)
    own = settings["data_dir"] and Path(settings["data_dir"]).name
    return FoundModel(vae, own or settings["title"],
                      lambda: images_of(settings).data,
                      [a.tobytes() for key, a in arrays.items()
                       if key.startswith("frames/")])
