"""The original, grey MNIST and Fashion-MNIST, from the internet.

Needed only for grey values: the black and white images ship with minivae.
pooch does the work (pip install pooch): cache folder, progress bar,
interrupted downloads. What it brings is trusted only by its SHA-256.
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


def download(name: str, folder: Path | str | None = None) -> Path:
    """Return a folder with the four files of "MNIST" or "Fashion-MNIST".

    What is missing or damaged is fetched, from the second mirror if the first
    fails. Without a folder, the files go to the user's cache folder. Raises
    RuntimeError, which says how to do it by hand.
    """
    try:
        import pooch
    except ImportError as error:
        raise RuntimeError(f"to download {name}, pooch is needed: pip install "
                           "pooch") from error
    pooch.get_logger().setLevel("ERROR")              # it has a progress bar
    folder = Path(folder or Path(pooch.os_cache("minivae"), name))
    for file, digest in zip(idx.FILES, idx.ORIGINALS[name]):
        path, problems = folder / f"{file}.gz", []
        for mirror in MIRRORS[name]:
            if _is_original(path, digest):
                break
            try:
                path.unlink(missing_ok=True)
                pooch.retrieve(f"{mirror}{path.name}", known_hash=None,
                               path=folder, fname=path.name,
                               progressbar=sys.stderr.isatty())
                problems.append(f"{mirror}: another file, or not all of it")
            except OSError as error:
                if error.errno:            # requests' errors have no number
                    raise RuntimeError(
                        f"{name} cannot be put into {folder} "
                        f"({error.strerror}); make room or rights there, or "
                        f"{_by_hand()}") from error
                problems.append(f"{mirror}: {type(error).__name__}")
        if not _is_original(path, digest):
            path.unlink(missing_ok=True)
            raise RuntimeError(f"{name} cannot be downloaded "
                               f"({'; '.join(problems)}); {_by_hand()}")
    return folder


def _by_hand():
    return (f"get {', '.join(f'{file}.gz' for file in idx.FILES)} from "
            "another place, put them in a folder, and name it with --data-dir")


def _is_original(path, digest):
    try:
        return idx.read_idx(path, 3 if "idx3" in path.name else 1)[1] == digest
    except ValueError:                          # it is missing, or damaged
        return False
