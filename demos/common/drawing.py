"""Matrices whose numbers can be read, and the arrows between them.

Everything is drawn on one axes that covers the figure and is measured in
squares: x to the right, y downwards, as in images. So nothing moves when
something else is drawn, and the frames of a GIF fit each other.
"""
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def paper(width: float, height: float,
          side: int = 30) -> tuple[Figure, Axes]:
    """Return a figure of width by height squares, and its axes.

    side: a square's, in pixels.
    """
    figure = Figure(figsize=(width * side / 100, height * side / 100), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    ax.set(xlim=(0, width), ylim=(height, 0))
    return figure, ax


def write(ax: Axes, x: float, y: float, text: str, **style) -> None:
    """Write a text with its middle at (x, y), unless style says otherwise.

    A hyphen is drawn as a minus.
    """
    text = text.replace("-", "−")
    ax.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 10}
            | style)


def cells(ax: Axes, left: float, top: float, a: np.ndarray, name: str = "",
          zeros: bool = True) -> None:
    """Draw a matrix, a square for each number, from (left, top) on.

    Numbers above 0 are dark, as ink is; those below 0 are red. What is NaN
    stays empty, and without zeros what is 0, too.
    """
    strength = abs(np.nan_to_num(a)) / max(1e-9, np.nanmax(abs(a), initial=0))
    for (i, j), value in np.ndenumerate(a):
        light = 1 - 0.75 * strength[i, j]
        ax.add_patch(Rectangle(
            (left + j, top + i), 1, 1, edgecolor="0.6", linewidth=0.6,
            facecolor=(1 if value < 0 else light, light, light)))
        if not np.isnan(value) and (zeros or value):
            write(ax, left + j + 0.5, top + i + 0.5,
                  f"{value:g}", fontsize=9,
                  color="w" if light < 0.5 else "k" if value else "0.6")
    write(ax, left + a.shape[1] / 2, top - 0.55, name)


def outline(ax: Axes, left: float, top: float, height: float, width: float,
            **style) -> None:
    """Draw a thick frame around height by width squares."""
    ax.add_patch(Rectangle((left, top), width, height, fill=False, zorder=3,
                           **{"linewidth": 2.5} | style))


def arrow(ax: Axes, start: tuple, end: tuple, text: str = "",
          **style) -> None:
    """Draw an arrow from start to end, both (x, y), and a text above it."""
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->"} | style)
    (x1, y1), (x2, y2) = start, end
    write(ax, (x1 + x2) / 2, (y1 + y2) / 2 - 0.15, text, va="bottom",
          fontsize=9)
