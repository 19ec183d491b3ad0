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


def relatives(name: str) -> dict[str, Model]:
    """Return those that ship, trained on "fashion" or "mnist", by kind."""
    discrete, vq, pixel, gan = (load_pretrained(name, kind) for kind in (
        "discrete", "vqvae", "pixelcnn", "gan"))
    return {
        "discrete VAE": of_vae(discrete),
        "VQ-VAE-2": Model(vq.sample, size(vq.params), vq.bound),
        "PixelCNN": Model(
            lambda n, rng: np.float32(pixel.sample(n, 28, 28, rng))[..., None],
            size(pixel.params),
            lambda x, rng: pixel.log_prob(x[..., 0].astype(int))),
        "GAN": Model(gan.sample, size(gan.generator.params))}


def of_vae(vae: VAE) -> Model:
    """A VAE's draws are decoded codes of its prior."""
    return Model(vae.sample, size(vae.params),
                 lambda x, rng: vae.elbo(x, vae.noise(len(x), rng)))


def size(params: dict) -> int:
    """Return how many numbers there are in a dict's arrays."""
    return sum(p.size for p in params.values())
