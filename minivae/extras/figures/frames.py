"""Frames of a growing landscape, kept as PNG files with their titles inside.

A checkpoint holds them, and so a resumed run's GIF has all of them.
"""
import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ...plots import MARGINS


def to_png(frame: np.ndarray, title: str = "") -> bytes:
    """Return the bytes of a PNG file of a frame: small and lossless."""
    about, content = PngInfo(), io.BytesIO()
    about.add_itxt("Title", title)
    Image.fromarray(frame).save(content, "PNG", pnginfo=about)
    return content.getvalue()


def from_png(png: bytes) -> np.ndarray:
    """Return the frame that to_png was given."""
    return np.asarray(Image.open(io.BytesIO(png)))


def title_of(png: bytes) -> str:
    """Return the title that to_png was given."""
    return Image.open(io.BytesIO(png)).info.get("Title", "")


def bare_landscape(frame: np.ndarray) -> np.ndarray:
    """Cut off what draw_landscape has put around the landscape."""
    left, right, bottom, top = MARGINS
    return frame[top:-bottom, left:-right]
