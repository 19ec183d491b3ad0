"""The pictures: landscape, GIF, reconstructions, samples, scatter, curves.

Each save_ function writes one file. They draw on figures of their own, so
they need no screen, and change nothing of the caller's matplotlib. Ink is
dark: probability 0 is white, 1 is black (or RGB, where there are 3 channels).
"""
import io
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.special import ndtri

from .backend import Array, to_numpy
from .data import Dataset, batches, to_float
from .train import write_file
from .vae import VAE

MARGINS = 60, 20, 50, 40    # pixels left, right, below, above a landscape


def latent_grid(vae: VAE, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Decode n × n codes of the latent plane: the landscape.

    The codes are the prior's quantiles 5 % … 95 %, so that every cell stands
    for an equal share of it. Returns the image (n·H, n·W, C) in 0..1 and the
    n quantiles; the cell in row r and column c decodes z = (q[c], q[r]).
    With D = 1 there is one row; with D > 2, all further coordinates are 0.
    """
    q = ndtri(np.linspace(0.05, 0.95, n))
    rows = q if vae.latent_dim > 1 else q[:1]
    z = np.zeros((len(rows), n, vae.latent_dim))
    z[:, :, 0] = q
    z[:, :, 1:2] = rows[:, None, None]          # with D = 1, there is none
    return tile(decode(vae, z.reshape(-1, vae.latent_dim)), n), q


def decode(vae: VAE, z: np.ndarray) -> np.ndarray:
    """Decode codes z (N, D) to probabilities, a few at a time: for memory."""
    few = (vae.asarray(z[i:i + 50]) for i in range(0, len(z), 50))
    return np.concatenate([to_numpy(vae.decode(codes, apply_sigmoid=True))
                           for codes in few])


def encode(vae: VAE, images: Array) -> np.ndarray:
    """Return the means mu (N, D) of images (N, ...), a few at a time."""
    return np.concatenate([to_numpy(vae.encode(vae.asarray(x))[0])
                           for x in batches(images, min(len(images), 200))])


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Lay images (N, H, W, C) out as one, row by row: (R·H, columns·W, C)."""
    N, H, W, C = images.shape
    grid = images.reshape(N // columns, columns, H, W, C)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, columns * W, C)


def show(ax: Axes, image: np.ndarray, title: str = "") -> None:
    """Show an image (H, W, C) in 0..1, without ticks, its ink dark."""
    if image.shape[-1] == 1:
        ax.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
    else:
        ax.imshow(image)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=10)


def draw_landscape(vae: VAE, title: str) -> np.ndarray:
    """Draw the latent grid under a title, its quantiles along the sides.

    Returns bytes, (rows, columns) or (rows, columns, 3): one frame of a GIF.
    """
    # 20 × 20 cells, but fewer where images are large
    one = vae.decode(vae.asarray(np.zeros((1, vae.latent_dim))))
    image, q = latent_grid(vae, max(5, min(20, 700 // max(one.shape[1:3]))))
    H, W, _ = image.shape
    # Sizes in pixels, 100 to the inch, so that no cell is blurred
    left, right, bottom, top = MARGINS
    width, height = left + W + right, bottom + H + top
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    ax = figure.add_axes((left / width, bottom / height,
                          W / width, H / height))
    show(ax, image, title)
    some = np.arange(2, len(q), 3)                  # every third cell's centre
    labels = [f"{q[i]:.1f}" for i in some]
    ax.set_xticks((some + 0.5) * W / len(q) - 0.5, labels, fontsize=8)
    ax.set_xlabel("z[0], at quantiles of the prior")
    if vae.latent_dim > 1:
        ax.set_yticks((some + 0.5) * H / len(q) - 0.5, labels, fontsize=8)
        ax.set_ylabel("z[1], at quantiles of the prior" + (
            "; all others are 0" if vae.latent_dim > 2 else ""))
    return pixels(figure)


def bare_landscape(frame: np.ndarray) -> np.ndarray:
    """Cut off what draw_landscape has put around the landscape."""
    left, right, bottom, top = MARGINS
    return frame[top:-bottom, left:-right]


def pixels(figure: Figure) -> np.ndarray:
    """Draw a figure into bytes (rows, columns), or (…, 3) if it has colour.

    The figure is empty afterwards: it would keep its memory for long.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgb = np.array(canvas.buffer_rgba())[..., :3]
    figure.clear()
    return rgb[..., 0].copy() if (rgb == rgb[..., :1]).all() else rgb


def to_png(frame: np.ndarray, title: str = "") -> bytes:
    """Return what a PNG file of a frame holds: small, and nothing lost."""
    about, content = PngInfo(), io.BytesIO()
    about.add_itxt("Title", title)
    Image.fromarray(frame).save(content, "PNG", pnginfo=about)
    return content.getvalue()


def from_png(png: bytes) -> np.ndarray:
    """Return the frame again."""
    return np.asarray(Image.open(io.BytesIO(png)))


def title_of(png: bytes) -> str:
    """Return the title that to_png was given."""
    return Image.open(io.BytesIO(png)).text.get("Title", "")


def save_frame(path: Path, frame: np.ndarray) -> None:
    """Write one frame as a picture."""
    write_file(path, to_png(frame))


def save_gif(path: Path, frames: list[np.ndarray], milliseconds: int = 250,
             at_the_end: int = 3000) -> None:
    """Write frames as a GIF that loops, the last one held at the end.

    In 32 greys where no frame has colour: a quarter of the file's size.
    """
    if all(f.ndim == 2 for f in frames):
        few = np.round(np.linspace(0, 255, 32)).astype(np.uint8)
        frames = [few[f // 8] for f in frames]
    else:
        frames = [np.stack(3 * [f], axis=-1) if f.ndim == 2 else f
                  for f in frames]
    durations = [milliseconds] * (len(frames) - 1) + [at_the_end]
    write_file(path, imageio.imwrite("<bytes>", frames, extension=".gif",
                                     loop=0, duration=durations))


def save_images(path: Path, rows: dict[str, np.ndarray], names: tuple,
                title: str) -> None:
    """Draw rows of images, {"row's name": (n, H, W, C)}; name the columns."""
    n = len(next(iter(rows.values())))
    figure = Figure(figsize=(0.9 * n + 1.4, 0.95 * len(rows) + 0.7), dpi=100,
                    layout="constrained")
    axes = figure.subplots(len(rows), n, squeeze=False)
    for ax, name in zip(axes[0], names):
        ax.set_title(name, fontsize=9)
    for row, (name, images) in zip(axes, rows.items()):
        for ax, image in zip(row, images):
            show(ax, image, ax.get_title())
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.suptitle(title, fontsize=11)
    save_frame(path, pixels(figure))


def save_binarization(path: Path, data: Dataset) -> None:
    """Draw ten images, one of each class, grey and binarized."""
    chosen = data.grey_index[::10]
    save_images(path, {
        "given, 0 … 1": to_float(data.grey[::10]),
        "binary, > 0.5": to_float(data.test_images[chosen])},
        data.names(chosen), "Every number of a pixel becomes 0 or 1"
        if data.grey.shape[-1] > 1 else "Every pixel becomes 0 or 1")


def save_reconstructions(path: Path, vae: VAE, images: Array,
                         names: tuple) -> None:
    """Draw images (n, H, W, C), named, and what their mu decode to."""
    x = vae.asarray(to_float(images))
    decoded = vae.decode(vae.encode(x)[0], apply_sigmoid=True)
    save_images(path, {"test image": to_numpy(x),
                       "decoded": to_numpy(decoded)}, names,
                f"Through {vae.latent_dim} "
                f"number{'s' * (vae.latent_dim > 1)} and back")


def save_samples(path: Path, vae: VAE, rng: np.random.Generator) -> None:
    """Draw 100 samples from the prior, 10 × 10."""
    image = tile(decode(vae, to_numpy(vae.noise(100, rng))), 10)
    figure = Figure(figsize=(6, 6.4), dpi=100, layout="constrained")
    show(figure.subplots(), image, "100 draws from the prior, decoded")
    save_frame(path, pixels(figure))


def scatter(ax: Axes, points: np.ndarray, labels: np.ndarray,
            names: Sequence) -> None:
    """Draw points (N, 2), coloured by labels (N,), and name the classes."""
    order = np.random.default_rng(0).permutation(len(points))
    points, labels = points[order], labels[order]      # no class on top
    size = 4 if len(points) > 500 else 25
    ax.scatter(*points.T, s=size, alpha=0.7, linewidths=0,
               c=[f"C{c}" for c in labels])
    for c, name in enumerate(names):
        ax.scatter([], [], s=4, color=f"C{c}", label=name)


def save_scatter(path: Path, vae: VAE, images: Array, labels: np.ndarray,
                 names: tuple) -> None:
    """Draw the means mu of images (N, ...), coloured by labels (N,).

    Raises ValueError where there is not one label for each image.
    """
    N = len(images)
    if labels.shape != (N,):
        raise ValueError(f"labels have shape {labels.shape}, but one for "
                         f"each of {N} images was expected")
    mu = encode(vae, images)                                        # (N, D)
    figure = Figure(figsize=(8, 6), dpi=100, layout="constrained")
    ax = figure.subplots()
    # With one latent dimension, the classes stand above each other instead
    down = mu[:, 1] if vae.latent_dim > 1 else labels
    scatter(ax, np.stack([mu[:, 0], down], axis=1), labels, names)
    ax.set(xlabel="mu[0]", title="Where the encoder puts the test images")
    if vae.latent_dim == 1:
        ax.set_yticks(range(len(names)), names)
    else:
        ax.set_ylabel("mu[1], downwards, as in the landscape")
        ax.set_aspect("equal")
    if vae.latent_dim == 2:
        low, high = ndtri([0.05, 0.95])
        ax.plot([low, high, high, low, low], [low, low, high, high, low],
                "k--", linewidth=1, label="the landscape")
    ax.invert_yaxis()
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=5,
              frameon=False)
    save_frame(path, pixels(figure))


def save_curves(path: Path, log: list[dict]) -> None:
    """Draw the ELBO of the training and the test images, epoch by epoch."""
    figure = Figure(figsize=(7, 4.5), dpi=100, layout="constrained")
    ax = figure.subplots()
    epochs = [row["epoch"] for row in log]
    ax.plot(epochs, [-row["train_loss"] for row in log], "o-", color="C0",
            label="training images: minus the loss, mean while learning")
    ax.plot(epochs, [row["test_elbo"] for row in log], "s-", color="C1",
            label="test images, after the epoch")
    ax.set(xlabel="epoch", ylabel="ELBO, nats per image",
           title="The ELBO, epoch by epoch: higher is better")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
    ax.legend()
    save_frame(path, pixels(figure))
