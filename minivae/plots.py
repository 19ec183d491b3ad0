"""The pictures: landscape, GIF, reconstructions, samples, scatter, curves.

Each save_ function writes one file. They draw on figures of their own, so
they need no screen, and change nothing of the caller's matplotlib. Ink is
dark: probability 0 is white, 1 is black (or RGB, where there are 3 channels).
"""
import functools
import io
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.special import ndtri

from .backend import Array, to_numpy
from .data import Dataset, check_bytes, to_float
from .files import write_file
from .vae import VAE

MARGINS = 60, 20, 50, 40    # pixels left, right, below, above a landscape
COLUMNS = 20                # images side by side; the others go below


# ---- what a VAE makes -------------------------------------------------------


def latent_grid(vae: VAE, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Decode n × n codes of the latent plane: the landscape.

    The codes are the prior's quantiles 5 % … 95 %, so that every cell stands
    for an equal share of it. Returns the image (n·H, n·W, C) in 0..1 and the
    n quantiles; the cell in row r and column c decodes z = (q[c], q[r]).
    With D = 1 there is one row; with D > 2, all further coordinates are 0.
    """
    q = ndtri(np.linspace(0.05, 0.95, n) if n > 1 else [0.5])
    rows = q if vae.latent_dim > 1 else q[:1]
    z = np.zeros((len(rows), n, vae.latent_dim))
    z[:, :, 0] = q
    z[:, :, 1:2] = rows[:, None, None]          # with D = 1, there is none
    return tile(decode(vae, z.reshape(-1, vae.latent_dim)), n), q


def decode(vae: VAE, z: np.ndarray) -> np.ndarray:
    """Decode codes z (N, D) to probabilities, a few at a time: for memory."""
    few = (vae.asarray(z[i:i + 50]) for i in range(0, max(1, len(z)), 50))
    return np.concatenate([to_numpy(vae.decode(codes, apply_sigmoid=True))
                           for codes in few])


def encode(vae: VAE, images: Array) -> np.ndarray:
    """Return the means mu (N, D) of images (N, ...), a few at a time."""
    check_bytes(images)
    few = (vae.asarray(to_float(images[i:i + 200]))
           for i in range(0, max(1, len(images)), 200))
    return np.concatenate([to_numpy(vae.encode(x)[0]) for x in few])


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Lay images (N, H, W, C) out as one, row by row: (R·H, columns·W, C)."""
    N, H, W, C = images.shape
    grid = images.reshape(N // columns, columns, H, W, C)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, columns * W, C)


# ---- how it is drawn --------------------------------------------------------

def show(ax: Axes, image: np.ndarray, title: str = "", **where) -> None:
    """Show an image (H, W, C) in 0..1, without ticks, its ink dark.

    where: imshow's extent and the like. ValueError if C is not 1 or 3.
    """
    C = image.shape[-1]
    if C not in (1, 3):
        raise ValueError(f"an image has {C} channels, but only 1 (grey) or 3 "
                         "(red, green, blue) can be drawn")
    image = image[..., 0] if C == 1 else image
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1, **where)
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
    larger = max(1, min(320 // W, 1400 // H))       # room for the title
    image = image.repeat(larger, 0).repeat(larger, 1)
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
    prior = ", at quantiles of the prior"
    ax.set_xlabel(f"z[0]{prior * (W > 200)}")
    if vae.latent_dim > 1:
        ax.set_yticks((some + 0.5) * H / len(q) - 0.5, labels, fontsize=8)
        ax.set_ylabel(f"z[1]{prior * (H > 250)}" + (
            "; others are 0" if vae.latent_dim > 2 else ""))
    return pixels(figure)


def bare_landscape(frame: np.ndarray) -> np.ndarray:
    """Cut off what draw_landscape has put around the landscape."""
    left, right, bottom, top = MARGINS
    return frame[top:-bottom, left:-right]


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
    """Name a font of this machine that has a letter; DejaVu Sans if it can."""
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


def colour(c: int) -> np.ndarray:
    """Return the colour of class c: RGB in 0..1, (3,).

    matplotlib's C0 ... C9; then the same, darker; then ever other hues, a
    golden section of the circle apart.
    """
    if c < 20:
        return np.array(colormaps["tab10"](c % 10)[:3]) * (1, 0.6)[c // 10]
    return hsv_to_rgb((0.618034 * c % 1, (0.9, 0.5)[c % 2],
                       (0.9, 0.7, 0.5)[c % 3]))


def pixels(figure: Figure) -> np.ndarray:
    """Draw a figure into bytes (rows, columns), or (…, 3) if it has colour.

    The figure is empty afterwards: it would keep its memory for long.
    """
    add_fonts(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgb = np.array(canvas.buffer_rgba())[..., :3]
    figure.clear()
    return rgb[..., 0].copy() if (rgb == rgb[..., :1]).all() else rgb


# ---- files ------------------------------------------------------------------

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
    return Image.open(io.BytesIO(png)).info.get("Title", "")


def save_frame(path: str | Path, frame: np.ndarray) -> None:
    """Write one frame as a picture."""
    write_file(path, to_png(frame))


def save_gif(path: str | Path, frames: Sequence[np.ndarray],
             milliseconds: int = 250, at_the_end: int = 3000) -> None:
    """Write frames as a GIF that loops, the last one held at the end.

    Frames are bytes, (rows, columns) or (rows, columns, 3), all of one size;
    ValueError if not. In 32 greys where none has colour: a quarter of the
    file's size.
    """
    kinds = {f"{f.dtype} of shape {f.shape}" for f in frames
             if f.dtype != np.uint8 or f.ndim != 2 and f.shape[2:] != (3,)}
    sizes = sorted({f.shape[:2] for f in frames})
    if kinds or len(sizes) != 1:
        found = (sorted(kinds) or sizes or ["none"])[:2]
        raise ValueError(f"save_gif: frames of uint8 and of one size, (rows, "
                         "columns) or (rows, columns, 3), were expected, but "
                         f"there are {' and '.join(map(str, found))}")
    if all(f.ndim == 2 for f in frames):
        few = np.round(np.linspace(0, 255, 32)).astype(np.uint8)
        frames = [few[f // 8] for f in frames]
    else:
        frames = [np.stack(3 * [f], axis=-1) if f.ndim == 2 else f
                  for f in frames]
    several = [milliseconds] * (len(frames) - 1) + [at_the_end]
    write_file(path, imageio.imwrite(
        "<bytes>", frames, extension=".gif", loop=0,
        duration=several if len(frames) > 1 else at_the_end))


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
    # In pixels: a cell; what is left of it, above a block, above everything
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
    save_frame(path, pixels(figure))


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
    save_frame(path, pixels(figure))


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

    Raises ValueError where there is not one label for each image, or not a
    name for each label.
    """
    N, n = len(images), len(names)
    if labels.shape != (N,):
        raise ValueError(f"labels have shape {labels.shape}, but one for "
                         f"each of {N} images was expected")
    if N and not 0 <= labels.min() <= labels.max() < n:
        raise ValueError(f"labels are {labels.min()} to {labels.max()}, but "
                         f"there are {n} names, for 0 to {n - 1}")
    mu = encode(vae, images)                                        # (N, D)
    seen = np.isfinite(mu).all(axis=1)
    lost = f" ({N - seen.sum()} of {N} have no finite code)"
    # With one latent dimension, the classes stand above each other instead
    plane, columns = vae.latent_dim > 1, -(-n // 24)          # of the legend
    size = (6.5 + 1.5 * columns, 6) if plane else (8, max(4, 0.2 * n))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    ax = figure.subplots()
    down = mu[:, 1] if plane else labels
    scatter(ax, np.stack([mu[:, 0], down], axis=1)[seen], labels[seen], names)
    ax.set(xlabel="mu[0]", title="Where the encoder puts the test images"
           + lost * (not seen.all()))
    if plane:
        ax.set_ylabel("mu[1], downwards, as in the landscape")
        ax.set_aspect("equal", adjustable="datalim")
    if vae.latent_dim == 2:
        low, high = ndtri([0.05, 0.95])
        ax.plot([low, high, high, low, low], [low, low, high, high, low],
                "k--", linewidth=1, label="the landscape")
    if plane:
        ax.invert_yaxis()
        figure.legend(loc="outside right center", markerscale=5,
                      frameon=False, ncols=columns)
    else:
        ax.set_yticks(range(n), [literal(name) for name in names])
        ax.set_ylim(n - 0.5, -0.5)
    save_frame(path, pixels(figure))


def save_curves(path: str | Path, log: list[dict]) -> None:
    """Draw the ELBO of the training and the test images, epoch by epoch."""
    figure = Figure(figsize=(7, 4.5), dpi=100, layout="constrained")
    ax = figure.subplots()
    epochs = [row["epoch"] for row in log]
    train = [-row["train_loss"] for row in log]
    test = [row["test_elbo"] for row in log]
    for elbos, others, style, name in [
            (train, test, "C0o-",
             "training images: minus the loss, mean while learning"),
            (test, train, "C1s-", "test images, after the epoch")]:
        ax.plot(epochs, elbos, style, label=name)
        # of few dots, each says its value; of many, the last
        for i in range(len(log))[0 if len(log) < 5 else -1:]:
            ax.annotate(f"{elbos[i]:.1f}", (epochs[i], elbos[i]),
                        (0, 8 if elbos[i] > others[i] else -15), ha="center",
                        textcoords="offset points", fontsize=9)
    ax.margins(0.1, 0.2)
    ax.set(xlabel="epoch", ylabel="ELBO, nats per image",
           title="The ELBO, epoch by epoch: higher is better")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False)
    save_frame(path, pixels(figure))
