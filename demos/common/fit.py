"""Training in one call: train.py's loop on all cores, with a progress bar.

For demos that ask something of a trained VAE. Training is written out in
demos/train_fashion.py; this is the same loop, with a learning rate that falls
to 0, so that a short run ends well.
"""
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from tqdm import tqdm

from minivae.backend import Array, move
from minivae.extras.gpu.recorded import Recorded
from minivae.extras.parallel.workers import Workers, cores
from minivae.extras.runs.diagnosis import check_finite, diagnosis
from minivae.optim import Adam
from minivae.train import epoch, train_step
from minivae.vae import VAE

SHOW_EVERY = 10             # steps: each look at the loss waits for a GPU


def fit(vae: VAE, images: Array, *, epochs: int = 1, batch_size: int = 32,
        learning_rate: float = 4e-3, beta: float = 1.0, warmup: int = 0,
        noise: bool = True, seed: int = 0, name: str = "training",
        watch: Callable[[int], None] | None = None,
        xp: ModuleType = np) -> VAE:
    """Train vae on a Dataset's images (N, ...), and return it.

    beta: the KL's weight, reached after warmup batches. noise=False: z = mu;
    with beta=0 too, that is an ordinary autoencoder. watch: called after each
    step, with the number of steps so far. xp: cupy, to train on a GPU; vae is
    there during training, and back on the CPU afterwards.

    A script needs no main guard, and layers may be defined in a notebook.
    Where processes cannot share the work, this one does it, and says so.
    """
    rng = np.random.default_rng(seed)
    vae.to(xp)
    images = move(images, xp)
    adam = Adam(vae.params, learning_rate)
    steps = epochs * -(-len(images) // batch_size)
    count = min(cores(), batch_size // 8)
    model = Recorded(vae) if xp is not np else hire(vae, images.shape[1:],
                                                    count, batch_size)
    bar = tqdm(total=steps, desc=name, unit=" steps", leave=False,
               disable=None if sys.stderr else True, dynamic_ncols=True)
    try:
        for _ in range(epochs):
            for x, eps in epoch(vae, images, batch_size, rng):
                adam.learning_rate = learning_rate * (1 - adam.t / steps)
                weight = beta * min(1, (adam.t + 1) / (warmup + 1))
                eps = eps * noise
                try:
                    loss = train_step(model, adam, x, eps, weight)
                except FloatingPointError as error:
                    raise diagnosis(error, vae, x, eps) from None
                if adam.t % SHOW_EVERY == 0:
                    check_finite(adam)
                    bar.set_postfix_str(f"loss {float(loss):.1f}",
                                        refresh=False)
                bar.update()
                if watch:
                    watch(adam.t)
    finally:
        bar.close()
        if model is not vae:
            model.close()
    return vae.to(np)


def hire(vae: VAE, image_shape: tuple, count: int, batch_size: int) -> Any:
    """Return count Workers; or vae itself for one, or where none can start."""
    if count > 1:
        try:
            return Workers(vae, image_shape, count, batch_size)
        except (RuntimeError, TypeError) as error:
            print(f"note: one process trains alone: {error}", file=sys.stderr)
    return vae
