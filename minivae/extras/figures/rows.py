"""Images side by side: reconstructions, samples, and what was binarized."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...backend import Array, to_numpy
from ...data import Dataset, to_float
from ...plots import decode, encode, show, tile
from ...vae import VAE
from .names import literal, save_figure

COLUMNS = 20                # images side by side; the others go below


def save_images(path: str | Path, rows: dict[str, np.ndarray],
                names: Sequence[str], title: str) -> None:
    """Draw rows of images, {"row's name": (n, H, W, C)}; name the columns.

    Raises ValueError where there is no image, or not one name for each.
    """
    n = len(names)
    if not n or {len(images) for images in rows.values()} != {n}:
        raise ValueError(f"{path}: rows of as many images as names, at least "
                         f"1, were expected, but there are {n} names and " +
                         ", ".join(f"{len(images)} of {name!r}"
                                   for name, images in rows.items()))
    # In pixels: a cell; the margins left of it, above a block, above all
    side, left, above, top = 90, 140, 24, 40
    block = above + side * len(rows)
    width = left + side * max(3, min(n, COLUMNS))
    height = top + block * -(-n // COLUMNS)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1), frameon=False)
    for i, name in enumerate(names):
        ax.text(left + side * (i % COLUMNS + 0.5),
                top + block * (i // COLUMNS) + above - 2, literal(name, 13),
                ha="center", va="bottom", fontsize=8)
    for start in range(0, n, COLUMNS):
        y = top + block * (start // COLUMNS) + above + side / 2
        for name, images in rows.items():
            draw_strip(ax, images[start:start + COLUMNS], left, y, side)
            ax.text(left - 8, y, name, ha="right", va="center")
            y += side
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    ax.text(width / 2, top / 2, title, ha="center", va="center", fontsize=11)
    save_figure(path, figure)


def draw_strip(ax: Axes, images: np.ndarray, left: float, middle: float,
               side: float) -> None:
    """Draw images (n, H, W, C) side by side, each in a square of paper."""
    n, H, W, C = images.shape
    size = max(H, W) + 2 + 2 * (max(H, W) // 30)
    cells = np.full((n, size, size, C), 0.0 if C == 1 else 1.0)
    row, column = (size - H) // 2, (size - W) // 2
    cells[:, row:row + H, column:column + W] = images
    show(ax, tile(cells, n), extent=(left, left + n * side,
                                     middle + side / 2, middle - side / 2))


def save_binarization(path: str | Path, data: Dataset) -> None:
    """Draw ten images, one of each class, grey and binarized."""
    chosen = data.grey_index[::10]
    save_images(path, {
        "given, 0 … 1": to_float(data.grey[::10]),
        "binary, > 0.5": to_float(data.test_images[chosen])},
        data.names(chosen), "Every number of a pixel becomes 0 or 1"
        if data.grey.shape[-1] > 1 else "Every pixel becomes 0 or 1")


def save_reconstructions(path: str | Path, vae: VAE, images: Array,
                         names: tuple) -> None:
    """Draw images (n, H, W, C), named, and what their mu decode to."""
    save_images(path, {"test image": to_numpy(to_float(images)),
                       "decoded": decode(vae, encode(vae, images))}, names,
                f"Through {vae.latent_dim} "
                f"number{'s' * (vae.latent_dim > 1)} and back")


def save_samples(path: str | Path, vae: VAE, rng: np.random.Generator) -> None:
    """Draw 100 samples from the prior, 10 × 10."""
    image = tile(decode(vae, to_numpy(vae.noise(100, rng))), 10)
    figure = Figure(figsize=(6, 6.4), dpi=100, layout="constrained")
    show(figure.subplots(), image, "100 draws from the prior, decoded")
    save_figure(path, figure)
