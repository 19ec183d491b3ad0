"""Arrays in a file, and what they claim to be: looked at before they are read.

NumPy believes a header, and makes room for what it claims. A file of a few
bytes can claim 64 GiB.
"""
import math
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

LARGEST = 2 ** 30     # bytes in one array of an .npz file, which may be packed


def array_header(part: BinaryIO, size: int) -> tuple[np.dtype, tuple, bool]:
    """Read the header of an .npy file of size bytes: what comes after it.

    Returns dtype, shape, and whether the array lies column by column. Raises
    ValueError if that is not exactly what the rest of the file can hold.
    """
    read = {(1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(part)
    if version not in read:
        raise ValueError(f"its format is {version}")
    shape, by_columns, dtype = read[version](part)
    if part.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError("an array's header does not fit its size")
    return dtype, shape, by_columns


def read_file(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name; of an .npy file, "images".

    Raises ValueError in one sentence.
    """
    try:
        return (_read_npz if path.suffix == ".npz" else _read_npy)(path)
    except Exception as error:           # a damaged file raises nearly any
        raise ValueError(f"{path} cannot be read as an {path.suffix} file of "
                         f"numbers ({error}); write it again") from error


def _read_npy(path):
    with open(path, "rb") as file:
        array_header(file, path.stat().st_size)
        file.seek(0)
        return {"images": np.lib.format.read_array(file, allow_pickle=False)}


def _read_npz(path):
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.file_size > LARGEST:
                raise ValueError(f"{info.filename} would take "
                                 f"{info.file_size / 1e9:.1f} GB")
            with archive.open(info) as part:
                array_header(part, info.file_size)
            with archive.open(info) as part:
                arrays[info.filename.removesuffix(".npy")] = (
                    np.lib.format.read_array(part, allow_pickle=False))
    return arrays
