"""Is every gradient right? Hold each against finite differences, and see.

    python demos/gradient_check.py                  (--device gpu: with CuPy)

For each layer, the losses, the reparameterization and the whole VAE: the
largest relative error of every gradient, over all of its elements. That of a
layer that is right is about 1e-9, and 1e-7 through a whole VAE; of one that is
wrong, 1e-3 to 1. At the end, a layer of our own: six lines to write, one to
check.
"""
import argparse
import sys

import numpy as np

from minivae import (Conv2D, Conv2DTranspose, Dense, Flatten, Layer, ReLU,
                     Reshape, Sigmoid, bernoulli_logpdf,
                     check_function, check_layer, choose_device, conv_vae,
                     gaussian_kl, gaussian_logpdf, gaussian_pixels_logpdf,
                     get_xp, reparameterize)
from minivae.backend import move
from minivae.vae import reparameterize_backward

options = argparse.ArgumentParser(
    description=__doc__.split("\n")[0],
    formatter_class=argparse.ArgumentDefaultsHelpFormatter)
options.add_argument("--device", choices=("cpu", "gpu"), default="cpu",
                     help="where to compute")
try:
    xp, _ = choose_device(options.parse_args().device)
except RuntimeError as problem:
    options.error(str(problem))

rng = np.random.default_rng(0)
settings = {"rng": rng, "dtype": "float64"}      # float32 has too few digits
reports = []


def draw(shape):
    return move(rng.standard_normal(shape), xp)


# ---- layers ----------------------------------------------------------------

for layer, x in [
        (Dense(7, 5, **settings), draw((4, 7))),
        (ReLU(), draw((4, 6, 5, 2))),
        (Sigmoid(), draw((4, 6, 5, 2))),
        (Flatten(), draw((4, 3, 2, 2))),
        (Reshape((3, 2, 2)), draw((4, 12))),
        (Conv2D(2, 3, 4, strides=2, **settings), draw((2, 8, 8, 2))),
        (Conv2D(2, 3, (3, 2), strides=(2, 1), padding="same", **settings),
         draw((3, 7, 6, 2))),
        (Conv2DTranspose(2, 3, 4, strides=2, **settings),
         draw((2, 4, 4, 2))),
        (Conv2DTranspose(2, 3, (3, 2), strides=(2, 1), padding="same",
                         **settings), draw((3, 4, 5, 2)))]:
    reports.append(check_layer(layer.to(xp), x))

# ---- losses and the reparameterization -------------------------------------
# Each loss gives a value and its gradients for every image, (N,) and (N, ...):
# an upstream dy (N,) reaches a gradient as dy[:, None]·gradient.

N, D = 5, 3
z, mu, logvar, eps, dz = (draw((N, D)) for _ in range(5))
x, logits = (draw((N, 16)) > 0).astype("float64"), draw((N, 16))
dy = draw(N)


def check_loss(loss, **inputs):
    gradients = loss(**inputs)[1:]
    claimed = [name for name in inputs if name != "x"]
    reports.append(check_function(
        loss.__name__, lambda: loss(**inputs)[0], dy,
        {name: (inputs[name], dy[:, None] * gradient)
         for name, gradient in zip(claimed, gradients)}))


check_loss(bernoulli_logpdf, x=x, logits=logits)
check_loss(gaussian_pixels_logpdf, x=x, logits=logits)
check_loss(gaussian_logpdf, z=z, mu=mu, logvar=logvar)
check_loss(gaussian_kl, mu=mu, logvar=logvar)

dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
reports.append(check_function(
    "reparameterize", lambda: reparameterize(mu, logvar, eps), dz,
    {"mu": (mu, dmu), "logvar": (logvar, dlogvar)}))

# ---- the whole VAE: the tutorial's network, with few filters ----------------

vae = conv_vae((8, 8, 1), 2, filters=2, **settings).to(xp)
for p in vae.params.values():
    p += 0.1 * draw(p.shape)     # biases of 0 can put a ReLU right on its kink
x, eps = (draw((4, 8, 8, 1)) > 0).astype("float64"), draw((4, 2))
_, grads = vae.loss_and_grads(x, eps)
reports.append(check_function(
    "the whole VAE: minus the mean ELBO", lambda: vae.elbo(x, eps),
    xp.full(len(x), -1 / len(x)),
    {name: (p, grads[name]) for name, p in vae.params.items()},
    tolerance=1e-6))


# ---- a layer of your own ----------------------------------------------------

class Softplus(Layer):
    """y = log(1 + eˣ): a ReLU without the kink."""

    def forward(self, x):
        self.cache = x
        return get_xp(x).logaddexp(0, x)

    def backward(self, dy):
        return dy / (1 + get_xp(dy).exp(-self.recall()))     # y' = σ(x)


print("\nA layer of your own:")
reports.append(check_layer(Softplus(), draw((4, 6))))

rows = [row for report in reports for row in report.rows]
failed = [report.layer for report in reports if not report.ok]
print(f"\n{sum(row.elements for row in rows):,} elements of {len(rows)} "
      f"gradients checked; largest relative error "
      f"{max(row.error for row in rows):.1e}.",
      f"FAILED: {', '.join(failed)}" if failed else "All of them are right.")
sys.exit(bool(failed))
