"""What does training do to the codes of a six, a one and a zero?

    python demos/training_on_a_six.py

Follows three test images while a VAE learns MNIST. The encoder gives each a
mean (the red dot) and a width (the curve around it, at one sigma); a code is
drawn from there (green) and decoded. The loss says how bad the result is, and
its gradient, in which direction the mean should move (the arrow). At first the
three clouds lie on top of each other, and what one digit teaches the decoder
is wrong for the others. So ones are driven away from sixes; a zero has a six's
loop, and may stay near. And the clouds shrink: the farther apart they are, the
more a precise code is worth, while the KL asks for wide ones around 0.

Half a minute to a minute; the pictures go to runs/training_on_a_six.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from minivae import choose_device, conv_vae, gaussian_kl, reparameterize
from minivae.backend import get_xp, to_numpy
from minivae.data import load_mnist
from minivae.extras.figures.gif import save_gif
from minivae.plots import decode, encode, pixels, save_frame, show

from common.command_line import parser, run
from common.fit import fit
from common.own_folder import own_folder

DIGITS = {"six": 6, "one": 1, "zero": 0}
COLOURS = "C0", "C1", "C4"
EDGE = 3.8                              # of the plane that is drawn
SHOWN = 0, 150, 500                     # steps in the figure, before the last
FRAMES = {round(1.3 ** k) for k in range(40)}              # steps in the GIF


# ---- looking ---------------------------------------------------------------

class Moment(NamedTuple):
    """The state of three images x, and others of their digits, at a step."""

    step: int
    others: list              # for each digit, means of many (n, 2)
    mu: np.ndarray            # (3, 2), like the next three
    sigma: np.ndarray
    z: np.ndarray
    pull: np.ndarray          # −d loss/d mu, a mean over draws
    decoded: np.ndarray       # (3, 28, 28, 1), of z
    loss: np.ndarray          # (3,), like the next
    kl: np.ndarray


def observe(vae, step, x, eps, others):
    x, eps = vae.asarray(x), vae.asarray(eps)       # onto the VAE's device
    mu, logvar = vae.encode(x)
    reconstruction, _ = vae.elbo_terms(x, eps)
    kl, _, _ = gaussian_kl(mu, logvar)          # the mean over draws
    z = reparameterize(mu, logvar, eps)
    arrays = (mu, get_xp(x).exp(0.5 * logvar), z, pull(vae, x),
              decode(vae, z), kl - reconstruction, kl)
    return Moment(step, [encode(vae, images) for images in others],
                  *map(to_numpy, arrays))


def pull(vae, x, draws=100):
    """Return −d loss/d mu for each image of x, (3, 2): a mean over draws."""
    rng, total = np.random.default_rng(0), 0
    for _ in range(draws):
        vae.elbo(x, vae.noise(len(x), rng))
        _, dlogits, dz_prior = vae.cache
        # The ELBO's two terms see mu through z = mu + σ·eps: dmu = dz
        total += vae.decoder.backward(dlogits) + dz_prior
    return total / draws


# ---- drawing ---------------------------------------------------------------

def draw_plane(ax, moment):
    """Draw the codes; and beside them, what each drawn code decodes to."""
    for codes, colour in zip(moment.others, COLOURS):
        ax.scatter(*codes.T, s=4, alpha=0.5, linewidths=0, color=colour)
    turn = np.linspace(0, 2 * np.pi, 60)
    for i, (name, place) in enumerate(zip(DIGITS, places(moment.z))):
        mu, sigma = moment.mu[i], moment.sigma[i]
        ax.plot(mu[0] + sigma[0] * np.cos(turn),
                mu[1] + sigma[1] * np.sin(turn), color="C3", linewidth=1)
        tip = mu + 0.8 * moment.pull[i] / np.linalg.norm(moment.pull[i])
        ax.annotate("", tip, mu, arrowprops={"arrowstyle": "->"})
        ax.plot(*zip(moment.z[i], place), color=COLOURS[i], linewidth=1,
                zorder=1)
        ax.plot(*mu, "o", color="C3", markersize=5)
        ax.plot(*moment.z[i], "o", color="C2", markersize=5)
        draw_image(ax, moment.decoded[i], place, COLOURS[i],
                   f"{name}, {moment.loss[i]:.0f} nats")
    ax.set(xlim=(-EDGE, EDGE + 2.6), ylim=(-EDGE, EDGE), aspect="equal",
           title="before training" if moment.step == 0 else
           f"after {moment.step:,} step{'s' * (moment.step > 1)}")


def draw_image(ax, image, place, colour, text):
    """Draw an image, in a frame, with a line of text below it."""
    x, y = place
    show(ax, image, extent=(x - 1, x + 1, y - 1, y + 1), zorder=3)
    ax.add_patch(Rectangle((x - 1, y - 1), 2, 2, fill=False,
                           edgecolor=colour, linewidth=1.5, zorder=4))
    ax.text(x, y - 1.05, text, color=colour, ha="center", va="top",
            fontsize=9, fontweight="bold")


def places(z):
    """Choose a place for the image of each of three codes z: (3, 2).

    They lie right of the codes; the lines from there are as short as can be.
    """
    column = np.array([(EDGE + 1.2, y) for y in (2.7, 0.2, -2.3)])
    far = np.linalg.norm(z[:, None] - column, axis=-1)           # (3, 3)
    return column[linear_sum_assignment(far)[1]]


def save_figure(path, moments, x):
    """Draw the three images x, and the plane at each moment."""
    figure = Figure(figsize=(10, 7.6), dpi=90, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 8])
    for i, ax in enumerate(left.subplots(3, 1)):
        show(ax, x[i], f"given: a {[*DIGITS][i]}")
        ax.title.set(color=COLOURS[i], fontweight="bold")
    for ax, moment in zip(right.subplots(2, 2).flat, moments):
        draw_plane(ax, moment)
    figure.suptitle("Codes of sixes, ones and zeros. For one of each: its "
                    "mean and σ (red), where the loss pulls\nthe mean "
                    "(arrow), a drawn code (green), and what that decodes to")
    save_frame(path, pixels(figure))


def frame(moment):
    figure = Figure(figsize=(5, 5), dpi=80, layout="constrained")
    draw_plane(figure.subplots(), moment)
    return pixels(figure)


def distances(moment):
    """How far the mean codes of ones and of zeros are from that of sixes."""
    six, one, zero = (codes.mean(axis=0) for codes in moment.others)
    return np.linalg.norm(one - six), np.linalg.norm(zero - six)


@own_folder
def main(args):
    data = load_mnist()
    images = data.train_images[:args.limit]
    of_digit = [data.test_images[data.test_labels == digit]
                for digit in DIGITS.values()]
    vae = conv_vae(rng=args.seed)
    x = vae.asarray(np.stack([some[3] for some in of_digit]))
    eps = vae.noise(3, rng=1)            # the same draw for every picture
    others = [some[:300] for some in of_digit]
    last = -(-len(images) // 32)

    print(f"{'':>5}{'from the sixes to':>23}{'the six:':>13}"
          f"{'the one:':>14}{'the zero:':>14}\n{'step':>5}{'ones':>11}"
          f"{'zeros':>12}" + f"{'loss':>8}{'KL':>6}" * 3)
    moments = {}

    def watch(step):
        if step in FRAMES or step in SHOWN or step == last:
            moments[step] = m = observe(vae, step, x, eps, others)
            print(f"{step:>5,}{distances(m)[0]:>11.2f}{distances(m)[1]:>12.2f}"
                  + "".join(f"{loss:>8.0f}{kl:>6.1f}"
                            for loss, kl in zip(m.loss, m.kl)))

    watch(0)
    fit(vae, images, learning_rate=2e-3, seed=args.seed, watch=watch,
        xp=choose_device(args.device)[0])
    steps = [step for step in SHOWN if step < last] + [last]
    save_figure(args.out / "moments.png", [moments[s] for s in steps], x)
    save_gif(args.out / "moments.gif", [
        frame(moments[step]) for step in tqdm(
            sorted(moments), "drawing", leave=False, disable=None)])
    ones, zeros = distances(moments[last])
    print(f"""
Look at {args.out / 'moments.png'} (moments.gif moves): the ones end
up {ones:.1f} away from the sixes, the zeros {zeros:.1f}.""")


def parse_arguments():
    return parser(__doc__, "runs/training_on_a_six", limit=60000).parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
