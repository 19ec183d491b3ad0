"""Frames, written as a GIF."""
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from ...files import write_file


def save_gif(path: str | Path, frames: Sequence[np.ndarray],
             milliseconds: int = 250, at_the_end: int = 3000) -> None:
    """Write frames as a GIF that loops, the last one held at the end.

    Frames are bytes, (rows, columns) or (rows, columns, 3), all of one size;
    ValueError if not. In 32 greys where none has colour: a quarter of the
    file's size.
    """
    found = sorted({f"{f.dtype} of shape {f.shape}" for f in frames})
    if len({f.shape[:2] for f in frames}) != 1 or not all(
            f.dtype == np.uint8 and (f.ndim == 2 or f.shape[2:] == (3,))
            for f in frames):
        raise ValueError("save_gif: frames of uint8 and of one size, (rows, "
                         "columns) or (rows, columns, 3), were expected, but "
                         f"there are {' and '.join(found[:2]) or 'none'}")
    if all(f.ndim == 2 for f in frames):
        greys = np.round(np.linspace(0, 255, 32)).astype(np.uint8)
        frames = [greys[f // 8] for f in frames]
    else:
        frames = [np.stack(3 * [f], axis=-1) if f.ndim == 2 else f
                  for f in frames]
    several = [milliseconds] * (len(frames) - 1) + [at_the_end]
    write_file(path, imageio.imwrite(
        "<bytes>", frames, extension=".gif", loop=0,
        duration=several if len(frames) > 1 else at_the_end))
