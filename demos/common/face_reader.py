"""How can an edit be measured? A small network reads the factors off a face.

It learns from true faces, pixels to a table of factors, and knows nothing of
a VAE. What a decoder makes is blurred, so it learns from faces that are
blurred, more or less, and noisy. Believe it as far as its R² goes, on faces
that it has not seen; and not beyond: it can be fooled by what it never met,
such as two faint mouths at once.
"""
from collections.abc import Callable

import numpy as np

from minivae import Conv2D, Dense, Flatten, ReLU, Sequential
from minivae.backend import Seed
from minivae.beyond.descend import descend
from minivae.data import batches, to_float

BATCH, RATE = 64, 3e-3
NOISE = 0.03                # standard deviation of each pixel's


def learn_to_read(images: np.ndarray, table: np.ndarray, epochs: int,
                  rng: Seed = None) -> Callable:
    """Return a function from images (N, H, W, 1) to their factors (N, K).

    images and table (N, K) are what it learns from, N at least BATCH.
    """
    rng = np.random.default_rng(rng)
    mean, spread = table.mean(axis=0), table.std(axis=0)
    wanted = (table - mean) / spread
    network = build(images.shape[1:], table.shape[1], rng)

    def loss_and_grads(indices):
        y = network.forward(spoil(to_float(images[indices]), rng))
        off = y - wanted[indices]
        # the loss is the squared error, a mean over images: dy = 2·(y − t)/N
        network.backward_params(2 * off / len(off))
        return (off ** 2).sum() / len(off), network.grads
    descend(network.params, loss_and_grads, len(images),
            epochs * (len(images) // BATCH), batch_size=BATCH,
            learning_rate=RATE, rng=rng, name="reader")
    network.forget()

    def read(images):
        parts = [network.forward(x)
                 for x in batches(images, min(200, len(images)))]
        return mean + spread * np.concatenate(parts)
    return read


def build(shape: tuple, K: int, rng: np.random.Generator) -> Sequential:
    """Two convolutions, as in conv_vae's encoder, and two dense layers."""
    H, W, C = shape
    h, w = H // 4 - 1, W // 4 - 1
    return Sequential([                                      # (N, H, W, C)
        Conv2D(C, 16, 3, strides=2, rng=rng), ReLU(),
        Conv2D(16, 32, 3, strides=2, rng=rng), ReLU(),       # (N, h, w, 32)
        Flatten(), Dense(h * w * 32, 128, rng=rng), ReLU(),
        Dense(128, K, rng=rng)])                             # (N, K)


def spoil(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur each of images (N, H, W, C) by a random share, and add noise."""
    share = rng.random((len(x), 1, 1, 1)).astype(x.dtype)
    for axis in 1, 2:       # towards the mean of 1/4, 1/2, 1/4 of neighbours
        beside = 0.5 * (np.roll(x, 1, axis) + np.roll(x, -1, axis))
        x = x + share * 0.5 * (beside - x)
    noise = rng.standard_normal(x.shape).astype(x.dtype)
    return (x + NOISE * noise).clip(0, 1)


def r_squared(read: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return R² = 1 - squared error / variance, a column each: (K,)."""
    return 1 - ((read - true) ** 2).mean(axis=0) / true.var(axis=0)
