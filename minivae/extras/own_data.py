"""Images of your own as a Dataset: whatever --data-dir names.

It may name a folder with four IDX files (MNIST's format), or a folder of PNG
or JPEG pictures, where folders in it are classes, or an .npy or .npz file.
An .npz file holds one array of images, or, as Keras has them, x_train,
y_train, x_test and y_test. Where nothing says which images are for testing,
every tenth is.
"""
import math
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from ..data import FASHION_CLASSES, Dataset, binarize
from .idx import FILES, find, load_idx
from .npz import LARGEST, read_file

PICTURES = {".png", ".jpg", ".jpeg"}
FEWEST = 20           # images: fewer would leave less than two for testing
CLASSES = 20          # more would not fit into a legend


class Own(NamedTuple):
    """A Dataset, what to call it, and what was done to it: sentences."""

    data: Dataset
    title: str
    notes: list


class Split(NamedTuple):
    """Bytes (N, H, W, C) and labels (N,), to train and to test on."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple


def load_own(where: Path, wanted: str | None = None, binary: bool = True,
             size: int | None = None) -> Own:
    """Read the images that where names; ValueError says what is wrong there.

    wanted: "MNIST" or "Fashion-MNIST", if the other one would be a mistake.
    binary: turn pixels to ink or none. size: cut each image to a square and
    scale it to size × size; without it, all must be of one size, and what is
    over a multiple of 4 is cut off.
    """
    title, notes = where.name or str(where), []
    if not where.exists():
        raise ValueError(f"{where} does not exist; --data-dir names a folder "
                         "of IDX files or pictures, or an .npy or .npz file")
    if where.is_dir() and any(find(where, file) for file in FILES):
        idx = load_idx(where, wanted)
        split = Split(idx.train_images[..., None], idx.train_labels,
                      idx.test_images[..., None], idx.test_labels,
                      FASHION_CLASSES if idx.name == "Fashion-MNIST"
                      else tuple("0123456789"))
        title = idx.name or title
    elif where.is_dir():
        split = read_pictures(where, size, notes)
    elif where.suffix in (".npy", ".npz"):
        split = read_images(where)
    else:
        raise ValueError(f"{where} is neither a folder nor an .npy or .npz "
                         "file; name one of these with --data-dir")
    split = resize(where, split, size, notes)
    return Own(as_dataset(split, binary), title, notes)


# ---- a folder of pictures --------------------------------------------------

def read_pictures(folder: Path, size: int | None, notes: list) -> Split:
    """Read all pictures in folder, in the order of their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    paths = [path for path in files if path.suffix.lower() in PICTURES]
    if len(paths) < FEWEST:
        raise ValueError(f"{folder} has {len(paths)} PNG or JPEG files, but "
                         f"at least {FEWEST} were expected; put more there")
    if len(files) > len(paths):
        notes.append(f"{len(files) - len(paths)} files in {folder} are no "
                     "PNG or JPEG files and were passed over")
    square = (size, size) if size else None
    first = read_picture(paths[0], square)
    check_memory(folder, (len(paths), *first.shape))
    if size:
        notes.append(f"pictures were cut to squares and scaled to {size} x "
                     f"{size}")
    images = np.empty((len(paths), *first.shape), np.uint8)
    for i, path in enumerate(tqdm(paths, "reading pictures", leave=False,
                                  disable=None)):
        image = read_picture(path, square)
        if image.shape != first.shape:
            raise ValueError(
                f"{path} has {image.shape[0]} x {image.shape[1]} pixels, but "
                f"{paths[0].name} has {first.shape[0]} x {first.shape[1]}; "
                "give all one size with --image-size")
        images[i] = image
    if (images == images[..., :1]).all():
        # Grey: ink is what is dark, so that it is drawn as it was
        images = 255 - images[..., :1]
    names, labels = classes([path.relative_to(folder).parts[0]
                             if path.parent != folder else folder.name
                             for path in paths], notes)
    return hold_out(images, labels, names)


