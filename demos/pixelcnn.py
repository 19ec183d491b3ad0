"""Why does one want codes at all?

    python demos/pixelcnn.py                     Fashion-MNIST
    python demos/pixelcnn.py --images mnist
    python demos/pixelcnn.py --shipped           no training: what ships

A PixelCNN needs no code: it says how likely each pixel is to be black, given
all pixels before it, row by row (minivae/beyond/pixelcnn.py). So log p(x) is
exact, no bound, and higher than what any model of this course reaches; and one
can begin an image, and have it completed. But to draw an image it takes as
many steps as there are pixels, and there is no code to compare, to move or to
edit: what it knows of a shirt is spread over all its pixels.

seen.png shows which pixels one pixel depends on; samples.png a hundred draws;
completed.png upper halves of test images, each completed four times.

Eleven minutes of one core, --quick two; the pictures go to runs/pixelcnn.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import math
import time

import numpy as np
from matplotlib.figure import Figure

from minivae import choose_device, load_pretrained
from minivae.backend import move
from minivae.beyond.classifier import LOADERS
from minivae.beyond.descend import descend
from minivae.beyond.pixelcnn import load_pixelcnn, pixel_cnn
from minivae.beyond.weights import round_weights, write_weights
from minivae.extras.figures.rows import save_images
from minivae.plots import pixels, save_frame, show, tile

from common.command_line import run
from common.own_folder import own_folder
from common.relatives_options import relatives_parser

TIMES = 4               # that an image is completed


def train(net, images, steps, rng):
    """Train net on images (N, H, W), 0 or 1, there where it is."""
    descend(net.params,
            lambda indices: net.loss_and_grads(images[indices]),
            len(images), steps, batch_size=8, learning_rate=5e-3, rng=rng)
    net.forget()


def log_probs(net, images):
    """Return log p of each image (N, H, W), a few at a time: (N,)."""
    parts = [net.log_prob(images[start:start + 100])
             for start in range(0, len(images), 100)]
    net.forget()
    return np.concatenate(parts)


def seen(net, image, row, column):
    """How much does each pixel of an image (H, W) move one pixel's logit?

    Returns |d logit / d pixel|, (H, W), by one backward pass: a pixel that
    grows darker moves from white's channel to black's.
    """
    logits = net.logits(image[None])
    dy = np.zeros_like(logits)
    dy[0, row, column] = -1, 1           # black's logit minus white's
    dx = net.backward(dy)[0]
    return abs(dx[..., 1] - dx[..., 0])


def seconds(draw):
    """Return how long a draw takes."""
    start = time.perf_counter()
    draw()
    return time.perf_counter() - start


def draw_samples(path, images):
    figure = Figure(figsize=(5.6, 6), dpi=100, layout="constrained")
    show(figure.subplots(), tile(images, 10), "100 draws")
    save_frame(path, pixels(figure))


def draw_seen(path, net, image):
    """Show an image, and what two of its pixels depend on."""
    figure = Figure(figsize=(10, 3.7), dpi=100, layout="constrained")
    given, *axes = figure.subplots(1, 3)
    show(given, image[..., None], "an image, and two pixels of it")
    H, W = image.shape
    for ax, (row, column) in zip(axes, ((H // 2, W // 2), (H // 3, W // 4))):
        moves = seen(net, image, row, column)
        show(ax, (moves / moves.max())[..., None] ** 0.5,
             f"row {row}, column {column} depends on")
        for a in (given, ax):
            a.plot(column, row, "C3s", markersize=5)
    save_frame(path, pixels(figure))


@own_folder
def main(args):
    data, rng = LOADERS[args.images](), np.random.default_rng(args.seed)
    test = data.test_images[..., 0].astype(int)
    if args.shipped:
        net = load_pixelcnn(args.images)
    else:
        net = pixel_cnn(rng=rng)
        xp, _ = choose_device(args.device)
        images = data.train_images[:args.limit, ..., 0].astype(int)
        train(net.to(xp), move(images, xp), args.steps, rng)
        round_weights(net.to(np))
        write_weights(args.out / "pixelcnn.npz", net)
    log_p = log_probs(net, test)
    print(f"log p(x): {log_p.mean():.2f} ± "
          f"{log_p.std() / math.sqrt(len(log_p)):.2f} nats per image, in the "
          f"mean over {len(test):,} test images")
    vae, (_, H, W) = load_pretrained(args.images), test.shape
    slow = seconds(lambda: draw_samples(
        args.out / "samples.png", net.sample(100, H, W, rng)[..., None]))
    quick = seconds(lambda: vae.sample(100, rng))
    print(f"100 draws take {slow:.1f} seconds, {H * W} steps; the VAE's, one "
          f"step, {quick:.2f}.")
    few = data.grey_index[5::10]                        # one of each class
    upper = np.repeat(test[few], TIMES, axis=0)[:, :H // 2]
    whole = net.sample(len(upper), H, W, rng, known=upper)
    save_images(args.out / "completed.png", {
        "test image": data.test_images[few],
        **{f"completed, {i + 1}": whole[i::TIMES, ..., None]
           for i in range(TIMES)}}, data.names(few),
        "The upper half is given, the lower half drawn")
    draw_seen(args.out / "seen.png", net, test[few[0]])
    print(f"""
Look at {args.out / "seen.png"}: a pixel depends on what is above, and on its
left; samples.png has a hundred draws, completed.png what becomes of upper
halves.""")


def parse_arguments():
    return relatives_parser(__doc__, "runs/pixelcnn",
                            steps=14000, quick=1000).parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
