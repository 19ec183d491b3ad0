"""All pictures of a folder in one array, with what their folders say."""
import math
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..runs.npz import LARGEST
from .folders import Picture, find_pictures, leave_out
from .labels import FEWEST, Labelled, hold_out, natural, number
from .pictures import no_screen, read_picture, shown, white_of


def read_pictures(folder: Path, size: int | None, notes: list) -> Labelled:
    """Read all pictures in folder, in the natural order of their names.

    size: cut each to a square and scale it to size × size; without it, all
    must be of one size. Raises ValueError in one sentence, or OSError.
    """
    found = find_pictures(folder, notes)
    check_count(folder, found, notes)
    images, found = read_all(folder, found, size, notes)
    check_count(folder, found, notes)
    if images.max() == 1:
        notes.append("all pixels are 0 or 1: these are taken as black and "
                     "white")
        images *= 255
    if images.shape[-1] == 1:
        images = 255 - images     # grey: dark is ink, so that it is drawn dark
    labels, names = number([one.class_name for one in found], notes)
    if found[0].test is None:
        return Labelled(images, labels, names, hold_out(labels))
    test = np.array([one.test for one in found])
    if test.all() or not test.any():
        raise ValueError(f"{folder}: no picture to "
                         f"{'train' if test.all() else 'test'} on can be "
                         "read; put others there")
    return Labelled(images, labels, names, test)


def check_count(folder: Path, found: list, notes: list) -> None:
    """Refuse too few pictures, and say what else is there."""
    if len(found) < FEWEST:
        others = f" ({'; '.join(notes)})" if notes else ""
        raise ValueError(f"{folder} has {len(found)} pictures (PNG, JPEG, "
                         "BMP, GIF, PPM, TIFF or WebP files), but at least "
                         f"{FEWEST} were expected{others}; put more there")


def read_all(folder: Path, found: list[Picture], size: int | None,
             notes: list) -> tuple[np.ndarray, list[Picture]]:
    """Return images (n, H, W, C), bytes, and the n pictures that were read.

    C is 1 if all are grey, else 3. Damaged pictures are left out, but raise
    ValueError if they are the majority.
    """
    white = white_of([one.path for one in found])
    square = (size, size) if size else None
    images, read = np.empty((0, 0, 0, 1), np.uint8), list[Picture]()
    damaged, odd, moving = [], [], []
    for one in tqdm(found, "reading pictures", leave=False,
                    disable=no_screen()):
        try:
            picture = read_picture(one.path, square, white)
        except ValueError as error:
            damaged.append((one.path, error))
            continue
        colours = picture.colours
        if read and colours.shape[:2] != images.shape[1:3]:
            raise ValueError(
                f"{shown(one.path)} has {size_of(colours)} pixels, but "
                f"{shown(read[0].path.name)} has {size_of(images[0])}; give "
                "all one size with --image-size")
        images = with_room(folder, images, len(found), colours)
        images[len(read)] = colours[..., :images.shape[3]]
        read.append(one)
        moving += [one.path] * picture.moves
        odd += [(one.path, said) for said in picture.warnings[:1]]
    note_oddities(folder, read, damaged, odd, moving, notes)
    lost = {one.class_name for one in found} - {one.class_name for one in read}
    if lost:
        notes.append("classes none of whose pictures can be read: "
                     f"{', '.join(map(shown, sorted(lost, key=natural)))}")
    if size:
        notes.append(f"pictures were cut to squares and scaled to {size} x "
                     f"{size}")
    return images[:len(read)], read


def size_of(image: np.ndarray) -> str:
    """Return the size of an image (H, W, C) in words."""
    return f"{image.shape[0]} x {image.shape[1]}"


def with_room(folder: Path, images: np.ndarray, count: int,
              colours: np.ndarray) -> np.ndarray:
    """Return images (count, H, W, C), with a C that has room for colours.

    Raises ValueError if they would not fit into LARGEST bytes.
    """
    grey = (colours == colours[..., :1]).all()
    if len(images) and (grey or images.shape[3] == 3):
        return images
    shape = (count, *colours.shape[:2], 1 if grey else 3)
    if math.prod(shape) > LARGEST:
        raise ValueError(f"{folder}: {count:,} pictures of {size_of(colours)} "
                         f"would take {math.prod(shape) / 1e9:.1f} GB; scale "
                         "them with --image-size, or use fewer")
    if not len(images):
        return np.empty(shape, np.uint8)
    return images.repeat(3, axis=3)             # all until now have been grey


def note_oddities(folder: Path, read: list, damaged: list, odd: list,
                  moving: list, notes: list) -> None:
    """Note which pictures are damaged, animated or odd in another way.

    Raises ValueError if more are damaged than are not.
    """
    if len(damaged) > len(read):
        raise ValueError(f"{folder}: {len(damaged)} of "
                         f"{len(damaged) + len(read)} pictures cannot be "
                         f"read; the first of them: {damaged[0][1]}")
    for what, closed in ("damaged", False), ("not readable", True):
        some = [(path, error) for path, error in damaged
                if isinstance(error.__cause__, PermissionError) == closed]
        if some:
            leave_out(notes, what, [path for path, _ in some], folder,
                      f"; {some[0][1]}")
    if moving:
        notes.append("only the first frame was taken of animated pictures "
                     f"({len(moving):,}), such as {shown(moving[0].name)}")
    if odd:
        notes.append("pictures were read in spite of warnings "
                     f"({len(odd):,}), such as {shown(odd[0][0].name)}: "
                     f"{odd[0][1]}")
