"""Rows of faces, one below another, large enough for a slide."""
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minivae.plots import pixels, save_frame, show, tile

TARGETS = np.linspace(-1.2, 1.2, 7)            # smiles to ask for


def draw_strips(path: str | Path, strips: list[tuple[str, np.ndarray]],
                columns: Sequence[str]) -> None:
    """Draw named rows of images (n, H, W, 1), ink dark; name the columns.

    Enlarged smoothly: a face of 32 visible squares hides what it feels.
    """
    n = len(columns)
    named = sum(bool(name) for name, _ in strips)
    figure = Figure(figsize=(9, 0.4 + len(strips) * 8.9 / n + 0.33 * named),
                    dpi=100, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.01, w_pad=0.02, hspace=0)
    axes = figure.subplots(len(strips), 1, squeeze=False)[:, 0]
    for ax, (name, images) in zip(axes, strips):
        show(ax, tile(images, n), interpolation="bicubic")
        ax.set_title(name, fontsize=17, loc="left")
        ax.spines[:].set_visible(False)
    side = images.shape[2]
    axes[-1].set_xticks((np.arange(n) + 0.5) * side - 0.5, columns,
                        fontsize=17)
    axes[-1].tick_params(length=0)
    save_frame(path, pixels(figure))


def strip(edit: Callable, faces: Sequence[int],
          targets: Sequence = TARGETS) -> np.ndarray:
    """Return some faces' edits, side by side: (faces·targets, H, W, 1)."""
    edited = [edit(target) for target in targets]
    return np.stack([images[face] for face in faces for images in edited])


def signed(targets: Sequence[float] = TARGETS) -> list[str]:
    """Name the columns of a strip."""
    return [f"{target:+.1f}".replace("-", "−") if target else "0"
            for target in targets]
