"""Training: an epoch's batches, a step, and how good the result is.

The loop itself is two lines, which a demo writes out:

    for x, eps in epoch(vae, images, batch_size, rng):
        loss = train_step(vae, adam, x, eps)
"""
from collections.abc import Iterator

import numpy as np

from .backend import Array, get_xp, move
from .checks.images import check_batch_size, check_bytes, check_pixels
from .data import batches, to_float
from .optim import Adam
from .vae import VAE


def epoch(vae: VAE, images: Array, batch_size: int,
          rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Yield all images once, in random order, with noise: batches (x, eps).

    images (N, ...) are those of a Dataset; eps is (batch_size, D). Raises
    ValueError for a batch_size below 1 or above N, and for pixels of floating
    point that are not in 0..1.
    """
    for places, eps in draw_batches(vae, images, batch_size, rng):
        yield to_float(images[places], eps.dtype), eps
    # Not after each step: memory that is freed goes back to the system, and
    # to ask for it again makes a step a quarter slower
    vae.forget()


def draw_batches(vae: VAE, images: Array, batch_size: int,
                 rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Yield the places of each batch's images, and its noise.

    All are drawn at the epoch's beginning: so a GPU gets them in one
    transfer, and rng's state back then is all it takes to draw them again.
    """
    N = len(images)
    check_batch_size(batch_size, N)
    check_pixels("epoch", images)
    check_bytes(images)
    eps = vae.noise(N, rng)
    order = move(rng.permutation(N), get_xp(images))
    for start in range(0, N, batch_size):
        batch = slice(start, start + batch_size)
        yield order[batch], eps[batch]


def train_step(vae: VAE, adam: Adam, x: Array, eps: Array,
               beta: float = 1.0) -> Array:
    """Improve vae by one batch x (N, ...) with noise eps (N, D).

    vae may be anything with a VAE's loss_and_grads, computed elsewhere.
    Returns its loss before the step, in nats. Raises FloatingPointError where
    the loss or a gradient is not finite; vae has not changed then. (On a GPU
    no number is looked at here, since each look would wait for it.)
    """
    with np.errstate(over="ignore", invalid="ignore"):     # said below, once
        loss, grads = vae.loss_and_grads(x, eps, beta)
    if get_xp(x) is np:
        for what, a in [("the loss", loss), *reversed(grads.items())]:
            if not np.isfinite(a).all():
                raise FloatingPointError(
                    f"at step {adam.t + 1}, {what} is not finite; try a "
                    f"learning rate below {adam.learning_rate:g}")
    adam.step(grads)
    return loss


def evaluate(vae: VAE, images: Array, eps: Array,
             batch_size: int = 100) -> tuple[float, float]:
    """Return the mean reconstruction log p(x|z) and the mean KL, in nats.

    Their difference is the ELBO. images (N, ...) are those of a Dataset, eps
    (N, D) one draw of noise for each: with the same eps, epochs can be
    compared.
    """
    N = len(images)
    if not N or len(eps) != N:
        raise ValueError(f"evaluate: there are {N} images and {len(eps)} rows "
                         "of noise, but at least one image, and a row for "
                         "each, was expected")
    check_pixels("evaluate", images)
    sums, start = np.zeros(2), 0
    for x in batches(images, min(batch_size, N), dtype=eps.dtype):
        terms = vae.elbo_terms(vae.asarray(x),
                               vae.asarray(eps[start:start + len(x)]))
        sums += [float(term.sum()) for term in terms]
        start += len(x)
    vae.forget()
    reconstruction, kl = (sums / N).tolist()
    return reconstruction, kl
