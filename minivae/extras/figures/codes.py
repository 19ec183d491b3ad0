"""Where the encoder puts images: their codes in the plane, by class."""
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...backend import Array
from ...plots import encode
from ...vae import VAE
from .names import colour, literal, save_figure


def scatter(ax: Axes, points: np.ndarray, labels: np.ndarray,
            names: Sequence) -> None:
    """Draw points (N, 2), coloured by labels (N,), and name the classes."""
    order = np.random.default_rng(0).permutation(len(points))
    points, labels = points[order], labels[order]      # no class on top
    size = 4 if len(points) > 500 else 25
    colours = np.array([colour(c) for c in range(len(names))]).reshape(-1, 3)
    ax.scatter(points[:, 0], points[:, 1], s=size, c=colours[labels],
               alpha=0.7, linewidths=0)
    for c, name in zip(colours, names):
        ax.scatter([], [], s=4, color=c, label=literal(name))


def save_scatter(path: str | Path, vae: VAE, images: Array,
                 labels: np.ndarray, names: Sequence) -> None:
    """Draw the means mu of images (N, ...), coloured by labels (N,).

    mu[0] grows to the right and mu[1] upwards; with D = 1, each class has a
    row. Raises ValueError unless there is one label for each image, and a name
    for each label.
    """
    N, n = len(images), len(names)
    _check_labels(labels, N, n)
    mu = encode(vae, images)                                        # (N, D)
    seen = np.isfinite(mu).all(axis=1)
    lost = f" ({N - seen.sum()} of {N} have no finite code)"
    plane, columns = vae.latent_dim > 1, -(-n // 24)          # of the legend
    size = (6.5 + 1.5 * columns, 6) if plane else (8, max(4, 0.2 * n))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    ax = figure.subplots()
    height = mu[:, 1] if plane else labels
    points = np.stack([mu[:, 0], height], axis=1)                   # (N, 2)
    scatter(ax, points[seen], labels[seen], names)
    ax.set(xlabel="mu[0]", title="Where the encoder puts the test images"
           + lost * (not seen.all()))
    if plane:
        ax.set_ylabel("mu[1]")
        ax.set_aspect("equal", adjustable="datalim")
    if vae.latent_dim == 2:
        low, high = map(NormalDist().inv_cdf, (0.05, 0.95))
        ax.plot([low, high, high, low, low], [low, low, high, high, low],
                "k--", linewidth=1, label="the landscape")
    if plane:
        figure.legend(loc="outside right center", markerscale=5,
                      frameon=False, ncols=columns)
    else:
        ax.set_yticks(range(n), [literal(name) for name in names])
        ax.set_ylim(n - 0.5, -0.5)
    save_figure(path, figure)


def _check_labels(labels, N, n):
    if labels.shape != (N,):
        raise ValueError(f"labels have shape {labels.shape}, but one for "
                         f"each of {N} images was expected")
    if N and not 0 <= labels.min() <= labels.max() < n:
        raise ValueError(f"labels are {labels.min()} to {labels.max()}, but "
                         f"there are {n} names, for 0 to {n - 1}")
