"""Is every gradient right? Compare each with finite differences, and see.

    python demos/gradient_check.py                  (--device gpu: with CuPy)

For each layer, the losses, the reparameterization and the whole VAE: the
largest relative error of every gradient, over all of its elements. For a
correct layer it is about 1e-9, and 1e-7 through a whole VAE; for a wrong one,
1e-3 to 1. At the end, a layer of our own: six lines to write, one to check.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import argparse

import numpy as np

from minivae import (Conv2D, Conv2DTranspose, Dense, Flatten, Layer, ReLU,
                     Reshape, Sigmoid, bernoulli_logpdf, check_function,
                     check_layer, choose_device, conv_vae, gaussian_kl,
                     gaussian_logpdf, gaussian_pixels_logpdf, get_xp,
                     reparameterize)
from minivae.backend import move
from minivae.vae import reparameterize_backward

from common.command_line import run


class Softplus(Layer):
    """A layer of your own, y = log(1 + eˣ): a ReLU without the kink."""

    def forward(self, x):
        self.cache = x
        return get_xp(x).logaddexp(0, x)

    def backward(self, dy):
        return dy / (1 + get_xp(dy).exp(-self.cache))     # y' = σ(x)


# Each of these takes draw(shape), which returns normal random numbers on the
# device, and yields the reports of its checks.

def check_layers(draw, settings):
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
        yield check_layer(layer.to(get_xp(x)), x)


def check_losses(draw):
    """Each gives a value and its gradients for every image, (N,), (N, ...).

    With an upstream gradient dy (N,), these become dy[:, None]·gradient.
    """
    N, D = 5, 3
    z, mu, logvar = (draw((N, D)) for _ in range(3))
    x, logits = (draw((N, 16)) > 0).astype("float64"), draw((N, 16))
    dy = draw(N)
    for loss, inputs in [
            (bernoulli_logpdf, {"x": x, "logits": logits}),
            (gaussian_pixels_logpdf, {"x": x, "logits": logits}),
            (gaussian_logpdf, {"z": z, "mu": mu, "logvar": logvar}),
            (gaussian_kl, {"mu": mu, "logvar": logvar})]:
        gradients = loss(**inputs)[1:]
        claimed = [name for name in inputs if name != "x"]
        yield check_function(
            loss.__name__, lambda: loss(**inputs)[0], dy,
            {name: (inputs[name], dy[:, None] * gradient)
             for name, gradient in zip(claimed, gradients)})


def check_reparameterize(draw):
    mu, logvar, eps, dz = (draw((5, 3)) for _ in range(4))
    dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
    yield check_function(
        "reparameterize", lambda: reparameterize(mu, logvar, eps), dz,
        {"mu": (mu, dmu), "logvar": (logvar, dlogvar)})


def check_vae(draw, settings):
    """The tutorial's network, with few filters."""
    eps = draw((4, 2))
    vae = conv_vae((8, 8, 1), 2, filters=2, **settings).to(get_xp(eps))
    for p in vae.params.values():
        p += 0.1 * draw(p.shape)     # a bias of 0 can put a ReLU on its kink
    x = (draw((4, 8, 8, 1)) > 0).astype("float64")
    _, grads = vae.loss_and_grads(x, eps)
    yield check_function(
        "the whole VAE: minus the mean ELBO", lambda: vae.elbo(x, eps),
        get_xp(x).full(len(x), -1 / len(x)),
        {name: (p, grads[name]) for name, p in vae.params.items()},
        tolerance=1e-6)


def main(args):
    xp, _ = choose_device(args.device)
    rng = np.random.default_rng(0)
    settings = {"rng": rng, "dtype": "float64"}  # float32 has too few digits

    def draw(shape):
        return move(rng.standard_normal(shape), xp)

    reports = [*check_layers(draw, settings), *check_losses(draw),
               *check_reparameterize(draw), *check_vae(draw, settings)]
    print("\nA layer of your own:")
    reports.append(check_layer(Softplus(), draw((4, 6))))

    rows = [row for report in reports for row in report.rows]
    failed = [report.layer for report in reports if not report.ok]
    print(f"\n{sum(row.elements for row in rows):,} elements of {len(rows)} "
          f"gradients checked; largest relative error "
          f"{max(row.error for row in rows):.1e}.",
          f"FAILED: {', '.join(failed)}" if failed else
          "All of them are right.")
    return int(bool(failed))


def parse_arguments():
    options = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--device", choices=("cpu", "gpu"), default="cpu",
                         help="where to compute (cpu)")
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
