"""Names and colours of classes: any text is drawn as it is, in any alphabet.

A figure with names that users have chosen is saved with save_figure, which
finds a font for each letter.
"""
import functools
import unicodedata
from contextlib import suppress
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

from ...plots import pixels, save_frame


def literal(name: str, longest: int = 24) -> str:
    """Return a name so that matplotlib draws it as it is, on one line.

    A name that is longer ends in "..."; what no font has becomes "?".
    """
    def width(text):                   # a Chinese character is twice as wide
        return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)

    name = " ".join(str(name).split())[:2 * longest] or "(no name)"
    while width(name) > longest:
        name = name[:-4] + "..."
    name = "".join(c if font_with(c) else "?" for c in name)
    if name.startswith("_"):
        name = " " + name              # else a legend would leave it out
    return name.replace("$", r"\$")     # else it would begin a formula


@functools.cache
def font_with(letter: str) -> str | None:
    """Name an installed font that has a letter; DejaVu Sans if it does."""
    def order(font):
        return font.name != "DejaVu Sans", font.name

    for font in sorted(fontManager.ttflist, key=order):
        if ((font.style, font.weight) != ("normal", 400)
                or font.name.startswith("Last Resort")):       # only boxes
            continue
        with suppress(OSError, RuntimeError):                  # damaged
            file = get_font(font.fname)
            if file.scalable and file.get_char_index(ord(letter)):
                return font.name
    return None


def add_fonts(figure: Figure) -> None:
    """Let other fonts draw the letters that the usual one does not have."""
    for text in figure.findobj(Text):
        if not text.get_text().isascii():
            fonts = {font for letter in text.get_text()
                     if (font := font_with(letter))}
            text.set_fontfamily([*text.get_fontfamily(), *sorted(fonts)])


def save_figure(path: str | Path, figure: Figure) -> None:
    """Write a figure as a PNG file, each letter in a font that has it."""
    add_fonts(figure)
    save_frame(path, pixels(figure))


def colour(c: int) -> np.ndarray:
    """Return the colour of class c: RGB in 0..1, (3,).

    matplotlib's C0 ... C9; then the same, darker; then ever new hues, a
    golden section of the circle apart.
    """
    if c < 20:
        return np.array(colormaps["tab10"](c % 10)[:3]) * (1, 0.6)[c // 10]
    return hsv_to_rgb((0.618034 * c % 1, (0.9, 0.5)[c % 2],
                       (0.9, 0.7, 0.5)[c % 3]))
