"""Can codes be discrete, and who learns what they should cost?

    python demos/discrete.py                     Fashion-MNIST
    python demos/discrete.py --images mnist
    python demos/discrete.py --shipped           no training: what ships

A code of 7 x 7 places, each with one of 32 values, and a prior that is learnt
(minivae/beyond/discrete.py). Prior, encoder and decoder are trained together,
on the VAE's own bound: a place may be what it likes, but what the prior cannot
foresee, given the places before, costs nats.

The demo prints the bound beside that of the two-number VAE which ships, and
where the nats go. codes.png shows images, what their codes decode to, and the
price of each place; samples.png what comes out if codes are drawn from the
prior, and if each place is drawn alone: the picture is in how they belong
together.

About a quarter of an hour of one core, --quick a minute and a half; the
pictures go to runs/discrete.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import math

import numpy as np
from matplotlib.figure import Figure

from minivae import choose_device, load_pretrained
from minivae.backend import move
from minivae.beyond.categorical import log_softmax
from minivae.beyond.classifier import LOADERS
from minivae.beyond.descend import descend
from minivae.beyond.discrete import discrete_vae, load_discrete
from minivae.beyond.quantize import perplexity
from minivae.beyond.weights import round_weights, write_weights
from minivae.data import batches, to_float
from minivae.plots import pixels, save_frame, show, tile

from common.command_line import run
from common.own_folder import own_folder
from common.relatives_options import relatives_parser


# ---- training and measuring ------------------------------------------------

def train(vae, images, steps, rng):
    """Train vae on images (N, H, W, C), there where its parameters are."""
    def loss_and_grads(indices):
        return vae.loss_and_grads(vae.asarray(to_float(images[indices])),
                                  vae.noise(len(indices), rng))
    descend(vae.params, loss_and_grads, len(images), steps, rng=rng)
    vae.forget()


def bound(vae, images, rng):
    """Return (reconstruction, kl) of each image, one draw each: (2, N)."""
    terms = [vae.elbo_terms(x, vae.noise(len(x), rng))
             for x in batches(images, min(100, len(images)))]
    vae.forget()
    return np.concatenate(terms, axis=1)


def codes_and_prices(vae, images):
    """Return the most probable codes of images, and each place's KL.

    Both (N, h, w), the latter in nats, given the codes before.
    """
    log_q = log_softmax(vae.encode(vae.asarray(to_float(images))))
    codes = log_q.argmax(axis=-1)
    log_p = log_softmax(vae.prior.logits(codes))
    return codes, (np.exp(log_q) * (log_q - log_p)).sum(axis=-1)


def each_alone(codes, n, rng):
    """Draw n grids: as in codes (N, h, w), but each place independently."""
    N, h, w = codes.shape
    rows = rng.integers(N, size=(n, h, w))
    return codes[rows, np.arange(h)[:, None], np.arange(w)]


# ---- what is printed and drawn ---------------------------------------------

def print_bound(name, reconstruction, kl):
    elbo = reconstruction - kl
    print(f"{name:<24}{elbo.mean():9.2f} ± "
          f"{elbo.std() / math.sqrt(len(elbo)):.2f}"
          f"{reconstruction.mean():14.2f}{kl.mean():8.2f}")


def draw_codes(path, images, decoded, prices):
    """Draw images, what their codes decode to, and the price per place."""
    figure = Figure(figsize=(10, 3.5), dpi=100, layout="constrained")
    for ax, row, name in zip(figure.subplots(3, 1), (
            to_float(images), decoded, prices[..., None]), (
                "given", "decoded", "price")):
        at_most = row.max() if name == "price" else 1
        show(ax, tile(row / at_most, len(row)))
        ax.set_ylabel(name if name != "price" else
                      f"nats: black\nis {at_most:.1f}", fontsize=10)
        ax.spines[:].set_visible(name == "price")
    save_frame(path, pixels(figure))


def draw_samples(path, pictures):
    """Draw grids of a hundred draws each: nobody has chosen them."""
    figure = Figure(figsize=(11, 5.8), dpi=100, layout="constrained")
    for ax, (title, images) in zip(figure.subplots(1, 2), pictures.items()):
        show(ax, tile(images, 10), title)
    save_frame(path, pixels(figure))


@own_folder
def main(args):
    data, rng = LOADERS[args.images](), np.random.default_rng(args.seed)
    if args.shipped:
        vae = load_discrete(args.images)
    else:
        vae = discrete_vae(rng=rng)
        xp, _ = choose_device(args.device)
        train(vae.to(xp), move(data.train_images[:args.limit], xp),
              args.steps, rng)
        round_weights(vae.to(np))
        write_weights(args.out / "discrete.npz", vae)
    plane = load_pretrained(args.images)
    test = data.test_images
    print(f"nats per image, {len(test):,} test images"
          "\n                             bound      reconstruction      KL")
    print_bound("two numbers", *bound(plane, test, rng))
    print_bound("7 x 7 codes", *bound(vae, test, rng))
    codes, prices = codes_and_prices(vae, test[:2000])
    K = vae.prior.K
    print(f"""
{K} codes are used as if there were {perplexity(codes, K):.0f}, all equally \
frequent. A place costs {prices.mean():.2f} nats, not
log {K} = {math.log(K):.2f}, from {prices.mean(axis=0).min():.2f} where all \
is foreseen to {prices.mean(axis=0).max():.2f}.""")

    few = data.grey_index[5::10]                        # one of each class
    codes_of_few, prices = codes_and_prices(vae, test[few])
    draw_codes(args.out / "codes.png", test[few],
               vae.decode(codes_of_few, apply_sigmoid=True), prices)
    draw_samples(args.out / "samples.png", {
        "100 draws from the prior, decoded": vae.sample(100, rng),
        "the same frequencies, each place drawn alone": vae.decode(
            each_alone(codes, 100, rng), apply_sigmoid=True)})
    print(f"""
Look at {args.out / "codes.png"}: what is always alike costs nothing.
samples.png has draws from the prior, and what remains without it.""")


def parse_arguments():
    return relatives_parser(__doc__, "runs/discrete",
                            steps=12000, quick=1000).parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
