"""Which of them is best? All models of this course, by one yardstick.

    python demos/which_is_best.py                     Fashion-MNIST
    python demos/which_is_best.py --images mnist

Draws thousands of images from each, and asks a classifier's features
(minivae/beyond/classifier.py) how far these draws are from real test images:
the Frechet distance, precision (how many look real) and recall (how much of
what is real they cover). Beside that, what one cannot see: the bound on
log p(x) where there is one, what a draw costs, and how many parameters it
needs (an encoder, or a discriminator, is not asked then).
Real images from training are scored, too: that is the floor.

Some models say how black a pixel is, not whether; then one can look at these
means, draw black or white, or take the more probable of the two. That changes
the distance by a factor of several, so all three are shown; for precision and
recall pixels are the more probable. (Means alone look smooth to a network that
has seen none, and precision forgives blur: each number says one thing.)

Models that ship are loaded; an autoencoder and a VAE with 16 numbers are
trained first. Draws of the PixelCNN take longest: a quarter of 20 minutes of
one core that all takes. The picture, with as many draws of each, which nobody
has chosen, goes to runs/which_is_best.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import time

import numpy as np
from tqdm import tqdm

from minivae import choose_device, conv_vae, load_pretrained
from minivae.beyond.classifier import LOADERS, load_classifier
from minivae.data import batches
from minivae.extras.figures.rows import save_images
from minivae.plots import decode, encode

from common.command_line import at_least, parser, run
from common.fit import fit
from common.own_folder import own_folder
from common.relatives import RELATIVES, Model, of_vae, relative, size
from common.sample_scores import Judge
from common.yardstick import frechet

SHOWN = 20
PART = 500                # draws at a time


# ---- the models ------------------------------------------------------------

def all_models(name, images, args):
    """Return all of them by name; images are those to train on."""
    return {
        "real, of training": Model(lambda n, rng: images[rng.choice(
            len(images), n, replace=False)]),
        "autoencoder, 16": autoencoder(images, args),
        "VAE, 2": of_vae(load_pretrained(name)),
        "VAE, 16": of_vae(trained(images, args)),
        **{title: relative(name, kind) for kind, title in RELATIVES.items()}}


def trained(images, args, **settings):
    return fit(conv_vae(images.shape[1:], 16, rng=args.seed), images,
               epochs=args.epochs, seed=args.seed, xp=args.xp,
               name="autoencoder" if settings else "VAE, 16 numbers",
               **settings)


def autoencoder(images, args):
    """An autoencoder has no prior: a normal is fitted to its codes."""
    vae = trained(images, args, noise=False, beta=0)
    codes = encode(vae, images[:10000])
    mean, covariance = codes.mean(axis=0), np.cov(codes.T)
    return Model(lambda n, rng: decode(vae, rng.multivariate_normal(
        mean, covariance, n)), size(vae.decoder))


# ---- what is printed and drawn ---------------------------------------------

def conventions(images, rng):
    """Return grey images as they are, and made black or white two ways."""
    return {"means": images, "drawn": rng.random(images.shape) < images,
            "likelier": images > 0.5}


def measure(name, model, judge, test, args):
    """Print a row of the table; return the first draws, as they are judged."""
    rng, start = np.random.default_rng(args.seed), time.perf_counter()
    made = np.concatenate([
        model.draw(min(PART, args.draws - at), rng) for at in tqdm(
            range(0, args.draws, PART), name, unit=f" times {PART} draws",
            leave=False, disable=None)])
    seconds = (time.perf_counter() - start) * 100 / len(made)
    seen = conventions(made, rng)
    scores = judge.look(seen["likelier"])
    drawn, means = (frechet(judge.features, judge.classifier.features(
        seen[way])) for way in ("drawn", "means"))
    print(f"{name:<18}{scores.distance:8.1f}{drawn:7.1f}{means:7.1f}"
          f"{scores.precision:11.2f}{scores.recall:8.2f}"
          f"{bound_of(model, test, rng):>8}{seconds:10.2f}"
          f"{model.parameters:12,}")
    return seen["likelier"][:SHOWN].astype(np.float32)


def bound_of(model, test, rng):
    """The mean bound on log p of test images, as text: "" if there is none."""
    if not model.bound:
        return ""
    return "%.1f" % np.mean(np.concatenate([
        model.bound(x, rng) for x in batches(test, 100)]))


HEADER = """
                     Fréchet distance                             seconds for
                  likelier  drawn  means  precision  recall   bound  100 draws\
  parameters"""


@own_folder
def main(args):
    data, (args.xp, _) = LOADERS[args.images](), choose_device(args.device)
    images, test = data.train_images[:args.limit], data.test_images
    models = all_models(args.images, images, args)
    judge = Judge(load_classifier(args.images), test)
    print(f"{args.draws:,} draws of each beside {len(test):,} test images")
    print(HEADER)
    rows = {name: measure(name, model, judge, test, args)
            for name, model in models.items()}
    save_images(args.out / "draws.png", rows, list(map(str, range(SHOWN))),
                "The first draws of each: nobody has chosen them")
    print(f"\nLook at {args.out / 'draws.png'}.")


def parse_arguments():
    options = parser(__doc__, "runs/which_is_best", limit=60000)
    add = options.add_argument
    add("--images", choices=sorted(LOADERS), default="fashion",
        help="what to draw (fashion)")
    add("--draws", type=at_least(1000, 60000), metavar="N",
        help="draws of each model (10000)")
    add("--quick", action="store_true",
        help="1,000 draws, one epoch of training")
    args = options.parse_args()
    args.draws = args.draws or (1000 if args.quick else 10000)
    args.epochs = 1 if args.quick else 5
    return args


if __name__ == "__main__":
    run(main, parse_arguments)
