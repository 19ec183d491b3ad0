"""All generative models of the course, asked the same three things."""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minivae import load_pretrained
from minivae.layers import Layer
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
        return of_vae(model, model.prior)
    if kind == "vqvae":
        codec = model.codec
        books = codec.top.vectors.size + codec.bottom.vectors.size
        return Model(model.sample, books + size(
            model.prior, codec.from_top, codec.decoder), model.bound)
    if kind == "gan":
        return Model(model.sample, size(model.generator))
    return Model(
        lambda n, rng: np.float32(model.sample(n, 28, 28, rng))[..., None],
        size(model), lambda x, rng: model.log_prob(x[..., 0].astype(int)))


def of_vae(vae: VAE, *priors: Layer) -> Model:
    """A VAE's draws are decoded codes of its prior, which may be a network."""
    return Model(vae.sample, size(vae.decoder, *priors),
                 lambda x, rng: vae.elbo(x, vae.noise(len(x), rng)))


def size(*networks: Any) -> int:
    """Return how many parameters networks have, together."""
    return sum(p.size for network in networks
               for p in network.params.values())
