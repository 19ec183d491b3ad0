"""All generative models of the course, asked the same three things."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minivae import load_pretrained
from minivae.vae import VAE


class Model(NamedTuple):
    """draw(n, rng) returns images (n, H, W, 1) in 0..1.

    bound(x, rng) returns a bound on log p of images (N,), in nats, if there
    is one. parameters: how many are needed to draw.
    """

    draw: Callable
    parameters: int = 0
    bound: Callable | None = None


RELATIVES = {"discrete": "discrete VAE", "vqvae": "VQ-VAE-2",
             "pixelcnn": "PixelCNN", "gan": "GAN"}      # kinds, and titles


def relative(name: str, kind: str) -> Model:
    """Return one that ships: its kind, trained on "fashion" or "mnist"."""
    model = load_pretrained(name, kind)
    if kind == "discrete":
        return of_vae(model)
    if kind == "vqvae":
        return Model(model.sample, size(model.params), model.bound)
    if kind == "gan":
        return Model(model.sample, size(model.generator.params))
    return Model(
        lambda n, rng: np.float32(model.sample(n, 28, 28, rng))[..., None],
        size(model.params),
        lambda x, rng: model.log_prob(x[..., 0].astype(int)))


def of_vae(vae: VAE) -> Model:
    """A VAE's draws are decoded codes of its prior."""
    return Model(vae.sample, size(vae.params),
                 lambda x, rng: vae.elbo(x, vae.noise(len(x), rng)))


def size(params: dict) -> int:
    """Return how many numbers there are in a dict's arrays."""
    return sum(p.size for p in params.values())
