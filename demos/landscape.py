"""What does the latent plane of digits look like, and what lies between two?

    python demos/landscape.py

Walks through the landscape of MNIST that ships with minivae (or, with
--model, through one of yours). The pictures go to runs/landscape:

    features.png  the landscape, and where its digits have loops, curves, ...
    patches.png   what lies between a six and a zero, a nine and a seven, an
                  eight and a one
    path.png      from an eight to a six: straight, and on an arc around 0
    path.gif      the same, moving
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import textwrap

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from scipy.special import ndtri
from tqdm import tqdm

from minivae import VAE
from minivae.data import load_mnist
from minivae.extras.explorer.paths import spherical, straight
from minivae.extras.figures.codes import scatter
from minivae.extras.figures.gif import save_gif
from minivae.plots import (decode, encode, latent_grid, pixels, save_frame,
                           show, tile)

from common.command_line import a_name, parser, run
from common.models import find_model
from common.own_folder import own_folder

PAIRS = (6, 0), (9, 7), (8, 1)
STEPS = 15                  # images on a path


# ---- features --------------------------------------------------------------

# what strokes a digit is made of; a one may also be slanted
FEATURES = ("closed loop", "loop with a line", "several curves", "angular",
            "vertical line", "slanted line")
OF_DIGIT = np.array([0, 4, 2, 2, 3, 2, 1, 3, 2, 1])
SLANT = 0.25                # columns for each row: 14 degrees


def features_of(images, labels):
    """Say which feature each image (N, 28, 28, 1) has: indices (N,)."""
    slanted = (labels == 1) & (abs(slant(images)) > SLANT)
    return np.where(slanted, FEATURES.index("slanted line"), OF_DIGIT[labels])


def slant(images):
    """Fit a line to each image's ink: columns to the right for each row up."""
    ink = images[..., 0] / images.sum(axis=(1, 2, 3))[:, None, None]
    row, column = np.indices(ink.shape[1:])
    row, column = (place - (ink * place).sum(axis=(1, 2))[:, None, None]
                   for place in (row, column))            # from the ink's mean
    return -((ink * row * column).sum(axis=(1, 2))
             / (ink * row ** 2).sum(axis=(1, 2)))


def prevailing(q, codes, features):
    """Say which feature prevails at each point of the plane: (n, n).

    A decoded image is blurred, so we ask the 50 test images whose codes are
    nearest to a point: which is commonest among them? The answer in row r and
    column c is for the point z = (q[c], q[n-1-r]), as in the landscape.
    """
    z = np.stack(np.meshgrid(q, q[::-1]), axis=-1)               # (n, n, 2)
    _, nearest = cKDTree(codes).query(z, 50)                     # (n, n, 50)
    votes = np.stack([(features[nearest] == i).sum(axis=-1)
                      for i in range(len(FEATURES))])
    return votes.argmax(axis=0)


def heart(region):
    """Return the place of region (n, n) that is farthest from its edge."""
    depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    return np.unravel_index(depth.argmax(), depth.shape)


def draw_features(path, vae, codes, features, n=20, fine=80):
    """Draw the landscape, and over it which feature prevails where."""
    image, _ = latent_grid(vae, n)
    # points at equal steps of the prior's probability, as in the landscape:
    # the middles of fine x fine pixels that cover its cells
    share = 0.9 / (n - 1) * n / fine
    q = ndtri(0.5 + share * (np.arange(fine) - (fine - 1) / 2))
    winner = prevailing(q, codes, features)

    figure = Figure(figsize=(8, 8.4), dpi=100, layout="constrained")
    ax, square = figure.subplots(), (0, 1, 0, 1)
    show(ax, image, "Which feature prevails among the test images there\n"
         "(and in how much of the picture)",
         extent=square)
    colours = np.array([to_rgb(f"C{i}") for i in range(len(FEATURES))])
    ax.imshow(colours[winner], alpha=0.35, extent=square)
    ax.set(xlabel="z[0]", ylabel="z[1]")
    shares = np.bincount(winner.flat, minlength=len(FEATURES)) / winner.size
    for i in np.unique(winner):
        row, column = heart(winner == i)
        ax.text((column + 0.5) / fine, 1 - (row + 0.5) / fine,
                textwrap.fill(FEATURES[i], 9) + f"\n{shares[i]:.0%}",
                fontsize=15, ha="center", va="center", color=colours[i] * 0.6,
                fontweight="bold", path_effects=[
                    withStroke(linewidth=5, foreground="white")])
    save_frame(path, pixels(figure))


# ---- between two digits ----------------------------------------------------

def typical(codes, labels, digit):
    """Return the code of a digit's test image that is deepest among its kind.

    Of the 200 codes nearest to it, more are of that digit than around any
    other of its test images.
    """
    own = codes[labels == digit]
    _, nearest = cKDTree(codes).query(own, min(200, len(codes)))
    return own[(labels[nearest] == digit).sum(axis=1).argmax()]


