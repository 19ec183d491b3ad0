"""What if codes are learnt first, and only then what they cost?

    python demos/vq_vae.py                     Fashion-MNIST
    python demos/vq_vae.py --images mnist
    python demos/vq_vae.py --shipped           no training: what ships

VQ-VAE-2, in small: 28 x 28 pixels become 4 x 4 codes, and below these 7 x 7
more, each one of 64 (minivae/beyond/vqvae.py). First, encoder and decoder are
trained for reconstruction alone. Then two PixelCNNs learn how probable codes
are, the top's, and the bottom's given the top's.

The demo prints the bound on log p(x) beside that of the two-number VAE which
ships, and how far draws are from real images. samples.png has draws;
levels.png what all codes keep, and what the top's alone: the bottom's are
drawn anew, several times; completion.png lower halves, drawn to upper ones.

About six minutes on one core, --quick one; the pictures go to runs/vq_vae.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import math

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import choose_device, load_pretrained
from minivae.backend import get_xp, move
from minivae.beyond.classifier import LOADERS, load_classifier
from minivae.beyond.descend import descend
from minivae.beyond.quantize import perplexity
from minivae.beyond.vqvae2 import VQVAE2, load_vqvae
from minivae.beyond.weights import round_weights, write_weights
from minivae.data import batches, to_float
from minivae.plots import pixels, save_frame, show, tile
from minivae.train import evaluate

from common.command_line import run
from common.own_folder import own_folder
from common.relatives_options import relatives_parser
from common.sample_scores import Judge

KNOWN_ROWS = 2, 3  # of 4 and 7 rows of codes, those that an upper half decides
AGAIN = 6          # draws for each row of a picture
QUICK = 500        # steps: after so few, FEW draws are judged, else MANY
FEW, MANY = 1000, 10000


# ---- training and measuring ------------------------------------------------

def train(model, images, steps, rng):
    """Train codes on images (N, H, W, C), and then their prior."""
    codec, prior = model.codec, model.prior

    def better(indices):
        result = codec.loss_and_grads(to_float(images[indices]))
        codec.update_codebooks(rng)
        return result
    descend(codec.params, better, len(images), steps, rng=rng, name="codes")
    top, bottom = encode(model, images)
    descend(prior.params, lambda indices: prior.loss_and_grads(
        top[indices], bottom[indices]), len(images), steps, rng=rng,
        name="their prior")


def encode(model, images):
    """Return the codes of all images, top and bottom."""
    parts = [model.codec.encode(x)
             for x in batches(images, min(500, len(images)))]
    return tuple(map(get_xp(images).concatenate, zip(*parts)))


def terms(model, images):
    """Return log p(x | codes), log p(top), log p(bottom | top): (3, N)."""
    return np.concatenate([model.terms(x) for x in batches(
        images, min(500, len(images)))], axis=1)


def draw_many(model, n, rng):
    """Draw n images, each pixel set to its more probable value: bool."""
    bar = tqdm(range(0, n, 200), "draws", leave=False, disable=None)
    return np.concatenate([model.sample(min(200, n - at), rng) > 0.5
                           for at in bar])


def complete(model, images, times, rng):
    """Draw what could stand below the upper halves of images.

    Returns the covered images, and so many completions of each, whose first
    rows of codes are the covered image's: (1 + times, N, H, W, C).
    """
    covered = to_float(images)
    covered[:, images.shape[1] // 2:] = 0
    known = [codes[:, :rows] for codes, rows in zip(
        model.codec.encode(covered), KNOWN_ROWS)]
    return np.stack([covered, *(model.sample(len(images), rng, known)
                                for _ in range(times))])


# ---- what is printed and drawn ---------------------------------------------

def print_bound(model, images, name):
    """Print a table of the bound and its parts, and why it is so low."""
    x, top, bottom = terms(model, images)
    two, K = load_pretrained(name), model.prior.K
    reconstruction, kl = evaluate(two, images, two.noise(len(images), 0))
    cost = -(top + bottom).mean()
    print(f"nats per image, {len(images):,} test images\n"
          "                         bound   reconstruction     codes cost")
    for row in (("VAE, two numbers", reconstruction - kl, reconstruction, kl),
                ("VQ-VAE-2", x.mean() - cost, x.mean(), cost)):
        print("%-20s%10.2f%17.2f%15.2f" % row)
    for level, log_p, codes in zip(("top", "bottom"), (top, bottom),
                                   encode(model, images)):
        print(f"{level}: {K} codes are used as if there were "
              f"{perplexity(codes, K):.0f}, all equally frequent; a place\n"
              f"costs {-log_p.mean() / codes[0].size:.2f} nats, not log {K} = "
              f"{math.log(K):.2f}")
    print(conclusion(x.mean() - reconstruction, cost - kl))


def conclusion(closer, dearer):
    """Say what became of the bound: nats gained, and nats lost."""
    return f"""
