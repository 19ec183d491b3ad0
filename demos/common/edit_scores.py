"""How good is an edit (edits.py)? What is seen in it, and what should be.

Two judges: a reader (face_reader.py) says what it sees; but it can be fooled.
The other cannot: the same people are drawn anew with another smile, and the
difference in the mouth's box says how much of the way there an edit goes.
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .code_spaces import Space
from .edits import SMILE, anew
from .face_reader import r_squared
from .faces import mouth_box
from .people import People

STEPS = np.linspace(-1, 1, 11)


class Seen(NamedTuple):
    """What a reader sees in N faces that are edited to each of STEPS."""

    smiles: np.ndarray         # (11, N)
    changes: np.ndarray        # (N, K), from -1 to 1, in standard deviations

    @property
    def correlation(self) -> float:
        """Between the smile that was asked for and the one that is seen."""
        asked = np.repeat(STEPS, self.smiles.shape[1])
        return np.corrcoef(asked, self.smiles.ravel())[0, 1]

    @property
    def rising(self) -> float:
        """The share of faces whose smile rises at every step."""
        return (np.diff(self.smiles, axis=0) > 0).all(axis=0).mean()

    @property
    def drift(self) -> float:
        """How much the other factors change: root mean square."""
        return np.sqrt((np.delete(self.changes, SMILE, axis=1) ** 2).mean())

    @property
    def systematic(self) -> np.ndarray:
        """How all factors change in the mean over faces: (K,)."""
        return self.changes.mean(axis=0)


def look(read: Callable, edit: Callable, table: np.ndarray) -> Seen:
    """Let a reader look at edits of faces with the factors in table (N, K)."""
    seen = [read(edit(step)) for step in STEPS]
    return Seen(np.stack([factors[:, SMILE] for factors in seen]),
                (seen[-1] - seen[0]) / table.std(axis=0))


def gap_closed(unedited: np.ndarray, edited: np.ndarray, best: np.ndarray,
               true: np.ndarray) -> float:
    """Return how much of the squared error in the mouth an edit removes.

    All are images (N, H, W, 1) in 0..1. 1 is all that can be removed: best is
    what a perfect edit would give, the true picture, encoded and decoded.
    """
    error, edited_error, least = (mouth_error(images, true)
                                  for images in (unedited, edited, best))
    return (error - edited_error) / (error - least)


def mouth_error(images: np.ndarray, true: np.ndarray) -> float:
    """The mean squared difference of a pixel in the mouth's box."""
    rows, columns = mouth_box(true.shape[1])
    return ((images - true)[:, rows, columns] ** 2).mean()


class Judge:
    """Faces that were held out, the reader of their factors, and the truth.

    Edits are those of all its images, (N, H, W, 1).
    """

    def __init__(self, read: Callable, people: People, size: int):
        self.read, self.people, self.table = read, people, people.table()
        self.truth, smile = anew(people, size), self.table[:, [SMILE]]
        self.images = self.truth(smile)
        self.other = np.where(smile > 0, -1.0, 1.0)      # (N, 1): far away
        self.true = self.truth(self.other)

    def look(self, edit: Callable) -> Seen:
        """Let the reader look at an edit."""
        return look(self.read, edit, self.table)

    def gap_closed(self, edit: Callable, space: Space) -> float:
        """How far an edit goes, of the way that codes in a space allow."""
        unedited, best = (space.decode(space.encode(images))
                          for images in (self.images, self.true))
        return gap_closed(unedited, edit(self.other), best, self.true)

    def off(self, edit: Callable) -> float:
        """How far an edit's mouths are from the true ones, black being 1.

        A root mean square.
        """
        return np.sqrt(mouth_error(edit(self.other), self.true))

    def known(self, read: Callable, space: Space) -> np.ndarray:
        """R² of all factors (K,), read from the codes of its images."""
        return r_squared(read(space.encode(self.images)), self.table)
