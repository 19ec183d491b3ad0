"""Fashion-MNIST and MNIST, binarized, embedded; how they become batches."""
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .backend import Array
from .checks.images import check_batch_size, check_bytes, check_pixels
from .datasets.embedded import read_embedded

FASHION_CLASSES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal",
                   "Shirt", "Sneaker", "Bag", "Ankle boot")


class Dataset(NamedTuple):
    """Images (N, H, W, C) with labels, to train and to test on.

    bool: is there ink? Or uint8: grey values, 0..255. A byte a pixel in both,
    47 MB for 60,000 images of 28 × 28; they become floating point one batch
    at a time. Labels are (N,), uint8: places in class_names.
    grey: originals, 0..255, of test_images[grey_index], class by class: ten of
    each, a hundred in all (of own images, what there is).
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
    a = read_embedded(name)
    return Dataset(unpack(a["train_bits"]), a["train_labels"],
                   unpack(a["test_bits"]), a["test_labels"],
                   a["grey"][..., None], a["grey_index"], class_names)


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

    The last batch has what is left. Raises, at the first batch, ValueError
    for a batch_size that is below 1 or above N, and what check_bytes and
    to_float raise.
    """
    check_batch_size(batch_size, len(images))
    check_bytes(images)
    for start in range(0, len(images), batch_size):
        yield to_float(images[start:start + batch_size], dtype)


def to_float(images: Array, dtype=np.float32) -> Array:
    """Turn images (N, ...) to numbers in 0..1.

    bool becomes 0 and 1; uint8 is divided by 255; floating point stays as it
    is. What else numbers mean could only be guessed: so TypeError for other
    dtypes, and ValueError for floating point outside 0..1 and NaN.
    """
    if images.dtype != bool and images.dtype != np.uint8:
        if images.dtype.kind != "f":
            raise TypeError(f"the images are {images.dtype}, but bool, uint8 "
                            "(0..255) or floating point (0..1) was expected; "
                            "convert them, as in images.astype(np.uint8)")
        check_pixels("to_float", images)
    x = images.astype(dtype)
    if images.dtype == np.uint8:
        x /= 255
    return x
