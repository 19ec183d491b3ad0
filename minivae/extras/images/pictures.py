"""One picture, in any common format, as bytes.

Pillow reads it. What it raises becomes one sentence, and its warnings come
back with the picture.
"""
import logging
import os
import stat
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

FORMATS = "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"
ENDINGS = {".bmp", ".gif", ".jpeg", ".jpe", ".jfif", ".jpg", ".pbm", ".pgm",
           ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
PIXELS = 10 ** 8      # more, unpacked, would take gigabytes
WHITES = 1, 255, 1023, 4095, 16383, 65535     # in 1, 8, 10, 12, 14, 16 bits

logging.getLogger("PIL").addHandler(logging.NullHandler())   # not the screen


class Picture(NamedTuple):
    """Colours (H, W, 3), bytes, and what is odd about the file.

    moves: it has more frames than the first, which is taken; warnings: by
    Pillow, which read it all the same
    """

    colours: np.ndarray
    moves: bool
    warnings: list[str]


def read_picture(path: Path | str, size: tuple | None = None,
                 white: float | None = None) -> Picture:
    """Read a picture: upright, in RGB, and on white where it is transparent.

    size: (H, W), to which its middle is scaled. white: the value that is
    white where a pixel has more than 8 bits; without it, the lowest of WHITES
    that is high enough. Raises ValueError in one sentence.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with _open(path) as image:
                colours = _colours(_upright(image), size, white)
                moves = _moves(image)
        return Picture(colours, moves, [str(w.message) for w in warned])
    except FileNotFoundError as error:
        raise ValueError(f"{shown(path)} does not exist; name a PNG, JPEG "
                         "or other picture file") from error
    except PermissionError as error:
        raise ValueError(f"{shown(path)} cannot be opened ({error.strerror}); "
                         "make it readable, or remove it") from error
    except MemoryError:
        raise
    except Exception as error:        # a damaged picture raises nearly any
        problem = ("it is in none of the formats "
                   f"{', '.join(FORMATS)}" if isinstance(
                       error, UnidentifiedImageError) else error)
        raise ValueError(f"{shown(path)} cannot be read as a picture "
                         f"({problem}); remove or replace it") from error


def shown(path: Path | str) -> str:
    """Return a file's name on one line, whatever letters it has."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1]
                   for letter in str(path))


def no_screen() -> bool | None:
    """Return tqdm's disable: None lets tqdm decide, if there is a stderr."""
    return None if sys.stderr else True


def white_of(paths: list[Path]) -> float:
    """Return what is white in those pictures that have more than 8 bits.

    A camera's 12 bits come in files of 16, with no pixel above 4095: so white
    is the lowest of WHITES that is high enough for all pictures.
    """
    highest = 0
    for path in tqdm(paths, "looking at pictures", leave=False,
                     disable=no_screen()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with _open(path) as image:
                    if _is_deep(image):
                        _load(image)
                        highest = max(highest, _numbers(image).max())
        except Exception:             # read_picture will say what is wrong
            continue
    return _white_above(highest)


def _open(path):
    if not stat.S_ISREG(path.stat().st_mode):        # a pipe would block
        raise ValueError("it is no file")
    image = Image.open(path, formats=FORMATS)
    if image.width * image.height > PIXELS:
        image.close()
        raise ValueError(f"its {image.width:,} x {image.height:,} pixels are "
                         f"more than {PIXELS:,}")
    return image


def _load(image):
    """Load the pixels; raise the errors that libtiff only prints."""
    if image.format != "TIFF" or sys.__stderr__ is None:
        image.load()
        return
    with tempfile.TemporaryFile() as said:
        screen = os.dup(2)                  # where code in C prints its errors
        os.dup2(said.fileno(), 2)
        try:
            image.load()
        finally:
            os.dup2(screen, 2)
            os.close(screen)
        said.seek(0)
        for line in said.read().decode(errors="replace").split("\n"):
            if "Warning, " in line:
                warnings.warn(line, stacklevel=2)
            elif line and "\r" not in line:           # of a progress bar's
                raise ValueError(f"libtiff: {line}")


def _upright(image):
    """Rotate a photo to how its camera was held, if its EXIF says so."""
    _load(image)
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:        # the pixels are not damaged
        warnings.warn(f"its EXIF data are damaged: {error}", stacklevel=2)
        return image


def _moves(image):
    try:                # a camera's MPO has previews, not a second frame
        return image.format != "MPO" and getattr(image, "is_animated", False)
    except Exception:                 # the second frame is damaged
        return True


def _is_deep(image):
    return image.mode.startswith("I") or image.mode == "F"


def _numbers(image):
    """Return the numbers in an image that has more than 8 bits a pixel."""
    numbers = np.asarray(image).astype(np.float32)
    if not (numbers.min() >= 0 and numbers.max() < np.inf):    # nor NaN
        raise ValueError(f"its pixels go from {numbers.min()} to "
                         f"{numbers.max()}, but 0 or more were expected")
    return numbers


def _white_above(highest):
    return min((white for white in WHITES if white >= highest),
               default=highest)


def _colours(image, size, white):
    if _is_deep(image):
        numbers = _numbers(image)
        numbers *= 255 / (white or _white_above(numbers.max()))
        image = Image.fromarray(numbers.round().clip(0, 255).astype("u1"))
    image = image.convert("RGBA")
    if size:
        image = ImageOps.fit(image, size[::-1], Image.Resampling.LANCZOS)
    on_white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(on_white, image))[..., :3]
