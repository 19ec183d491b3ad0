"""Arrays in a file: nothing that it says about itself is trusted unchecked.

NumPy trusts a header, and makes room for what it claims, but a file of a
few bytes can claim 64 GiB. And with a changed byte, np.load may return other
numbers, or leave an array out, and say nothing. So what minivae writes has a
manifest, in JSON: each array's dtype and shape, and a SHA-256 of everything.
"""
import errno
import hashlib
import io
import json
import math
import os
import re
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ...files import write_file

FORMAT = 1
LARGEST = 2 ** 30     # bytes that the compressed arrays of a file may take
HEADER = 2 ** 16      # bytes in which an array's header must end
KINDS = "biufcSU"     # of dtypes: numbers and text, but no pickled objects


class Header(NamedTuple):
    """What the header of an .npy file says."""

    dtype: np.dtype
    shape: tuple
    by_columns: bool


# ---- a file of minivae -----------------------------------------------------

def save(path: str | Path, arrays: dict[str, np.ndarray],
         state: dict) -> None:
    """Write arrays and state (what JSON can hold), or leave path as it was.

    NumPy alone can read the arrays, too. Raises OSError.
    """
    arrays = {name: np.asarray(a, order="C") for name, a in arrays.items()}
    manifest = {"format": FORMAT, "state": state, "arrays": {
        name: [a.dtype.str, list(a.shape)] for name, a in arrays.items()}}
    manifest["sha256"] = _digest(arrays, manifest)
    text = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    parts: dict[str, Any] = {"manifest": text, **arrays}
    content = io.BytesIO()
    np.savez(content, **parts)
    write_file(path, content.getvalue())


def load(path: str | Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read what save has written: arrays and state.

    No array is read before all headers agree with the manifest and with the
    file's size. Raises OSError where there is no file to open, and ValueError
    if one byte of what it holds is wrong: only the reason, on one line, since
    the caller knows what to do about it.
    """
    with _open(path) as file:
        try:
            with zipfile.ZipFile(file) as archive, warnings.catch_warnings():
                warnings.simplefilter("ignore")       # the error says enough
                return _load(archive, os.fstat(file.fileno()).st_size)
        except MemoryError:                # it is not the file's fault
            raise
        except Exception as error:         # a damaged file raises nearly any
            raise ValueError(_reason(error)) from error


def _load(archive, size):
    if any(info.compress_type for info in archive.infolist()):
        raise ValueError("a part is compressed")
    headers = _headers(archive, size)
    if headers.pop("manifest", None) is None:
        raise ValueError("it has no manifest: another program, or an older "
                         "version of minivae, has written it")
    manifest = json.loads(_array(archive, "manifest").tobytes())
    if manifest["format"] != FORMAT:
        raise ValueError(f"its format is {manifest['format']}, but this "
                         f"version of minivae reads {FORMAT}")
    if manifest["arrays"] != {name: [header.dtype.str, list(header.shape)]
                              for name, header in headers.items()}:
        raise ValueError("its arrays are not those of its manifest")
    if any(header.by_columns for header in headers.values()):
        raise ValueError("an array is stored by columns")
    arrays = {name: _array(archive, name) for name in manifest["arrays"]}
    if manifest.pop("sha256") != _digest(arrays, manifest):
        raise ValueError("its SHA-256 is wrong")
    return arrays, dict(manifest["state"])


def _digest(arrays, manifest):
    """Return the SHA-256 of a manifest, without its own, and all arrays."""
    sha = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode())
    for name in sorted(arrays):
        sha.update(arrays[name])
    return sha.hexdigest()


# ---- anybody's file --------------------------------------------------------

def read_file(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name; of an .npy file, "images".

    Raises ValueError in one sentence.
    """
    path = Path(path)
    read = _read_npz if path.suffix.lower() == ".npz" else _read_npy
    try:
        file = _open(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be opened ({error.strerror}); name a "
                         "file that you may read") from error
    try:
        with file, warnings.catch_warnings():
            warnings.simplefilter("ignore")     # of files that Python 2 wrote
            return read(file, os.fstat(file.fileno()).st_size)
    except MemoryError as error:
        raise ValueError(f"{path} does not fit into memory ({error}); put "
                         "fewer images there") from error
    except Exception as error:             # a damaged file raises nearly any
        raise ValueError(f"{path} cannot be read as an {path.suffix} file of "
                         f"numbers ({_reason(error)}); write it again"
                         ) from error


def _read_npy(file, size):
    array_header(file, size)
    file.seek(0)
    return {"images": np.lib.format.read_array(file, allow_pickle=False)}


def _read_npz(file, size):
    with zipfile.ZipFile(file) as archive:
        return {name: _array(archive, name)
                for name in _headers(archive, size)}


# ---- what both need --------------------------------------------------------

def array_header(part: BinaryIO, size: int) -> Header:
    """Read the header of an .npy file of size bytes.

    Raises ValueError if it does not claim exactly what the rest of the file
    can hold.
    """
    read = {(1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0}
    head = io.BytesIO(part.read(HEADER))     # it could claim a length of 4 GiB
    version = np.lib.format.read_magic(head)
    if version not in read:
        raise ValueError(f"its format is {version}")
    try:
        shape, by_columns, dtype = read[version](head)
    except MemoryError as error:             # of Python's parser, on nonsense
        raise ValueError("an array's header is nonsense") from error
    if dtype.kind not in KINDS or not dtype.itemsize:
        raise ValueError(f"an array is of {dtype}, not of numbers")
    if (any(n < 0 for n in shape)
            or head.tell() + math.prod(shape) * dtype.itemsize != size):
        raise ValueError("an array's header does not fit its size")
    return Header(dtype, shape, by_columns)


def _open(path):
    """Open a file, but not a pipe, which would block."""
    if stat.S_ISFIFO(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is a pipe", str(path))
    return open(path, "rb")


def _headers(archive, size):
    """Return the headers of an archive of size bytes, by their arrays' names.

    Raises ValueError if its arrays would need more memory than is reasonable.
    """
    headers, stored, compressed = {}, 0, 0
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in headers or name == info.filename:
            raise ValueError(f"{info.filename} is there twice, or is not an "
                             "array")
        if info.compress_type == zipfile.ZIP_STORED:
            stored += info.file_size
        elif info.compress_type == zipfile.ZIP_DEFLATED:
            compressed += info.file_size
        else:
            raise ValueError(f"{info.filename} is compressed in another way "
                             "than NumPy's")
        if stored > size:
            raise ValueError("its parts are larger than the whole")
        if compressed > LARGEST:
            raise ValueError(f"what it holds up to {info.filename} would take "
                             f"{compressed / 1e9:.1f} GB")
        with archive.open(info) as part:
            headers[name] = array_header(part, info.file_size)
    return headers


def _array(archive, name):
    with archive.open(f"{name}.npy") as part:
        return np.lib.format.read_array(part, allow_pickle=False)


def _reason(error):
    """Put what a damaged file has raised, which may be long, on one line."""
    text = str(error) or type(error).__name__
    return re.sub("[^ -~]+", " ", text)[:200]
