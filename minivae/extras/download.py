"""The original, grey MNIST and Fashion-MNIST, from the internet.

Only who wants grey values needs them: the bits ship with minivae. pooch does
the work (pip install pooch): cache folder, progress bar, interrupted
downloads. What it brings is believed only by its SHA-256.
"""
import sys
from pathlib import Path

from . import idx

MIRRORS = {
    "MNIST": ("https://ossci-datasets.s3.amazonaws.com/mnist/",
              "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    "Fashion-MNIST": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/"
        "fashion/")}


def download(name: str, folder: Path | None = None) -> Path:
    """Return a folder with the four files of "MNIST" or "Fashion-MNIST".

    What is not there yet, or damaged, is fetched, from the second mirror if
    the first fails. Without a folder, it is a cache that the system has for
    such things. Raises RuntimeError, which names the way by hand.
    """
    try:
        import pooch
    except ImportError as error:
        raise RuntimeError(f"to download {name}, pooch is needed: pip install "
                           "pooch") from error
    pooch.get_logger().setLevel("ERROR")              # it has a progress bar
    folder = folder or Path(pooch.os_cache("minivae"), name)
    for file, digest in zip(idx.FILES, idx.ORIGINALS[name]):
        path, problems = folder / f"{file}.gz", []
        for mirror in MIRRORS[name]:
            if _is_original(path, digest):
                break
            path.unlink(missing_ok=True)
            try:
                pooch.retrieve(f"{mirror}{path.name}", known_hash=None,
                               path=folder, fname=path.name,
                               progressbar=sys.stderr.isatty())
            except OSError as error:           # requests' errors are OSErrors
                problems.append(f"{mirror}: {type(error).__name__}")
        if not _is_original(path, digest):
            path.unlink(missing_ok=True)
            problems = "; ".join(problems) or "the mirrors have another file"
            raise RuntimeError(
                f"{name} cannot be downloaded ({problems}); get "
                f"{', '.join(f'{f}.gz' for f in idx.FILES)} from another "
                "place, put them in a folder, and name it with --data-dir")
    return folder


def _is_original(path, digest):
    try:
        return idx.read_idx(path, 3 if "idx3" in path.name else 1)[1] == digest
    except ValueError:                          # it is missing, or damaged
        return False
