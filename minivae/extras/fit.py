"""Training in one call: train.py's three lines on all cores, with a bar.

For demos that ask something of a trained VAE. How training goes is written
out in demos/train_fashion.py; this is the same loop, with a learning rate
that falls to 0, so that a short training ends well.
"""
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from ..backend import Array, get_xp
from ..data import batches
from ..optim import Adam
from ..train import train_step
from ..vae import VAE
from .workers import Workers, cores


def fit(vae: VAE, images: Array, *, epochs: int = 1, batch_size: int = 32,
        learning_rate: float = 4e-3, beta: float = 1.0, warmup: int = 0,
        noise: bool = True, seed: int = 0, name: str = "training",
        watch: Callable[[int], None] | None = None) -> VAE:
    """Train vae on a Dataset's images (N, ...), and return it.

    beta: the KL's weight, reached after warmup batches. noise=False: z = mu;
    with beta=0 too, that is an ordinary autoencoder. watch: called with the
    number of steps after each.
    """
    rng = np.random.default_rng(seed)
    adam = Adam(vae.params, learning_rate)
    steps = epochs * -(-len(images) // batch_size)
    on_cpu = get_xp(images) is np
    count = min(cores(), batch_size // 8) if on_cpu else 1
    team = vae if count < 2 else Workers(vae, images.shape[1:], count,
                                         batch_size)
    bar = tqdm(total=steps, desc=name, unit=" steps", leave=False,
               disable=None, dynamic_ncols=True)
    try:
        for _ in range(epochs):
            for x in batches(images, batch_size, rng):
                adam.learning_rate = learning_rate * (1 - adam.t / steps)
                eps = vae.noise(len(x), rng) * noise
                weight = beta * min(1, (adam.t + 1) / (warmup + 1))
                loss = train_step(team, adam, x, eps, weight)
                bar.set_postfix_str(f"loss {loss:.1f}", refresh=False)
                bar.update()
                if watch:
                    watch(adam.t)
    finally:
        bar.close()
        if team is not vae:
            team.close()
    return vae
