"""Training: one step, one pass over the test set, the log.

The loop itself is two lines, which a demo writes out:

    for x, eps in epoch(vae, images, batch_size, rng):
        loss = train_step(vae, adam, x, eps)
"""
import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .backend import Array, get_xp, move
from .data import batches, check_batch_size, to_float
from .files import write_file
from .layers import Grads, sublayers
from .optim import Adam, flatten
from .vae import VAE, check_pixels, reparameterize

LOG_COLUMNS = ("epoch", "step", "train_loss", "test_elbo", "seconds")


def epoch(vae: VAE, images: Array, batch_size: int, rng: np.random.Generator,
          share: tuple[int, int] = (0, 1)) -> Iterator[tuple[Array, Array]]:
    """Yield all images once, in random order, with noise: batches (x, eps).

    images (N, ...) are those of a Dataset. The order and all noise, (N, D),
    are drawn at the epoch's beginning: so a GPU gets them in one transfer,
    and rng's state back then is all it takes to draw the epoch again.
    share (i, n): of each batch, only the i-th of n parts, as equal as can
    be; some may be empty. Raises ValueError for a batch_size below 1 or
    above N, and for pixels of floating point that are not in 0..1.
    """
    N, (i, n) = len(images), share
    check_batch_size(batch_size, N)
    check_pixels("epoch", images)
    eps = vae.noise(N, rng)
    order = move(rng.permutation(N), get_xp(images))
    for start in range(0, N, batch_size):
        size = min(batch_size, N - start)
        part = slice(start + size * i // n, start + size * (i + 1) // n)
        yield to_float(images[order[part]], eps.dtype), eps[part]
    # Not after each step: memory that is freed goes back to the system, and
    # to ask for it again makes a step a quarter slower
    vae.forget()


def train_step(vae: VAE, adam: Adam, x: Array, eps: Array,
               beta: float = 1.0) -> Array:
    """Improve vae by one batch x (N, ...) with noise eps (N, D).

    vae may be anything with a VAE's loss_and_grads and params, computed
    elsewhere. Returns its loss before the step, in nats. Raises
    FloatingPointError if it is not finite, or a gradient is not, and
    ValueError if x or eps is to blame, or adam is of other parameters; vae
    has not changed then. (On a GPU no number is looked at here, since each
    look would wait for it: call check_finite now and then.)
    """
    if type(x) is np.ndarray:
        check_pixels("train_step", x)
    with np.errstate(over="ignore", invalid="ignore"):     # said below, once
        loss, grads = vae.loss_and_grads(x, eps, beta)
        if get_xp(x) is np:
            _check_step(vae, adam, x, eps, beta, loss, grads)
    adam.step(Grads(grads, vae.params))
    return loss


def _check_step(vae, adam, x, eps, beta, loss, grads):
    advice = f"try a learning rate below {adam.learning_rate:g}"
    if not math.isfinite(loss):
        if not (math.isfinite(beta) and np.isfinite(eps).all()):
            raise ValueError("train_step: beta or eps is not finite; draw "
                             "eps with vae.noise")
        raise FloatingPointError(
            f"at step {adam.t + 1} the loss became {float(loss)}, first in "
            f"{culprit(vae, x, eps)}; {advice}")
    for name, g in reversed(grads.items()):        # in the order of backward
        if not np.isfinite(g).all():
            raise FloatingPointError(f"at step {adam.t + 1} the gradient of "
                                     f"{name} is not finite; {advice}")


def check_finite(adam: Adam) -> None:
    """Raise FloatingPointError if a parameter is not finite.

    Once one is not, it stays so: hence it is enough to look before a loss is
    shown or parameters are saved.
    """
    vector = flatten(adam.params)
    if not get_xp(vector).isfinite(vector).all():
        names = [name for name, p in adam.params.items()
                 if not get_xp(p).isfinite(p).all()]
        raise FloatingPointError(
            f"before step {adam.t + 1}, {names[0]} is no longer finite; try a "
            f"learning rate below {adam.learning_rate:g}")


def culprit(vae: VAE, x: Array, eps: Array) -> str:
    """Name the first thing in a forward pass that is not finite."""
    for name, network in ("encoder", vae.encoder), ("decoder", vae.decoder):
        for i, layer in enumerate(sublayers(network) or [network]):
            x = layer.forward(x)
            if not get_xp(x).isfinite(x).all():
                return f"the output of {name}.{i}, {layer}"
        if network is vae.encoder:
            D = vae.latent_dim
            x = reparameterize(x[:, :D], x[:, D:], eps)
            if not get_xp(x).isfinite(x).all():
                return "z, whose log-variance is too large"
    return "the sum of its terms"


def evaluate(vae: VAE, images: Array, eps: Array,
             batch_size: int = 100) -> tuple[float, float]:
    """Return the mean reconstruction log p(x|z) and the mean KL, in nats.

    Their difference is the ELBO. images (N, ...) are those of a Dataset, eps
    (N, D) one draw of noise for each: with the same eps, epochs can be
    compared.
    """
    if not len(images):
        raise ValueError("evaluate: there is no image, and the mean over none "
                         "is undefined")
    if len(eps) != len(images):
        raise ValueError(f"evaluate: there are {len(images)} images, but "
                         f"{len(eps)} rows of noise")
    check_pixels("evaluate", images)
    sums = np.zeros(2)
    start = 0
    for x in batches(images, min(batch_size, len(images)), dtype=eps.dtype):
        terms = vae.elbo_terms(vae.asarray(x),
                               vae.asarray(eps[start:start + len(x)]))
        sums += [float(term.sum()) for term in terms]
        start += len(x)
    vae.forget()
    reconstruction, kl = (sums / len(images)).tolist()
    return reconstruction, kl


def write_log(path: str | Path, log: list[dict]) -> None:
    """Write log, one dict of LOG_COLUMNS an epoch, as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(log)
    write_file(path, text.getvalue().encode())


def summary(vae: VAE, image_shape: tuple) -> str:
    """Return a table of the layers, their outputs' shapes and parameters."""
    x = vae.asarray(np.zeros((1, *image_shape)))
    lines = [f"{'layer':<56}{'output':<13}{'parameters':>10}"]
    for name, network in ("encoder", vae.encoder), ("decoder", vae.decoder):
        lines.append(f"{name} of {' x '.join(map(str, x.shape[1:]))}")
        for layer in sublayers(network) or [network]:
            x = layer.forward(x)
            shape = " x ".join(map(str, x.shape[1:]))
            count = sum(p.size for p in layer.params.values())
            lines.append(f"  {layer!r:<54}{shape:<13}{count:>10,}")
        x = x[:, :vae.latent_dim]                # any z (1, D) will do
    vae.forget()
    count = sum(p.size for p in vae.params.values())
    lines.append(f"{'together':<69}{count:>10,}")
    return "\n".join(lines)
