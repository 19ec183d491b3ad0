"""Images of your own as a Dataset: whatever --data-dir names.

It may name a folder of pictures, or of IDX files (MNIST's format), or an
.npy or .npz file. Where nothing says which images are for testing, a tenth is
held out, at random, but always the same. Whatever is left out or changed is in
the notes.
"""
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from ...data import FASHION_CLASSES, Dataset, binarize
from .arrays import DARK, read_arrays
from .idx import find_sets, load_idx
from .labels import Labelled, examples, number
from .own_pictures import read_pictures
from .pictures import ENDINGS, no_screen, shown

ARCHIVES = {".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip"}


class OwnImages(NamedTuple):
    """A Dataset, what to call it, and what was done to it: sentences."""

    data: Dataset
    title: str
    notes: list


def load_own(where: Path | str, wanted: str | None = None,
             binary: bool = True, size: int | None = None) -> OwnImages:
    """Read the images that where names; ValueError says what is wrong there.

    wanted: "MNIST" or "Fashion-MNIST", if the other one would be a mistake.
    binary: make each pixel ink or blank. size: cut each image to a square and
    scale it to size × size; without it, all must be of one size, and are cut
    to multiples of 4.
    """
    if not os.fspath(where):
        raise ValueError("--data-dir is empty; name a folder or a file with "
                         "it")
    where = Path(os.path.expanduser(where))
    title, notes = Path(os.path.abspath(where)).name or str(where), list[str]()
    try:
        if find_sets(where):
            found, title = read_set(where, wanted, title, notes)
        elif where.is_dir():
            found = read_pictures(where, size, notes)
        elif where.is_file() and where.suffix.lower() in (".npy", ".npz"):
            found = read_arrays(where, notes)
        else:
            raise ValueError(f"{where} {what_else(where)}")
    except OSError as error:
        raise ValueError(f"{error.filename or where} cannot be read "
                         f"({error.strerror}); make it readable, or name "
                         "another with --data-dir") from error
    found = found._replace(images=resize(where, found.images, size, notes))
    check_contrast(where, found.images, binary, notes)
    check_classes(found, notes)
    return OwnImages(as_dataset(found, binary), title, notes)


def what_else(where: Path) -> str:
    """Say what the thing that cannot be read is, and what to do."""
    if not where.exists():
        return ("does not exist; --data-dir names a folder of IDX files or "
                "pictures, or an .npy or .npz file")
    if where.suffix.lower() in ARCHIVES:
        return ("is an archive; unpack it, and name the folder that comes out "
                "with --data-dir")
    if where.suffix.lower() in ENDINGS:
        return "is a single picture; name its folder with --data-dir"
    return ("is neither a folder nor an .npy or .npz file; name one of these "
            "with --data-dir")


def read_set(where: Path, wanted: str | None, title: str,
             notes: list) -> tuple[Labelled, str]:
    """Read a set of IDX files; return it, and what it is called."""
    idx = load_idx(where, wanted)
    digits = np.concatenate([idx.train_labels, idx.test_labels]).tolist()
    if idx.name == "Fashion-MNIST":
        labels, names = number([FASHION_CLASSES[d] for d in digits], notes,
                               FASHION_CLASSES.index)
    elif idx.prefix == "emnist-letters-":
        labels, names = number([chr(ord("A") - 1 + d) for d in digits], notes)
    else:
        labels, names = number(list(map(str, digits)), notes)
    if idx.prefix.startswith("emnist-"):
        notes.append("EMNIST stores its images transposed: they were "
                     "transposed back")
    images = np.concatenate([idx.train_images, idx.test_images])[..., None]
    test = np.arange(len(images)) >= len(idx.train_images)
    return Labelled(images, labels, names, test), idx.name or title


# ---- into a Dataset --------------------------------------------------------

def resize(where: Path, images: np.ndarray, size: int | None,
           notes: list) -> np.ndarray:
    """Scale all images to size, or cut them to multiples of 4."""
    H, W = images.shape[1:3]
    if size and (H, W) != (size, size):
        notes.append(f"images of {H} x {W} were scaled to {size} x {size}")
        return scale(images, size)
    h, w = H // 4 * 4, W // 4 * 4
    if min(h, w) < 8:
        raise ValueError(f"{where} has images of {H} x {W} pixels, but at "
                         "least 8 x 8 were expected; give them a size with "
                         "--image-size")
    if (h, w) != (H, W):
        notes.append(f"images of {H} x {W} were cut to {h} x {w}: the network "
                     "needs multiples of 4")
    top, left = (H - h) // 2, (W - w) // 2                   # the middle
    return images[:, top:top + h, left:left + w]


def scale(images: np.ndarray, size: int) -> np.ndarray:
    """Cut images (N, H, W, C) to squares, scaled to (N, size, size, C)."""
    scaled = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
    for i, image in enumerate(tqdm(images, "scaling", leave=False,
                                   disable=no_screen())):
        if image.shape[-1] == 1:
            image = image[..., 0]
        small = ImageOps.fit(Image.fromarray(image), (size, size),
                             Image.Resampling.LANCZOS)
        scaled[i] = np.asarray(small).reshape(scaled.shape[1:])
    return scaled


def check_contrast(where: Path, images: np.ndarray, binary: bool,
                   notes: list) -> None:
    """Refuse images that show nothing, and note if they show next to nothing.

    Binarized images show nothing if 95 % of them are all ink, or all blank,
    or if 99.9 % of all their pixels are.
    """
    low, high = int(images.min()), int(images.max())
    if high == low:
        raise ValueError(f"{where}: every pixel is {low} of 255, so there is "
                         "nothing to learn; take other images")
    if high - low < DARK:
        notes.append(f"all pixels lie between {low} and {high} of 255: the "
                     "images have hardly any contrast, or should be scaled")
    if not binary:
        return
    ink = binarize(images).reshape(len(images), -1).mean(axis=1)
    for share, what in (ink, "ink"), (1 - ink, "blank"):
        if share.mean() >= 0.999 or (share == 1).mean() >= 0.95:
            raise ValueError(
                f"{where}: {100 * share.mean():.1f} % of the pixels are "
                f"{what} after binarization, so there is nothing to learn; "
                "keep their grey values with --likelihood continuous, or "
                "scale them to 0..255")
    flat = np.isin(ink, (0, 1))
    if flat.mean() >= 0.01 or not 0.01 < ink.mean() < 0.99:
        notes.append(
            f"after binarization, {100 * ink.mean():.1f} % of the pixels are "
            f"ink, and {flat.sum():,} of {len(images):,} images are all ink "
            "or all blank; --likelihood continuous keeps grey values")


def check_classes(found: Labelled, notes: list) -> None:
    """Note which classes cannot be trained or tested on."""
    for part, use in (~found.test, "train"), (found.test, "test"):
        there = set(found.labels[part].tolist())
        missing = [shown(name) for c, name in enumerate(found.class_names)
                   if c not in there]
        if missing:
            notes.append(f"classes without images to {use} on: "
                         f"{', '.join(missing)}")


def as_dataset(found: Labelled, binary: bool) -> Dataset:
    """Divide into training and test images, binarized if asked."""
    images, labels, names, test = found
    pixels = binarize(images) if binary else images
    train, held_out = (np.ascontiguousarray(pixels[part])
                       for part in (~test, test))
    chosen = examples(labels[test])
    return Dataset(train, labels[~test], held_out, labels[test],
                   images[test][chosen], chosen, names)
