"""What does an image show? A small network that says so, and how it sees it.

Its last but one layer turns an image into 64 numbers, its features, in which
images of one class lie together. demos/common/yardstick.py compares the draws
of a model with real images by them. Two such networks ship with the package,
for images that are black or white; they were trained by

    python -m minivae.beyond.classifier mnist
    python -m minivae.beyond.classifier fashion

with the seed 0, each in a minute of one core's time. They know 99.09 % of
MNIST's test images and 85.79 % of Fashion-MNIST's. (They are older than a
change in how categorical.py rounds: now it would be 99.06 % and 86.02 %.)
"""
import sys

import numpy as np

from ..backend import Array, Seed, get_xp
from ..conv import Conv2D, windows
from ..data import batches, load_fashion_mnist, load_mnist, to_float
from ..datasets.embedded import DATASETS
from ..layers import Dense, Flatten, ReLU, Sequential
from .categorical import categorical_logpdf
from .descend import descend
from .weights import read_weights, round_weights, write_weights

LOADERS = {"mnist": load_mnist, "fashion": load_fashion_mnist}
FEATURES, KERNEL = 64, 5


class Classifier:
    """Two convolutions, a dense layer of 64 features, and a softmax.

    image_shape is (H, W, C), H and W at least 9; K the number of classes.
    """

    def __init__(self, image_shape: tuple = (28, 28, 1), K: int = 10, *,
                 rng: Seed = None, dtype=np.float32):
        settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
        H, W, C = image_shape
        h, w = (windows(-(-size // 2), KERNEL, 2, "valid")[0]
                for size in (H, W))              # 28 -> 14 -> 5
        self.body = Sequential([                             # (N, H, W, C)
            Conv2D(C, 32, KERNEL, strides=2, padding="same", **settings),
            ReLU(),                                    # (N, H/2, W/2, 32)
            Conv2D(32, 32, KERNEL, strides=2, **settings), ReLU(),
            Flatten(),                                       # (N, h·w·32)
            Dense(h * w * 32, FEATURES, **settings), ReLU()])    # (N, 64)
        self.network = Sequential(
            [self.body, Dense(FEATURES, K, **settings)])     # (N, K)

    def features(self, images: Array) -> Array:
        """Return the features (N, 64) of a Dataset's images (N, H, W, C)."""
        return _in_batches(self.body, images)

    def classify(self, images: Array) -> Array:
        """Return the most probable class of each image, (N,)."""
        return _in_batches(self.network, images).argmax(axis=1)


def _in_batches(network, images):
    parts = [network.forward(x)
             for x in batches(images, min(500, len(images)))]
    network.forget()
    return np.concatenate(parts)


def train(images: Array, labels: Array, epochs: int = 6, *,
          batch_size: int = 64, learning_rate: float = 2e-3,
          rng: Seed = None) -> Classifier:
    """Return a Classifier that has learnt the labels (N,) of images (N, ...).

    labels are whole numbers 0 … K−1. Raises ValueError where images have no
    labels, or all the same one.
    """
    if len(labels) != len(images) or len(np.unique(labels)) < 2:
        raise ValueError(f"train: there are {len(images)} images and "
                         f"{len(labels)} labels, of {len(np.unique(labels))} "
                         "classes, but a label for each image, and at least "
                         "two classes, were expected; put the images into a "
                         "folder for each class")
    rng = np.random.default_rng(rng)
    model = Classifier(images.shape[1:], int(labels.max()) + 1, rng=rng)
    network = model.network

    def loss_and_grads(indices):
        logits = network.forward(shifted(to_float(images[indices]), rng))
        log_p, dlogits = categorical_logpdf(labels[indices], logits)
        network.backward_params(-dlogits / len(indices))
        return -log_p.mean(), network.grads
    descend(network.params, loss_and_grads, len(images),
            epochs * (len(images) // batch_size), batch_size=batch_size,
            learning_rate=learning_rate, rng=rng, name="classifier")
    network.forget()
    return model


def shifted(x: Array, rng: np.random.Generator) -> Array:
    """Move all images (N, H, W, C) alike, by at most a pixel either way.

    What leaves on one side comes back on the other. They show the same then:
    so there is more to learn from.
    """
    return get_xp(x).roll(x, tuple(rng.integers(-1, 2, 2).tolist()), (1, 2))


def load_classifier(name: str) -> Classifier:
    """Return the one that ships for "mnist" or "fashion".

    Raises ValueError for another name, and where its file is damaged.
    """
    model = Classifier(rng=0)
    read_weights(name, "features", model.network)
    return model


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LOADERS:
        sys.exit(__doc__)
    (name,), data = sys.argv[1:], LOADERS[sys.argv[1]]()
    model = train(data.train_images, data.train_labels, rng=0)
    round_weights(model.network)
    right = model.classify(data.test_images) == data.test_labels
    sha = write_weights(DATASETS / f"{name}_features.npz", model.network)
    print(f"{name}: {right.mean():.2%} of {len(right):,} test images; "
          f"SHA-256 {sha}")