def read_picture(path: Path, size: tuple | None = None) -> np.ndarray:
    """Return a picture's colours (H, W, 3), on white where it is clear.

    size: (H, W), to which its middle is scaled. ValueError if it is none.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist; name a PNG or JPEG file")
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("error")    # too large to be meant well
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):    # 16 bits, which Pillow clips
                image = Image.fromarray((np.asarray(image) >> 8).astype("u1"))
            image = image.convert("RGBA")
            if size:
                image = ImageOps.fit(image, size[::-1],
                                     Image.Resampling.LANCZOS)
            white = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(white, image))[..., :3]
    except Exception as error:        # a damaged picture raises nearly any
        raise ValueError(f"{path} cannot be read as a picture ({error}); "
                         "remove or replace it") from error


def classes(folders: list, notes: list) -> tuple[tuple, np.ndarray]:
    """Return the classes' names, and each picture's label (N,)."""
    names, labels = np.unique(folders, return_inverse=True)
    if len(names) > CLASSES:
        notes.append(f"there are {len(names)} classes, too many to draw: "
                     "they count as one")
        names, labels = ["image"], np.zeros_like(labels)
    return tuple(map(str, names)), labels.astype(np.uint8)


def hold_out(images: np.ndarray, labels: np.ndarray, names: tuple) -> Split:
    """Keep every tenth image for testing."""
    test = np.arange(len(images)) % 10 == 9
    return Split(images[~test], labels[~test], images[test], labels[test],
                 names)


# ---- a file of arrays ------------------------------------------------------

def read_images(path: Path) -> Split:
    """Read an .npy or .npz file of images."""
    arrays = read_file(path)
    if set(arrays) >= {"x_train", "x_test"}:
        train, test = (as_bytes(path, arrays[f"x_{part}"])
                       for part in ("train", "test"))
        if train.shape[1:] != test.shape[1:]:
            raise ValueError(f"{path}: x_train has shape {train.shape}, but "
                             f"x_test {test.shape}; make them alike")
        labels = [as_labels(path, arrays.get(f"y_{part}"), images)
                  for part, images in (("train", train), ("test", test))]
        names = tuple(map(str, range(1 + max(map(np.max, labels)))))
        return Split(train, labels[0], test, labels[1], names)
    if len(arrays) != 1:
        raise ValueError(f"{path} has the arrays {', '.join(arrays)}, but one "
                         "was expected, or x_train, y_train, x_test and "
                         "y_test")
    images = as_bytes(path, *arrays.values())
    if len(images) < FEWEST:
        raise ValueError(f"{path} has {len(images)} images, but at least "
                         f"{FEWEST} were expected")
    return hold_out(images, np.zeros(len(images), np.uint8), ("image",))


def as_bytes(path: Path, images: np.ndarray) -> np.ndarray:
    """Turn images (N, H, W) or (N, H, W, C) of any numbers to bytes."""
    shape = images.shape
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(f"{path}: images have shape {shape}, but (N, H, W), "
                         "(N, H, W, 1) or (N, H, W, 3) was expected; "
                         "transpose or reshape them")
    top = 1 if images.dtype.kind in "fb" else 255
    if images.dtype.kind not in "fbiu" or not (
            (0 <= images) & (images <= top)).all():           # NaN is neither
        raise ValueError(f"{path}: not all of its {images.dtype} pixels lie "
                         f"between 0 and {top}; scale them")
    if top == 255 and images.max() == 1:         # black and white, as 0 and 1
        top = 1
    if top == 255:
        return images.astype(np.uint8)
    return np.round(255 * images.astype(np.float32)).astype(np.uint8)


def as_labels(path: Path, labels: np.ndarray | None,
              images: np.ndarray) -> np.ndarray:
    """Return labels as bytes, or zeros where there are none."""
    if labels is None:
        return np.zeros(len(images), np.uint8)
    labels = labels.squeeze() if labels.ndim == 2 else labels
    if (labels.shape != (len(images),) or labels.dtype.kind not in "iu"
            or labels.min() < 0 or labels.max() >= CLASSES):
        raise ValueError(f"{path}: labels are {labels.dtype} of shape "
                         f"{labels.shape}, but for each of {len(images):,} "
                         f"images a whole number from 0 to {CLASSES - 1} was "
                         "expected")
    return labels.astype(np.uint8)


# ---- into a Dataset --------------------------------------------------------

def resize(where: Path, split: Split, size: int | None,
           notes: list) -> Split:
    """Scale all images to size, or cut them to multiples of 4."""
    H, W = split.train_images.shape[1:3]
    if size and (H, W) != (size, size):
        notes.append(f"images of {H} x {W} were scaled to {size} x {size}")
        change = scale
    else:
        size = H // 4 * 4, W // 4 * 4
        if min(size) < 8:
            raise ValueError(f"{where} has images of {H} x {W} pixels, but "
                             "at least 8 x 8 were expected; give them a size "
                             "with --image-size")
        if size != (H, W):
            notes.append(f"images of {H} x {W} were cut to {size[0]} x "
                         f"{size[1]}: the network needs multiples of 4")
        change = cut
    return split._replace(train_images=change(split.train_images, size),
                          test_images=change(split.test_images, size))


def cut(images: np.ndarray, size: tuple) -> np.ndarray:
    """Return the middle (N, *size, C) of images (N, H, W, C)."""
    top, left = ((have - want) // 2
                 for have, want in zip(images.shape[1:3], size))
    return images[:, top:top + size[0], left:left + size[1]]


def scale(images: np.ndarray, size: int) -> np.ndarray:
    """Cut images (N, H, W, C) to squares, scaled to (N, size, size, C)."""
    scaled = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
    for i, image in enumerate(tqdm(images, "scaling", leave=False,
                                   disable=None)):
        small = ImageOps.fit(Image.fromarray(image.squeeze()), (size, size),
                             Image.Resampling.LANCZOS)
        scaled[i] = np.asarray(small).reshape(scaled.shape[1:])
    return scaled


def check_memory(where: Path, shape: tuple) -> None:
    """Refuse images that would not fit into LARGEST bytes."""
    if math.prod(shape) > LARGEST:
        raise ValueError(f"{where}: {shape[0]:,} pictures of {shape[1]} x "
                         f"{shape[2]} would take {math.prod(shape) / 1e9:.1f}"
                         " GB; scale them with --image-size, or use fewer")


def as_dataset(split: Split, binary: bool) -> Dataset:
    """Binarize if asked, and choose a hundred examples, class by class."""
    by_class = np.argsort(split.test_labels, kind="stable")
    places = np.linspace(0, len(by_class) - 1, 100).round().astype(int)
    chosen = by_class[places]
    train, test = (np.ascontiguousarray(binarize(images) if binary else images)
                   for images in (split.train_images, split.test_images))
    return Dataset(train, split.train_labels, test, split.test_labels,
                   split.test_images[chosen], chosen, split.class_names)
