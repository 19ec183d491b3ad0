"""Fashion-MNIST and MNIST, binarized, embedded; how they become batches."""
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .backend import Array

DATASETS = Path(__file__).parent / "datasets"
FASHION_CLASSES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal",
                   "Shirt", "Sneaker", "Bag", "Ankle boot")


class Dataset(NamedTuple):
    """Images (N, H, W, C) with labels, to train and to test on.

    bool: is there ink? Or uint8: grey values, 0..255. A byte a pixel in both,
    47 MB for 60,000 images of 28 × 28; they become floating point one batch
    at a time. Labels are (N,), uint8: places in class_names.
    grey: a hundred originals in 0..255, ten of each class, in order (of own
    images: class by class); test_images[grey_index] before binarization.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    grey: np.ndarray
    grey_index: np.ndarray
    class_names: tuple

    def names(self, places: np.ndarray) -> list[str]:
        """The classes, by name, of the test images at some places."""
        return [self.class_names[c] for c in self.test_labels[places]]


def load_fashion_mnist() -> Dataset:
    """Return Fashion-MNIST (Xiao, Rasul & Vollgraf 2017), binarized.

    It ships with the package. Raises ValueError where its file is missing
    or damaged.
    """
    return _load("fashion_mnist", FASHION_CLASSES)


def load_mnist() -> Dataset:
    """Return MNIST (LeCun, Bottou, Bengio & Haffner 1998), binarized.

    As load_fashion_mnist.
    """
    return _load("mnist", tuple("0123456789"))


def _load(name, class_names):
    path = DATASETS / f"{name}.npz"
    try:
        a = read_npz(path)
        return Dataset(unpack(a["train_bits"]), a["train_labels"],
                       unpack(a["test_bits"]), a["test_labels"],
                       a["grey"][..., None], a["grey_index"], class_names)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"the embedded data {path} is missing or damaged "
                         f"({error}); install minivae again") from error


def read_npz(path: Path) -> dict:
    """Return the arrays of an .npz file; ValueError if it is none."""
    # Opened here, since np.load leaves a damaged file open
    with open(path, "rb") as file:
        try:
            return dict(np.load(file, allow_pickle=False))
        except (zipfile.BadZipFile, EOFError, TypeError, ValueError) as error:
            raise ValueError("it is no .npz file of arrays, or damaged"
                             ) from error


def unpack(bits: np.ndarray) -> np.ndarray:
    """Unpack (N, 98) bytes of eight pixels each to (N, 28, 28, 1) bool."""
    return np.unpackbits(bits, axis=1).reshape(-1, 28, 28, 1).view(bool)


def binarize(grey: np.ndarray) -> np.ndarray:
    """Turn grey bytes to ink or none (bool): ink where grey / 255 > 0.5.

    A Bernoulli density is one of zeros and ones; on grey values in between
    it does not sum to 1, and its ELBO would be no bound on anything.
    """
    return grey > 127


def batches(images: Array, batch_size: int,
            dtype=np.float32) -> Iterator[Array]:
    """Yield the pixels of all images (N, ...), batch_size at a time.

    The last batch has what is left. Raises ValueError for a batch_size that
    is below 1 or above N.
    """
    check_batch_size(batch_size, len(images))
    for start in range(0, len(images), batch_size):
        yield to_float(images[start:start + batch_size], dtype)


def check_batch_size(batch_size: int, N: int) -> None:
    """Refuse one that is below 1 or above the number of images, N."""
    if not 1 <= batch_size <= N:
        raise ValueError(f"the batch size is {batch_size}, but it must lie "
                         f"between 1 and the number of images, {N}")


def to_float(images: Array, dtype=np.float32) -> Array:
    """Turn images to numbers in 0..1: from bool, or from bytes 0..255."""
    x = images.astype(dtype)
    if images.dtype == np.uint8:
        x /= 255
    return x