It reconstructs {closer:.1f} nats better, for codes that cost {dearer:.1f} \
nats more: the
bound is {abs(closer - dearer):.1f} nats \
{"lower" if dearer > closer else "higher"}. Codes were learnt for
reconstruction alone, and the prior, which came afterwards, finds them hard to
foresee. And a VAE's q, a cloud, gets its entropy back; one code has none."""


def draw_blocks(path, blocks):
    """Draw blocks of images, {"name": (10, n, H, W, C)}, side by side."""
    wide = [images.shape[1] for images in blocks.values()]
    figure = Figure(figsize=(0.6 * sum(wide), 6.3), layout="constrained")
    axes = figure.subplots(1, len(wide), width_ratios=wide)
    for ax, n, (name, images) in zip(axes, wide, blocks.items()):
        show(ax, tile(images.reshape(-1, *images.shape[2:]), n), name)
    save_frame(path, pixels(figure))


def draw(args, model, data, rng):
    """Draw the three pictures, of images that nobody has chosen."""
    few = data.test_images[data.grey_index[5::10]]      # one of each class
    codes, given = encode(model, few), to_float(few)
    decoded = model.codec.decode(*codes, apply_sigmoid=True)
    again = np.stack([model.sample(len(few), rng, (codes[0], None))
                      for _ in range(AGAIN)], axis=1)
    covered, *completed = complete(model, few, AGAIN, rng)
    real = to_float(data.test_images[:100])
    draw_blocks(args.out / "samples.png", {
        "100 draws": model.sample(100, rng).reshape(10, 10, *real.shape[1:]),
        "100 real images": real.reshape(10, 10, *real.shape[1:])})
    draw_blocks(args.out / "levels.png", {
        "given, decoded": np.stack([given, decoded], axis=1),
        "the same top codes, other bottom codes": again})
    draw_blocks(args.out / "completion.png", {
        "given, covered": np.stack([given, covered], axis=1),
        "completed, several times": np.stack(completed, axis=1)})


@own_folder
def main(args):
    data, rng = LOADERS[args.images](), np.random.default_rng(args.seed)
    if args.shipped:
        model = load_vqvae(args.images)
    else:
        model, (xp, _) = VQVAE2(rng=rng), choose_device(args.device)
        train(model.to(xp), move(data.train_images[:args.limit], xp),
              args.steps, rng)
        round_weights(model.to(np))
        write_weights(args.out / "vqvae.npz", model)
    print_bound(model, data.test_images, args.images)
    draws = MANY if args.steps > QUICK else FEW
    scores = Judge(load_classifier(args.images), data.test_images).look(
        draw_many(model, draws, rng))
    print(f"\n{draws:,} draws, each pixel set to its more probable value: "
          f"Fréchet distance {scores.distance:.1f},\nprecision "
          f"{scores.precision:.2f}, recall {scores.recall:.2f}")
    draw(args, model, data, rng)
    print(f"\nLook at {args.out / 'levels.png'}: what changes in a row, the "
          "top's codes leave open.")


def parse_arguments():
    options = relatives_parser(__doc__, "runs/vq_vae", steps=3000, quick=QUICK)
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
