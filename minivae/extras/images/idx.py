"""IDX files: the format in which MNIST and Fashion-MNIST are published.

A file begins with two zeros, 8 (for bytes) and the number of its axes; then
comes the size of each axis in four bytes, the most significant first; then the
bytes. Nothing that a file says about itself is trusted before it is checked.
"""
import gzip
import hashlib
import math
import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..runs.npz import LARGEST

# How such files are named: emnist-letters-test-images.idx3-ubyte.gz
NAME = re.compile("(.*?)(train|t10k|test)-(images|labels)[-.]idx([13])-ubyte"
                  r"(\.gz)?")
SPLITS = {"train": "train", "t10k": "t10k", "test": "t10k"}
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

# SHA-256 of the original files, unpacked (each mirror packs them differently)
ORIGINALS = {
    "Fashion-MNIST": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    "MNIST": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")}


class Idx(NamedTuple):
    """What four IDX files hold: grey images (N, H, W), labels (N,), bytes.

    name: whose originals they are, "MNIST" or "Fashion-MNIST"; or None.
    prefix: what all files' names begin with, such as "emnist-letters-".
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    name: str | None
    prefix: str


def find_sets(where: Path) -> dict[tuple, dict[str, Path]]:
    """Return the sets of IDX files in a folder, or up to two levels below it.

    As {(folder, prefix): {"train-images-idx3-ubyte": path, ...}}; those of
    the highest level that has any. where may also be a file of the set.
    """
    if where.is_file():
        match = NAME.fullmatch(where.name)
        return {key: files for key, files in find_sets(_home(where)).items()
                if key[1] == match[1]} if match else {}
    for level in "", "*/", "*/*/":
        sets: dict[tuple, dict[str, Path]] = {}
        # a plain file comes before the same one with .gz after its name
        for path in sorted(where.glob(f"{level}*-ubyte*")):
            match = NAME.fullmatch(path.name)
            if match and path.is_file():
                prefix, split, what, axes, _ = match.groups()
                file = f"{SPLITS[split]}-{what}-idx{axes}-ubyte"
                sets.setdefault((_home(path), prefix), {}).setdefault(
                    file, path)
        if sets:
            return sets
    return {}


def _home(path):
    """The folder of a file, or of the folder that has the file's own name:
    as Kaggle unpacks them.
    """
    folder = path.parent
    return folder.parent if folder.name == path.name else folder


def read_idx(path: Path, axes: int) -> tuple[np.ndarray, str]:
    """Return the bytes of an IDX file, shaped, and its content's SHA-256.

    Reads no more than the file promises. Raises ValueError, which says what
    is wrong with which file and what to do.
    """
    def refuse(problem):
        return ValueError(f"{path} {problem}; get the file again")

    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"    # whatever its name says
        opener = gzip.open if packed else open
        with opener(path, "rb") as file:
            head = file.read(4 + 4 * axes)
            if len(head) < 4 + 4 * axes or head[:4] != bytes([0, 0, 8, axes]):
                raise refuse(f"is no IDX file of bytes with {axes} "
                             f"{'axes' if axes > 1 else 'axis'}")
            shape = [int.from_bytes(head[i:i + 4], "big")
                     for i in range(4, len(head), 4)]
            size = math.prod(shape)            # Python's: it cannot overflow
            if not 0 < size <= LARGEST:
                raise refuse(f"claims to hold {' x '.join(map(str, shape))} "
                             f"bytes, but 1 to {LARGEST:,} were expected")
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refuse(f"cannot be read ({error})") from error
    if len(content) != size:
        raise refuse(f"holds {'more' if len(content) > size else 'fewer'} "
                     f"bytes than the {size:,} that it claims")
    digest = hashlib.sha256(head + content).hexdigest()
    return np.frombuffer(content, np.uint8).reshape(shape), digest


def load_idx(where: Path, wanted: str | None = None) -> Idx:
    """Read the four files of a set, and check that they belong together.

    where: their folder, or one up to two levels above it, or one of the
    files. wanted: "MNIST" or "Fashion-MNIST", where the other one would be
    wrong. Raises ValueError in one sentence.
    """
    (folder, prefix), files = _the_set(where)
    missing = [file for file in FILES if file not in files]
    if missing:
        raise ValueError(f"{folder} has neither {prefix}{missing[0]} nor "
                         f"{prefix}{missing[0]}.gz; put all four IDX files "
                         "there")
    arrays, names = [], set()
    for place, file in enumerate(FILES):
        array, digest = read_idx(files[file], 3 if place % 2 == 0 else 1)
        arrays.append(array)
        names.add(_recognise(files[file], place, digest))
    name = names.pop()
    if names:
        raise ValueError(f"{folder} mixes files of several sets; put the four "
                         "files of one set there")
    if wanted and name and name != wanted:
        raise ValueError(f"{folder} holds {name}, but {wanted} was expected; "
                         "use the demo of that set, or another folder")
    _check_together(folder, *arrays)
    if prefix.startswith("emnist-"):     # its images are column by column
        arrays[::2] = [images.swapaxes(1, 2) for images in arrays[::2]]
    train_images, train_labels, test_images, test_labels = arrays
    return Idx(train_images, train_labels, test_images, test_labels, name,
               prefix)


def _the_set(where):
    """Return the only complete set of files, or else the only set."""
    sets = find_sets(where)
    whole = {key: files for key, files in sets.items() if len(files) == 4}
    if len(whole or sets) > 1:
        names = ", ".join(f"{folder}: {prefix or 'train-'}..."
                          for folder, prefix in whole or sets)
        raise ValueError(f"{where} has several sets of IDX files "
                         f"({names}); name one of their files instead")
    return next(iter((whole or sets).items()), ((where, ""), {}))


def _recognise(path, place, digest):
    for name, originals in ORIGINALS.items():
        if digest in originals:
            if originals.index(digest) != place:
                raise ValueError(
                    f"{path} is in truth {name}'s "
                    f"{FILES[originals.index(digest)]}; swap the two files")
            return name
    return None


def _check_together(folder, train_images, train_labels, test_images,
                    test_labels):
    for images, labels, split in ((train_images, train_labels, "train"),
                                  (test_images, test_labels, "t10k")):
        if len(images) != len(labels):
            raise ValueError(f"{folder} has {len(images):,} images but "
                             f"{len(labels):,} labels named {split}; put "
                             "files there that belong together")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"{folder} has training images of {_size(train_images)} but test "
            f"images of {_size(test_images)}; put files there that belong "
            "together")
    if len(train_images) < len(test_images):
        raise ValueError(f"{folder} has {len(train_images):,} training images "
                         f"but {len(test_images):,} test images; swap the "
                         "files named train and t10k")


def _size(images):
    return f"{images.shape[1]} x {images.shape[2]}"
