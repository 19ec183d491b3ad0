"""The relatives that ship, by kind: load_pretrained asks here."""
from collections.abc import Callable
from typing import Any

from .conv_gan import load_gan
from .discrete import load_discrete
from .pixelcnn import load_pixelcnn
from .vqvae2 import load_vqvae

KINDS: dict[str, Callable] = {
    "discrete": load_discrete, "gan": load_gan, "pixelcnn": load_pixelcnn,
    "vqvae": load_vqvae}


def load_relative(name: str, kind: str) -> Any:
    """Return a model of a kind, trained on "fashion" or "mnist".

    Raises ValueError for another kind or name, and for a damaged file.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no pretrained model of kind {kind!r}; "
                         f"there are 'vae', {', '.join(map(repr, KINDS))}")
    return KINDS[kind](name)
