"""Can you tell a wrong VAE by its pictures? No. Here is what can.

    python demos/broken_gradients.py

Five mistakes, put into minivae one at a time. Four are from VAEs and layers
that people have published; the fifth is one that their gradient checks, with
an upstream gradient of ones, could not have seen. Each is trained for a while,
and its landscape drawn: it looks fine, or as if it needed more training. (One
trains exactly as the correct one does; only the ELBO that it reports is
wrong.) The true ELBO is that of the trained weights, computed by correct code.
Three checks tell the mistakes apart:

    gradients   backward against finite differences of forward: worst error
    spread      the standard deviation of sampled codes, over sigma: must be 1
    answers     a convolution and two steps of Adam, worked out by hand

No check sees all of the mistakes, and each sees one that the others cannot.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

import minivae.conv
import minivae.vae
from minivae import VAE, Adam, Conv2DTranspose, check_function, conv_vae
from minivae.data import load_fashion_mnist
from minivae.losses import bernoulli_logpdf
from minivae.plots import latent_grid, pixels, save_frame, show
from minivae.train import epoch, evaluate, train_step

from common.command_line import IMAGES, at_least, parser, run
from common.own_folder import own_folder


# ---- the mistakes ----------------------------------------------------------

def sigma_is_e_to_the_logvar(mu, logvar, eps):
    return mu + np.exp(logvar) * eps        # where the KL has e^(logvar/2)


def its_backward(dz, logvar, eps):
    return dz, dz * np.exp(logvar) * eps    # correct for that forward


def mean_over_pixels(x, logits):
    logpdf, dlogits = bernoulli_logpdf(x, logits)
    return logpdf / logits[0].size, dlogits             # in forward only


right_step, right_dw = Adam.step, minivae.conv.correlate_dw


def adam_forgets(self, grads):
    for a in *self.m.values(), *self.v.values():
        a[...] = 0
    right_step(self, grads)


def dy_is_upside_down(x, dy, *settings):
    return right_dw(x, dy[:, ::-1], *settings)


right_windows = minivae.conv.windows


def all_zeros_go_last(size, kernel, stride, padding):
    count, before, after = right_windows(size, kernel, stride, padding)
    return count, 0, before + after         # forward and backward alike


MISTAKES = {
    "no mistake": [],
    "sigma = e^logvar": [
        (minivae.vae, "reparameterize", sigma_is_e_to_the_logvar),
        (minivae.vae, "reparameterize_backward", its_backward)],
    "mean over pixels, forward only": [
        (minivae.vae, "LIKELIHOODS", {"bernoulli": mean_over_pixels})],
    "Adam forgets its history": [
        (Adam, "step", adam_forgets)],
    "'same' is off by one pixel": [
        (minivae.conv, "windows", all_zeros_go_last)],
    "dw from dy upside down": [
        (minivae.conv, "correlate_dw", dy_is_upside_down),
        # its plain form calls correlate_dw, and so makes the mistake, too
        (minivae.conv, "correlate_and_dw",
         minivae.conv.correlate_and_dw.plain)],
}


# ---- the checks ------------------------------------------------------------

def gradient_error():
    """The largest relative error of a small VAE's gradients."""
    rng = np.random.default_rng(0)
    vae = conv_vae((8, 8, 1), filters=2, rng=rng, dtype="float64")
    for p in vae.params.values():
        p += 0.1 * rng.standard_normal(p.shape)
    x, eps = (rng.random((4, 8, 8, 1)) < 0.5) * 1.0, vae.noise(4, rng)
    _, grads = vae.loss_and_grads(x, eps)
    report = check_function(
        "VAE", lambda: vae.elbo(x, eps), np.full(4, -1 / 4),
        {name: (p, grads[name]) for name, p in vae.params.items()},
        verbose=False)
    return max(row.error for row in report.rows)


def spread():
    """The standard deviation of codes around mu, over σ: it must be 1."""
    mu, logvar = np.zeros((100_000, 1)), np.full((100_000, 1), 1.5)
    eps = np.random.default_rng(0).standard_normal(mu.shape)
    z = minivae.vae.reparameterize(mu, logvar, eps)
    return z.std() / np.exp(1.5 / 2)


def knows_the_answers():
    """Does it know what a convolution and two steps of Adam come to?"""
    # One dark pixel stamps a kernel of 1 … 9; of that, Keras keeps 5 6 8 9
    layer = Conv2DTranspose(1, 1, 3, padding="same")
    layer.params["w"][..., 0, 0] = np.arange(1, 10).reshape(3, 3)
    x = np.zeros((1, 2, 2, 1), "float32")
    x[0, 0, 0] = 1
    # The first step is 1. A gradient of 0 leaves 0.9 of m and 0.999 of v.
    p = {"p": np.zeros(1)}
    adam = Adam(p, learning_rate=1)
    for gradient in 1.0, 0.0:
        adam.step({"p": np.array([gradient])})
    second = 0.1 * 0.9 / (1 - 0.9 ** 2) / np.sqrt(
        0.001 * 0.999 / (1 - 0.999 ** 2))
    return (layer.forward(x).ravel().tolist() == [5, 6, 8, 9]
            and abs(p["p"][0] + 1 + second) < 1e-4)


# ---- train, check, draw ----------------------------------------------------

def train(images, name):
    rng = np.random.default_rng(0)
    vae = conv_vae(rng=rng)
    adam = Adam(vae.params, learning_rate=1e-3)
    for x, eps in tqdm(epoch(vae, images, 32, rng), name,
                       len(images) // 32, unit=" steps", leave=False,
                       disable=None):
        train_step(vae, adam, x, eps)
    return vae


@own_folder
def main(args):
    data = load_fashion_mnist()
    train_images = data.train_images[:32 * args.steps]
    images = data.test_images[:2000]
    figure = Figure(figsize=(12, 8.4), dpi=100, layout="constrained")
    axes = figure.subplots(2, 3)
    print(f"{'mistake':<32}{'ELBO it reports':>16}{'true ELBO':>11}"
          f"{'gradients':>11}{'spread':>8}{'answers':>9}")
    for ax, (mistake, replaced) in zip(axes.flat, MISTAKES.items()):
        with ExitStack() as stack:
            for patched in replaced:
                stack.enter_context(patch.object(*patched))
            vae = train(train_images, mistake)
            eps = vae.noise(len(images), np.random.default_rng(1))
            reconstruction, kl = evaluate(vae, images, eps)
            error, width = gradient_error(), spread()
            answers = "right" if knows_the_answers() else "WRONG"
            landscape, _ = latent_grid(vae, n=10)
        vae = VAE(vae.encoder, vae.decoder)       # with the right likelihood
        true_reconstruction, true_kl = evaluate(vae, images, eps)
        show(ax, landscape, f"{mistake}\nreports {reconstruction - kl:.0f}, "
             f"true ELBO {true_reconstruction - true_kl:.0f}")
        print(f"{mistake:<32}{reconstruction - kl:>16.1f}"
              f"{true_reconstruction - true_kl:>11.1f}"
              f"{error:>11.0e}{width:>8.2f}{answers:>9}")
    save_frame(args.out / "landscapes.png", pixels(figure))
    print(f"""
Gradients must agree to 1e-06, the spread must be 1.00. Look at
{args.out / 'landscapes.png'}: which of these would you have published?""")


def parse_arguments():
    options = parser(__doc__, "runs/broken_gradients")
    options.add_argument("--steps", type=at_least(1, IMAGES // 32),
                         default=500, metavar="N", help="training steps for "
                         f"each of the six, at most {IMAGES // 32} (500)")
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
