"""Labels, and what follows from them: what to test on, and what to show."""
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

FEWEST = 20           # images: fewer would leave fewer than two for testing
CLASSES = 26          # more would not fit into a legend
SEED = 0              # of the split: a resumed run must find it again


class Labelled(NamedTuple):
    """Images with labels, and which of them are for testing.

    images: bytes (N, H, W, C); labels: (N,), indices into class_names;
    test: (N,), bool
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple
    test: np.ndarray


def natural(name: str) -> tuple:
    """Sort by this key to have "Image 9" before "image 10"."""
    parts: list = re.split("([0-9]+)", name.casefold())
    digits = [part.lstrip("0") for part in parts[1::2]]
    parts[1::2] = [(len(d), d) for d in digits]      # int refuses long ones
    return parts, name


def number(classes: list, notes: list,
           order: Callable = natural) -> tuple[np.ndarray, tuple]:
    """Return each image's label (N,), and the classes' names in order.

    classes: the name of each image's class. If too many, they count as one.
    """
    names = sorted(set(classes), key=order)
    if len(names) > CLASSES:
        notes.append(f"there are {len(names)} classes, but at most {CLASSES} "
                     "can be drawn: all are treated as one")
        names, classes = ["image"], ["image"] * len(classes)
    place = {name: i for i, name in enumerate(names)}
    labels = np.array([place[name] for name in classes], np.uint8)
    return labels, tuple(names)


def hold_out(labels: np.ndarray) -> np.ndarray:
    """Choose a tenth of each class at random for testing: bool (N,).

    A class of two images or more has at least one in both parts. Where every
    class has only one image, classes are disregarded.
    """
    order = np.random.default_rng(SEED).permutation(len(labels))
    test = np.zeros(len(labels), bool)
    if np.bincount(labels).max() == 1:
        labels = np.zeros_like(labels)
    for c in np.unique(labels):
        own = order[labels[order] == c]
        if len(own) > 1:
            test[own[:max(1, round(len(own) / 10))]] = True
    return test


def examples(labels: np.ndarray) -> np.ndarray:
    """Choose ten rows of ten images, class by class: their indices (100,).

    The first images of the rows, [::10], show as many classes as they can,
    and no image twice while there are others.
    """
    places = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    if len(places) > 10:
        some = np.linspace(0, len(places) - 1, 10).round().astype(int)
        places = [places[c] for c in some]
    turns = [c for turn in range(10) for c, own in enumerate(places)
             if turn < len(own)]
    rows = Counter(np.resize(turns, 10).tolist())          # of each class
    return np.concatenate([np.resize(own[row % len(own)::rows[c]], 10)
                           for c, own in enumerate(places)
                           for row in range(rows[c])])
