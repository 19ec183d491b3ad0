"""How can one feature of a given image be changed, and by how much?

    python demos/edit.py

Learns Fashion-MNIST with 16 numbers per code: enough to keep an image's own
shape. Then it encodes images with a feature (long sleeves, say) and images
without, and takes the difference of the two mean codes. That is a direction:
a given image's code, moved along it, decodes to the same image with more of
the feature; moved the other way, with less. (Larsen et al. 2016; for words,
king - man + woman, the idea is older.) The VAE was never told the feature.

Does it work? For each edited image we look up the nearest real one, pixel by
pixel, and count how many of those have the feature.

Half a minute to a minute; the picture is runs/edit/features.png.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from minivae import choose_device, conv_vae
from minivae.data import load_fashion_mnist
from minivae.plots import decode, encode, pixels, save_frame, show

from common.command_line import parser, run
from common.fit import fit
from common.nearest import nearest
from common.own_folder import own_folder

INTENSITIES = -0.5, 0, 0.5, 1, 1.5, 2


class Feature(NamedTuple):
    """Which classes can have it, and which of their images do."""

    name: str
    classes: tuple
    has: Callable             # images (N, 28, 28, 1), labels (N,) -> (N,)


T_SHIRT, TROUSER, PULLOVER, DRESS, COAT, _, SHIRT, SNEAKER, BAG, BOOT = range(
    10)
FEATURES = [
    Feature("long sleeves", (T_SHIRT, PULLOVER),
            lambda images, labels: labels == PULLOVER),
    Feature("a high shaft", (SNEAKER, BOOT),
            lambda images, labels: labels == BOOT),
    Feature("a handle", (BAG,),                    # ink in the upper middle
            lambda images, labels: images[:, :6, 8:20].any(axis=(1, 2, 3))),
    Feature("dark cloth", (T_SHIRT, PULLOVER, DRESS, COAT, SHIRT),
            lambda images, labels: images[:, 8:24, 10:18].mean(
                axis=(1, 2, 3)) > 0.5)]


def split(feature, images, labels):
    """Return the images that have the feature, and those that do not."""
    can = np.isin(labels, feature.classes)
    images, has = images[can], feature.has(images[can], labels[can])
    return images[has], images[~has]


def edit(vae, images, direction, intensity):
    return decode(vae, encode(vae, images) + intensity * direction)


@own_folder
def main(args):
    data = load_fashion_mnist()
    images = data.train_images[:args.limit]
    labels = data.train_labels[:args.limit]
    vae = fit(conv_vae(latent_dim=16, rng=args.seed), images, seed=args.seed,
              xp=choose_device(args.device)[0])

    figure = Figure(figsize=(15, 8.4), dpi=100, layout="constrained")
    parts = figure.subfigures(2, 2, wspace=0.03, hspace=0.05)
    print("Of the real images nearest to edited ones, how many have the "
          f"feature?\n\n{'intensity':<14}"
          + "".join(f"{intensity:>7}" for intensity in INTENSITIES))
    for part, feature in zip(parts.flat, FEATURES):
        with_it, without = split(feature, images, labels)
        direction = (encode(vae, with_it).mean(axis=0)
                     - encode(vae, without).mean(axis=0))        # (16,)
        _, given = split(feature, data.test_images, data.test_labels)
        real = np.concatenate([with_it, without])
        print(f"{feature.name:<14}", end="")
        for intensity in INTENSITIES:
            place, _ = nearest(edit(vae, given[:200], direction, intensity),
                               real)
            print(f"{(place < len(with_it)).mean():>7.0%}", end="")
        print()
        draw(part, feature, vae, given[:3], direction)
    save_frame(args.out / "features.png", pixels(figure))
    print(f"""
Look at {args.out / 'features.png'}: at intensity 0 each row shows the image
as it is reconstructed; to the right of that grows the feature it lacked.""")


def draw(figure, feature, vae, given, direction):
    axes = figure.subplots(len(given), 1 + len(INTENSITIES))
    figure.suptitle(feature.name, fontweight="bold")
    for row, image in zip(axes, given):
        show(row[0], image)
    for column, intensity in zip(axes.T[1:], INTENSITIES):
        for ax, image in zip(column, edit(vae, given, direction, intensity)):
            show(ax, image)
        column[0].set_title(f"{intensity:+g}" if intensity else "0")
    axes[0, 0].set_title("given")


def parse_arguments():
    return parser(__doc__, "runs/edit", limit=60000).parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
