"""How is a face drawn from its factors? By distances to its outlines.

A shape is a function d(x, y): how far away its outline is, negative inside
(nearly: it need be right close to the outline only). A pixel whose middle lies
d pixels away is covered by 1/2 − d of it, cut to 0..1: that is antialiasing.
Shapes are painted one over another, from the back to the front; everything is
a NumPy expression over (N, H, W).

As in the other data sets, a pixel says how much ink there is: 0 is white
paper, 255 black. So light skin is light where ink is drawn dark.
"""
import math

import numpy as np

from minivae.backend import Array

from .people import LONG, STYLES, People

FEW = 100       # faces at a time: what is painted stays in the cache


def draw_faces(people: People, size: int = 32) -> np.ndarray:
    """Draw people, size by size pixels: ink (N, size, size, 1), uint8."""
    parts = [paint(people.some(slice(start, start + FEW)), size)
             for start in range(0, len(people.smile), FEW)]
    return (255 * np.concatenate(parts)).round().astype(np.uint8)[..., None]


def paint(people: People, size: int) -> np.ndarray:
    """Paint people in 0..1, (N, size, size), from the back to the front."""
    p = People(*(np.float32(factor)[:, None, None] for factor in people))
    # the picture's middle is 0, its edges are -1 and 1; y grows downwards
    steps = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    x = steps[None, None, :] - 0.08 * p.x
    y = steps[None, :, None] - 0.06 * p.y - 0.05
    ink = np.zeros((len(p.smile), size, size), np.float32)

    def cover(d, shade):
        nonlocal ink
        ink = ink + (shade - ink) * np.clip(0.5 - d * (size / 2), 0, 1)

    skin = 0.22 + 0.14 * p.skin
    hair = 0.66 + 0.27 * p.hair
    w, h = 0.62 + 0.07 * p.width, 0.78 + 0.07 * p.height
    face = ellipse(x, y, w, h)
    cover(hair_behind(x, y, w, h, p.style), hair)
    cover(face, skin)
    cover(np.maximum(face - 0.03, hairline(x, y, h, p.style)), hair)
    side = abs(x)                                     # left is as right
    eye = 0.125 + 0.035 * p.eyes
    cover(ellipse(side - 0.27, y + 0.1, 1.2 * eye, eye), 0.02)
    cover(ellipse(side - 0.27, y + 0.1, 0.6 * eye, 0.75 * eye), 0.95)
    inner = 0.07 * p.brows                      # angry: the inner end low
    cover(line(side, y, 0.14, -0.35 + inner, 0.42, -0.35 - inner) - 0.03, 0.9)
    nose = 0.12 + 0.09 * p.nose
    cover(line(x, y, 0, -0.05, 0, nose) - 0.045, skin + 0.3)
    cover(mouth(x, y - 0.45, p), 0.95)
    rim = abs(ellipse(side - 0.27, y + 0.1, 0.22, 0.2)) - 0.025
    bridge = np.maximum(side - 0.06, abs(y + 0.1) - 0.025)
    cover(np.minimum(rim, bridge) + 9 * (p.glasses == 0), 0.8)
    return ink


def mouth(x: Array, y: Array, p: People) -> Array:
    """A lip line with curvature, as thick as the mouth is open."""
    w = 0.35 + 0.06 * p.mouth
    u = np.clip(x / w, -1, 1)                         # -1 and 1: its corners
    curve = 0.2 * p.smile
    middle = curve * (0.5 - u * u)              # a smile's corners are up
    # a wide open sad mouth would look like a moustache
    opening = 0.065 * (1 + p.opening) * (1 - 0.45 * np.maximum(-p.smile, 0))
    half = 0.045 + opening * (1 - u * u)
    slope = 2 * curve * u / w
    # a vertical distance, seen along the normal of a line with that slope
    d = (abs(y - middle) - half) / np.sqrt(1 + slope * slope)
    beyond = np.maximum(abs(x) - w, 0)
    return np.where(beyond > 0, np.hypot(beyond, np.maximum(d, 0)), d)


def mouth_box(size: int) -> tuple[slice, slice]:
    """Return the rows and columns that hold every mouth, wherever the head is.
    """
    def between(low, high):
        return slice(math.floor((1 + low) / 2 * size),
                     math.ceil((1 + high) / 2 * size))
    return between(0.2, 0.84), between(-0.52, 0.52)


def hair_behind(x: Array, y: Array, w: Array, h: Array,
                style: Array) -> Array:
    """What is seen beside the face: little, a lot, or down to the chin."""
    more = np.float32([0.04, 0.2, 0.04, 0.1])[style.astype(int)]
    round_ = ellipse(x, y + 0.12, w + more, h + more - 0.06)
    curtain = np.maximum(abs(x) - w - 0.1, np.maximum(-y - 0.12, y - 0.85))
    return np.where(style == LONG, np.minimum(round_, curtain), round_)


def hairline(x: Array, y: Array, h: Array, style: Array) -> Array:
    """Below it is the forehead: level, or slanting away from a parting."""
    level = y + 0.6 * h + 0.25 * x * x
    slant = y + 0.68 * h - 0.35 * abs(x + 0.2)
    return np.where(style == STYLES.index("parted hair"), slant, level)


def ellipse(x: Array, y: Array, a: Array, b: Array) -> Array:
    """Distance to an ellipse, k = sqrt((x/a)² + (y/b)²) = 1.

    Nearly (k − 1)/|∇k|, a step of Newton's method along the gradient, which
    is ∇k = (x/a², y/b²)/k.
    """
    k = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    slope = np.sqrt((x / (a * a)) ** 2 + (y / (b * b)) ** 2)
    return (k - 1) * k / np.maximum(slope, 1e-3)


def line(x: Array, y: Array, x1: Array, y1: Array, x2: Array,
         y2: Array) -> Array:
    """Distance to a segment from (x1, y1) to (x2, y2)."""
    dx, dy = x2 - x1, y2 - y1
    t = np.clip(((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - x1 - t * dx, y - y1 - t * dy)