def patch(a, b, n=9):
    """Lay n × n codes over a square: a at its left side's middle, b right.

    Returns them row by row, (n·n, 2), those with the largest z[1] on top.
    """
    across = b - a
    up = np.array([-across[1], across[0]])                # a quarter turn
    up *= np.sign(up[1]) or 1.0                           # z[1] grows along it
    along, aside = np.linspace(0, 1, n), np.linspace(0.5, -0.5, n)
    return (a + along[None, :, None] * across
            + aside[:, None, None] * up).reshape(-1, 2)


def draw_patches(path, vae, codes, labels):
    figure = Figure(figsize=(13, 4.8), dpi=100, layout="constrained")
    for ax, (left, right) in zip(figure.subplots(1, len(PAIRS)), PAIRS):
        z = patch(typical(codes, labels, left), typical(codes, labels, right))
        show(ax, tile(decode(vae, z), 9),
             f"from a {left}, middle left, to a {right}, middle right")
    save_frame(path, pixels(figure))


def draw_path(folder, vae, codes, labels, a, b):
    """Draw both paths: over the codes, as strips of images, and as a GIF."""
    paths = {"straight": straight(a, b, STEPS),
             "on an arc": spherical(a, b, STEPS)}
    images = {name: decode(vae, z) for name, z in paths.items()}
    frames = []
    for step in tqdm(range(STEPS), "drawing", leave=False, disable=None):
        figure = Figure(figsize=(11, 5), dpi=80, layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1])
        ax = figure.add_subplot(grid[:, 0])
        draw_map(ax, codes, labels, paths, step)
        for row, (name, strip) in enumerate(images.items()):
            show(figure.add_subplot(grid[row, 1]), strip[step], name)
        frames.append(pixels(figure))
    save_gif(folder / "path.gif", frames + frames[-2:0:-1])      # and back

    figure = Figure(figsize=(12, 9), dpi=100, layout="constrained")
    above, *below = figure.subplots(3, 1, height_ratios=[5, 1, 1])
    draw_map(above, codes, labels, paths, None)
    for ax, (name, strip) in zip(below, images.items()):
        show(ax, tile(strip, STEPS), name)
    save_frame(folder / "path.png", pixels(figure))


def draw_map(ax, codes, labels, paths, step):
    scatter(ax, codes, labels, range(10))
    for (name, z), style in zip(paths.items(), ("k-", "k--")):
        ax.plot(*z.T, style, linewidth=2, label=name)
        dots = z if step is None else z[step:step + 1]
        ax.plot(*dots.T, "ko", markersize=4 if step is None else 9)
    reach = ndtri(0.995)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal",
           xlabel="z[0]", ylabel="z[1]", title=(
               "Codes of the test images, and two paths"))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False,
              markerscale=3)


def model_of_digits(name: str) -> VAE:
    """Return a model in whose plane MNIST has a place, or raise ValueError."""
    found, wanted = find_model(name), "name a model of MNIST with two"
    D = found.vae.latent_dim
    if D != 2:
        raise ValueError(f"{name} has {D} latent dimension{'s' * (D > 1)}, "
                         f"but a plane has two; {wanted}")
    shape = found.vae.decode(found.vae.noise(1, 0)).shape[1:]
    if shape != (28, 28, 1) or found.title == "Fashion-MNIST":
        raise ValueError(f"{name} is a model of {found.title}, "
                         f"{' x '.join(map(str, shape))}, but we look for "
                         f"digits in its plane; {wanted}")
    return found.vae


@own_folder
def main(args):
    vae, data = model_of_digits(args.model), load_mnist()
    codes = encode(vae, data.test_images)
    draw_features(args.out / "features.png", vae, codes,
                  features_of(data.test_images, data.test_labels))
    draw_patches(args.out / "patches.png", vae, codes, data.test_labels)
    a, b = (typical(codes, data.test_labels, digit) for digit in (8, 6))
    draw_path(args.out, vae, codes, data.test_labels, a, b)
    print(f"""\
In {args.out}:
  features.png  the landscape, and where its digits have loops, curves, ...
  patches.png   from a six to a zero, a nine to a seven, an eight to a one
  path.png      from an eight to a six, straight and on an arc; path.gif moves

Look at features.png: digits with a feature in common lie in a few regions,
although nobody told the VAE what a loop is, or which digits there are. (Two
numbers are not many: in the model that ships, sevens and fours lie among
nines, and threes among fives.)
""", end="")


def parse_arguments():
    options = parser(__doc__, "runs/landscape")
    options.add_argument(
        "--model", type=a_name, default="mnist", metavar="MODEL",
        help="a run of train_mnist.py: its folder or its model.npz (the one "
             "that ships with minivae)")
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
