"""A latent space to walk through: one HTML file, with all it needs inside.

page.html is the template; decoder.js and page.js go into it, and the data:
the decoder's parameters, and what the encoder makes of some test images.
"""
import base64
import inspect
import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_hex
from PIL import Image

from ...backend import to_numpy
from ...conv import Conv2DTranspose, windows
from ...checks.images import check_bytes
from ...data import Dataset, to_float
from ...files import write_file
from ...layers import Dense, ReLU, Reshape, sublayers
from ...optim import flatten
from ...vae import VAE, reparameterize
from ..figures.names import colour
from .paths import spherical

PACKAGE = Path(__file__).parents[3]          # where the folder minivae is
LARGEST = 1_500_000      # characters in a page, so that it can be mailed
MOST_POINTS, MOST_FRAMES = 5000, 40
MOST_PIXELS = 20_000_000     # of test images: more would never fit
SPRITE_COLUMNS = 50      # test images side by side in one picture
FRAME_PIXELS = 280       # of a picture of the landscape as it grew


class Frame(NamedTuple):
    """A picture of the landscape during training, and when it was drawn."""

    title: str
    image: np.ndarray


def write_page(path: str | Path, vae: VAE, title: str,
               data: Dataset | None = None, frames: Sequence[Frame] = (),
               relatives: Mapping[str, np.ndarray] = {}) -> int:
    """Write the page of a VAE and return how many test images it shows.

    data: its test images are shown as points, as many as there is room for.
    frames: of its training; if there are many, some, evenly spread. relatives:
    what other models have drawn, by their names; images (N, H, W, C) in 0..1.
    Raises ValueError for a VAE that it cannot show; then, and where writing
    fails, a page that was there before is kept.
    """
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES))
    parts = {"title": title, "latentDim": vae.latent_dim,
             "layers": layers(vae), "python": python_sources(),
             "weights": base64_of(to_numpy(flatten(vae.decoder.params))),
             "frames": [{"title": frame.title, "image": frame_url(frame)}
                        for frame in (frames[i] for i in chosen.astype(int))],
             "relatives": [{"name": name, "count": len(images),
                            "columns": SPRITE_COLUMNS,
                            "sprite": sprite(
                                np.round(255 * images).astype(np.uint8))}
                           for name, images in relatives.items()]}
    count = 0
    if data and len(data.test_images):
        count = min(MOST_POINTS, len(data.test_images),
                    1 + MOST_PIXELS // data.test_images[0].size)
    while True:
        parts["points"] = points(vae, data, count) if data and count else None
        page = fill_in(parts)
        if len(page) <= LARGEST:
            break
        if not count:
            raise ValueError(
                f"the page of {title} would have {len(page) / 1e6:.1f} MB, "
                f"but at most {LARGEST / 1e6:.1f} were expected; a model with "
                "fewer parameters fits")
        count //= 2
    write_file(path, page.encode())
    return count


def fill_in(parts: dict) -> str:
    """Put the scripts and the data into the template."""
    def text(name):
        return resources.files(__name__).joinpath(name).read_text("utf-8")
    page = text("page.html")
    for name in "page.css", "decoder.js", "page.js":
        page = page.replace(f"/* {name} */", text(name))
    # In a script, "</script>" would end it, and "<!--" would let it go on
    return page.replace("{DATA}", json.dumps(parts).replace("<", r"\u003c"))


# ---- the network -----------------------------------------------------------

def layers(vae: VAE) -> list[dict]:
    """Describe the decoder's layers as decoder.js wants them."""
    x, at = vae.asarray(np.zeros((1, vae.latent_dim))), 0
    described: list[dict] = []
    for layer in sublayers(vae.decoder) or [vae.decoder]:
        y = layer.forward(x)
        own: dict = {}    # a Reshape's: in JavaScript every array is a vector
        if isinstance(layer, Dense):
            own = {"kind": "dense", "units": layer.units}
        elif isinstance(layer, Conv2DTranspose):
            own = {"kind": "transpose", "kernel": layer.kernel_size,
                   "strides": layer.strides, "input": x.shape[1:],
                   "output": y.shape[1:],
                   "before": [windows(*axis, layer.padding)[1]
                              for axis in zip(y.shape[1:3], layer.kernel_size,
                                              layer.strides)]}
        elif isinstance(layer, ReLU):
            own = {"kind": "relu"}
        elif not isinstance(layer, Reshape):
            raise ValueError(f"the page cannot compute {layer}; it knows "
                             "Dense, ReLU, Reshape and Conv2DTranspose")
        if layer.params:
            own |= {"at": at, "sizeW": layer.params["w"].size,
                    "sizeB": layer.params["b"].size}
            at += own["sizeW"] + own["sizeB"]
        described += [own] if own else []
        x = y
    if not described or described[-1]["kind"] != "transpose":
        raise ValueError("the page draws what a Conv2DTranspose gives, but "
                         f"the decoder ends with {layer}; let it end with a "
                         "Conv2DTranspose")
    if y.shape[-1] not in (1, 3):
        raise ValueError(f"the page draws images of 1 channel or 3, but the "
                         f"decoder's have {y.shape[-1]}")
    return described


def python_sources() -> list[dict]:
    """Return the lines of Python that do what the page does."""
    found = []
    for what in VAE.decode, reparameterize, spherical:
        lines, line = inspect.getsourcelines(what)
        file = Path(inspect.getfile(what)).relative_to(PACKAGE)
        found.append({"name": what.__qualname__, "file": file.as_posix(),
                      "line": line,
                      "source": textwrap.dedent("".join(lines)).rstrip()})
    return found


# ---- the images ------------------------------------------------------------

def points(vae: VAE, data: Dataset, count: int) -> dict:
    """Return some test images, evenly spread, and their codes."""
    chosen = np.linspace(0, len(data.test_images) - 1, count).astype(int)
    images = data.test_images[chosen]
    check_bytes(images)
    codes = [list(map(to_numpy, vae.encode(vae.asarray(to_float(few)))))
             for few in np.array_split(images, -(-count // 200))]
    mu, logvar = map(np.concatenate, zip(*codes))
    return {"mu": base64_of(mu), "logvar": base64_of(logvar),
            "labels": base64_of(data.test_labels[chosen], "u1"),
            "names": list(map(str, data.class_names)),
            "colours": [to_hex(tuple(colour(c)))
                        for c in range(len(data.class_names))],
            "columns": SPRITE_COLUMNS,
            "sprite": sprite(images)}


def sprite(images: np.ndarray) -> str:
    """Return all images (N, H, W, C) in one, as the data URL of a PNG."""
    N, H, W, C = images.shape
    if images.dtype == bool and C == 3:          # a PNG has no bits of colour
        images = np.uint8(255) * images
    rows = -(-N // SPRITE_COLUMNS)
    sheet = np.zeros((rows * SPRITE_COLUMNS, H, W, C), images.dtype)
    sheet[:N] = images
    sheet = sheet.reshape(rows, SPRITE_COLUMNS, H, W, C).swapaxes(1, 2)
    sheet = sheet.reshape(rows * H, SPRITE_COLUMNS * W, C)
    if C == 1:
        sheet = sheet[..., 0]
    return url(Image.fromarray(sheet), "PNG", optimize=True)


def frame_url(frame: Frame) -> str:
    """Return a frame's picture, made smaller, as the data URL of a WebP."""
    image = Image.fromarray(frame.image)
    image.thumbnail((FRAME_PIXELS, FRAME_PIXELS), Image.Resampling.LANCZOS)
    return url(image, "WEBP", quality=40, method=6)


def url(image: Image.Image, kind: str, **settings) -> str:
    """Return a picture as a data URL, which holds it."""
    content = io.BytesIO()
    image.save(content, kind, **settings)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(
        content.getvalue()).decode()


def base64_of(a: np.ndarray, dtype: str = "<f4") -> str:
    """Return an array's numbers, as page.js reads them."""
    return base64.b64encode(np.asarray(a, dtype).tobytes()).decode()
