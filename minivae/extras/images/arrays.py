"""Images in an .npy or .npz file: numbers of many kinds become bytes.

An .npz file holds images, with or without labels, or some to train on and
some to test on, named as Keras does (x_train, y_train, x_test, y_test) or as
MedMNIST does (train_images, train_labels, test_images, test_labels).
"""
from pathlib import Path

import numpy as np

from ..runs.npz import read_file
from .labels import FEWEST, Labelled, hold_out, number
from .pictures import shown

DARK = 32         # whole numbers below this are nearly black, if 255 is white
NAMES = ("x_{}", "y_{}"), ("{}_images", "{}_labels")


def read_arrays(path: Path, notes: list) -> Labelled:
    """Read an .npy or .npz file of images; ValueError says what is wrong."""
    arrays = read_file(path)
    pairs = find_pairs(path, arrays, notes)
    parts = [arrays[x] for x, _ in pairs]
    for (x, _), images in zip(pairs, parts):
        check_numbers(f"{path}: {shown(x)}", images)
    check_alike(path, [x for x, _ in pairs], parts)
    images = as_bytes(f"{path}: {shown(pairs[0][0])}", np.concatenate(parts),
                      notes)
    if len(images) < FEWEST:
        raise ValueError(f"{path} has {len(images)} images, but at least "
                         f"{FEWEST} were expected; put more there")
    classes = find_classes(path, arrays, pairs, notes)
    labels, names = number(classes, notes)
    test = (hold_out(labels) if len(pairs) == 1
            else np.arange(len(images)) >= len(parts[0]))
    return Labelled(images, labels, names, test)


def find_pairs(path: Path, arrays: dict, notes: list) -> list[tuple]:
    """Name the arrays of images and labels: a pair, or two: train and test."""
    for x, y in NAMES:
        pairs = [(x.format(part), y.format(part))
                 for part in ("train", "test", "val")
                 if x.format(part) in arrays]
        if len(pairs) > 1 and pairs[0][0] == x.format("train"):
            if len(pairs) > 2:
                left_out = pairs[2][0]
                count = len(np.atleast_1d(arrays[left_out]))
                notes.append(f"{count:,} left out (for validation): "
                             f"{left_out}")
            return pairs[:2]
    images = [name for name, a in arrays.items()
              if a.ndim > 2 or len(arrays) == 1]
    others = [name for name in arrays if name not in images]
    if len(images) != 1 or len(others) > 1:
        names = [shown(name) for name in arrays][:8] or ["(none)"]
        more = f" and {len(arrays) - 8:,} more" * (len(arrays) > 8)
        raise ValueError(
            f"{path} has the arrays {', '.join(names)}{more}, but one of "
            "images was expected, perhaps with one of labels, or x_train, "
            "y_train, x_test and y_test")
    return [(images[0], others[0] if others else "labels")]


# ---- images ----------------------------------------------------------------

def check_numbers(source: str, images: np.ndarray) -> None:
    """Refuse what is no finite real number, and say where the first is."""
    if images.dtype.kind not in "fbiu":
        raise ValueError(f"{source} has pixels of {images.dtype}, but real "
                         "numbers were expected")
    if images.ndim < 3:
        raise odd_shape(source, images.shape)
    if not images.size:
        raise ValueError(f"{source} has shape {images.shape}, which holds no "
                         "image; put some there")
    if not np.isfinite([images.min(), images.max()]).all():
        finite = np.isfinite(images)
        place = tuple(map(int, np.argwhere(~finite)[0]))
        raise ValueError(f"{source} is {images[place]} at {place}, and at "
                         f"{(~finite).sum() - 1:,} other places; replace or "
                         "remove what is not finite")


def check_alike(path: Path, names: list, parts: list) -> None:
    """Refuse images to train and to test on that differ in shape or range.

    A dark part is scaled like the other one. But if one part never exceeds 1
    while the other does, 1 is white in the first, nearly black in the second.
    """
    a, b, first, last = names[0], names[-1], parts[0], parts[-1]
    if first.shape[1:] != last.shape[1:]:
        raise ValueError(f"{path}: {a} has shape {first.shape}, but {b} "
                         f"{last.shape}; make them alike")
    if (first.max() > 1) != (last.max() > 1):
        raise ValueError(f"{path}: {a} has pixels up to {first.max()}, but "
                         f"{b} up to {last.max()}; give both the same range, "
                         "0 to 1 or 0 to 255")


def odd_shape(source: str, shape: tuple) -> ValueError:
    """Return what to raise for an array of a shape that no images have."""
    return ValueError(f"{source} has shape {shape}, but (N, H, W), (N, H, W, "
                      "1) or (N, H, W, 3) was expected; reshape it, or take "
                      "the channels that you need")


def as_bytes(source: str, images: np.ndarray, notes: list) -> np.ndarray:
    """Turn images into bytes (N, H, W, C), with C 1 or 3.

    Black and white are, in this order: False and True; 0 and 1; or 0 and 255,
    for whole numbers (also in floating point) that reach DARK. Everything else
    is refused.
    """
    shape = images.shape
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim == 4 and shape[1] in (1, 3) and shape[-1] not in (1, 3):
        notes.append(f"images have shape {shape[1:]}, channels first: these "
                     "were moved last")
        images = np.moveaxis(images, 1, -1)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise odd_shape(source, shape)
    low, high = images.min(), images.max()
    whole = high > 1 and (images == np.floor(images)).all()
    if low < 0 or high > (255 if whole else 1) or whole and high < DARK:
        remedy = ("add 1 and halve them" if -1 <= low < 0 and high <= 1 else
                  "divide them by the number that is white")
        raise ValueError(f"{source} has {images.dtype} pixels from {low} to "
                         f"{high}, but 0 to 1, or whole numbers from 0 to "
                         f"255, were expected; {remedy}")
    if whole:
        return images.astype(np.uint8)
    grey = images.astype(np.float32)
    grey *= 255
    return np.round(grey, out=grey).astype(np.uint8)


# ---- labels ----------------------------------------------------------------

def find_classes(path: Path, arrays: dict, pairs: list,
                 notes: list) -> list[str]:
    """Return the class of each image: "image" for all if there are none."""
    missing = [y for _, y in pairs if y not in arrays]
    if missing:
        notes += [f"{y} is left out, since there is no {missing[0]}"
                  for _, y in pairs if y in arrays]
        return ["image"] * sum(len(arrays[x]) for x, _ in pairs)
    return [name for x, y in pairs for name in class_names(
        f"{path}: {shown(y)}", arrays[y], len(arrays[x]))]


def class_names(source: str, labels: np.ndarray, count: int) -> list[str]:
    """Turn labels into words: whole numbers, words or one-hot rows."""
    given = f"{labels.dtype} of shape {labels.shape}"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and labels.dtype.kind in "fbiu" and (
            (labels == 0) | (labels == 1)).all() and (
            np.count_nonzero(labels, axis=1) == 1).all():
        labels = labels.argmax(axis=1)                           # one-hot
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):     # what is no int64 differs
            whole = labels.astype(np.int64)
        labels = whole if (whole == labels).all() else labels
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.shape != (count,) or labels.dtype.kind not in "biuU":
        raise ValueError(f"{source} is {given}, but a whole number or a word "
                         f"for each of {count:,} images was expected")
    return list(map(str, labels.tolist()))
