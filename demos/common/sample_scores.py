"""What a model's draws look like to a classifier: scores, and classes."""
from typing import NamedTuple

import numpy as np

from minivae.beyond.classifier import Classifier

from .yardstick import frechet, precision_recall

RARE = 0.25      # below this share of what it should be, a class is missing


class Scores(NamedTuple):
    """Draws beside real images: see yardstick.py; shares (K,) of classes."""

    distance: float
    precision: float
    recall: float
    shares: np.ndarray

    def missing(self, real: np.ndarray) -> list[int]:
        """Return the classes of which there is hardly any among draws.

        real (K,): their shares among real images.
        """
        return np.flatnonzero(self.shares < RARE * real).tolist()


class Judge:
    """Compares draws with real images (N, H, W, C), by a classifier."""

    def __init__(self, classifier: Classifier, real: np.ndarray):
        self.classifier = classifier
        self.features = classifier.features(real)
        self.shares = self.class_shares(real)        # as it sees them, too

    def class_shares(self, images: np.ndarray) -> np.ndarray:
        """Return which share of images is of each class, (K,)."""
        K = len(self.classifier.network.params["1.b"])
        found = self.classifier.classify(images)
        return np.bincount(found, minlength=K) / len(images)

    def look(self, made: np.ndarray) -> Scores:
        """Score draws (M, H, W, C), pixels in 0..1 or bool.

        Precision and recall compare as many real images as there are draws,
        at most all: balls are the smaller, the more images there are.
        """
        features = self.classifier.features(made)
        return Scores(frechet(self.features, features),
                      *precision_recall(self.features[:len(made)], features),
                      self.class_shares(made))
