"""The landscape: what each place of the latent plane decodes to.

Ink is dark: probability 0 is white, 1 is black (or RGB, where there are 3
channels). Figures are drawn without pyplot: they need no screen, and change
nothing of the caller's matplotlib.
"""
from pathlib import Path
from statistics import NormalDist

import imageio.v3 as imageio
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .backend import Array, to_numpy
from .checks.images import check_bytes
from .data import to_float
from .files import write_file
from .vae import VAE

MARGINS = 60, 20, 50, 40    # pixels left, right, below, above a landscape


def latent_grid(vae: VAE, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Decode n × n codes of the latent plane: the landscape.

    The codes are the prior's quantiles 5 % … 95 %, so that every cell stands
    for an equal share of it. Returns the image (n·H, n·W, C) in 0..1 and the
    n quantiles q. z[0] grows to the right and z[1] upwards, as in any plot:
    the cell in row r and column c decodes z = (q[c], q[n-1-r]). With D = 1
    there is one row; with D > 2, all further coordinates are 0.
    """
    shares = np.linspace(0.05, 0.95, n) if n > 1 else [0.5]
    q = np.array([*map(NormalDist().inv_cdf, shares)])
    rows = q[::-1] if vae.latent_dim > 1 else q[:1]     # the highest on top
    z = np.zeros((len(rows), n, vae.latent_dim))
    z[:, :, 0] = q
    z[:, :, 1:2] = rows[:, None, None]          # with D = 1, there is none
    return tile(decode(vae, z.reshape(-1, vae.latent_dim)), n), q


def draw_landscape(vae: VAE, title: str) -> np.ndarray:
    """Draw the latent grid under a title, its quantiles along the sides.

    Returns bytes, (rows, columns) or (rows, columns, 3): one frame of a GIF.
    """
    # 20 × 20 cells, but fewer where images are large
    one = vae.decode(vae.asarray(np.zeros((1, vae.latent_dim))))
    image, q = latent_grid(vae, max(5, min(20, 700 // max(one.shape[1:3]))))
    larger = max(1, min(1400 // image.shape[0], 320 // image.shape[1]))
    image = image.repeat(larger, 0).repeat(larger, 1)
    H, W, _ = image.shape
    # Sizes in pixels, 100 to the inch, so that no cell is blurred (and a bit
    # more, since 4.1 · 100 is below 410, and Matplotlib may round down)
    left, right, bottom, top = MARGINS
    width, height = left + W + right, bottom + H + top
    figure = Figure(figsize=((width + 1e-6) / 100, (height + 1e-6) / 100),
                    dpi=100)
    # pixels are copied: imshow would resample, and some versions of it blur
    figure.figimage(grey_or_rgb(image), left, bottom, cmap="gray_r", vmin=0,
                    vmax=1, zorder=-1)
    ax = figure.add_axes((left / width, bottom / height,
                          W / width, H / height), facecolor="none")
    n = len(q)
    ax.set(xlim=(0, n), ylim=(0, n if vae.latent_dim > 1 else 1),   # in cells
           xticks=[], yticks=[])
    ax.set_title(title, fontsize=10)
    some = np.arange(2, n, 3)                       # every third cell's centre
    labels = [f"{q[i]:.1f}" for i in some]
    prior = ", at quantiles of the prior"
    ax.set_xticks(some + 0.5, labels, fontsize=8)
    ax.set_xlabel(f"z[0]{prior * (W > 200)}")
    if vae.latent_dim > 1:
        ax.set_yticks(some + 0.5, labels, fontsize=8)
        ax.set_ylabel(f"z[1]{prior * (H > 250)}" + (
            "; others are 0" if vae.latent_dim > 2 else ""))
    return pixels(figure)


def decode(vae: VAE, z: np.ndarray) -> np.ndarray:
    """Decode codes z (N, D) to probabilities, a few at a time: for memory."""
    parts = (vae.asarray(z[i:i + 50]) for i in range(0, max(1, len(z)), 50))
    return np.concatenate([to_numpy(vae.decode(codes, apply_sigmoid=True))
                           for codes in parts])


def encode(vae: VAE, images: Array) -> np.ndarray:
    """Return the means mu (N, D) of images (N, ...), a few at a time."""
    check_bytes(images)
    parts = (vae.asarray(to_float(images[i:i + 200]))
             for i in range(0, max(1, len(images)), 200))
    return np.concatenate([to_numpy(vae.encode(x)[0]) for x in parts])


# ---- drawing and saving -----------------------------------------------------

def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Lay images (N, H, W, C) out as one, row by row: (R·H, columns·W, C)."""
    N, H, W, C = images.shape
    grid = images.reshape(N // columns, columns, H, W, C)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, columns * W, C)


def show(ax: Axes, image: np.ndarray, title: str = "", **where) -> None:
    """Show an image (H, W, C) in 0..1, without ticks, its ink dark.

    where: imshow's extent and the like. ValueError if C is not 1 or 3.
    """
    ax.imshow(grey_or_rgb(image), cmap="gray_r", vmin=0, vmax=1, **where)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=10)


def grey_or_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, C) as Matplotlib takes it: (H, W) if C is 1."""
    C = image.shape[-1]
    if C not in (1, 3):
        raise ValueError(f"an image has {C} channels, but only 1 (grey) or 3 "
                         "(red, green, blue) can be drawn")
    return image[..., 0] if C == 1 else image


def pixels(figure: Figure) -> np.ndarray:
    """Draw a figure into bytes (rows, columns), or (…, 3) if it has colour.

    The figure is empty afterwards: it would keep its memory for long.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgb = np.array(canvas.buffer_rgba())[..., :3]
    figure.clear()
    return rgb[..., 0].copy() if (rgb == rgb[..., :1]).all() else rgb


def save_frame(path: str | Path, frame: np.ndarray) -> None:
    """Write one frame as a PNG file."""
    write_file(path, imageio.imwrite("<bytes>", frame, extension=".png"))
