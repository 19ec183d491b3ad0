"""Whom to draw? Every face is a row of numbers, and all of them are known.

With photographs one knows a label or two. Here all factors that make a
picture are drawn from a seed, independently of each other; so that what an
edit does to each of them can be measured.
"""
from typing import NamedTuple

import numpy as np

from minivae.backend import Seed

STYLES = "short hair", "big hair", "parted hair", "long hair"
LONG = STYLES.index("long hair")
GLASSES = 0.3            # the share of faces that wear them


class People(NamedTuple):
    """The factors of N faces, each (N,), in the order of a table's columns.

    All run from -1 to 1, but for glasses, 0 or 1, and style, a place in
    STYLES.
    """

    smile: np.ndarray          # -1 sad, 0 a straight lip line, 1 broad
    opening: np.ndarray        # of the mouth: -1 closed, 1 wide open
    mouth: np.ndarray          # its width
    eyes: np.ndarray           # their size
    brows: np.ndarray          # their angle: -1 worried, 1 angry
    nose: np.ndarray           # its length
    width: np.ndarray          # the face's
    height: np.ndarray
    skin: np.ndarray           # -1 light, 1 dark
    hair: np.ndarray           # -1 blond, 1 black
    x: np.ndarray              # the head's place: 1 is right
    y: np.ndarray              # 1 is down, as rows are counted
    glasses: np.ndarray
    style: np.ndarray

    def table(self) -> np.ndarray:
        """Return the factors as numbers (N, 17): a column for each style."""
        *others, style = self
        is_style = style[:, None] == np.arange(len(STYLES))
        return np.column_stack([*others, is_style]).astype(np.float32)

    def some(self, places: slice | np.ndarray) -> "People":
        """Return those at some places."""
        return People(*(factor[places] for factor in self))

    def but(self, **factors: float) -> "People":
        """Return the same people, all of them with another factor or two."""
        return self._replace(**{name: np.full(len(self.smile), value)
                                for name, value in factors.items()})


FACTORS = *People._fields[:-1], *STYLES           # names of table's columns


def draw_people(n: int, rng: Seed = None, follow: float = 0.0) -> People:
    """Draw n people; follow is the share in whom more goes with a smile.

    In that share of them, chosen anew for each of the three, who smiles is
    blond, has long hair and wears no glasses, and who does not, the reverse.
    With 0 all factors are independent.
    """
    rng = np.random.default_rng(rng)
    people = People(*rng.uniform(-1, 1, (12, n)),
                    glasses=(rng.random(n) < GLASSES).astype(float),
                    style=rng.integers(len(STYLES), size=n))
    smile, (blond, long, none) = people.smile, rng.random((3, n)) < follow
    return people._replace(
        hair=np.where(blond, -smile, people.hair),
        style=np.where(long, np.where(smile > 0, LONG, people.style % LONG),
                       people.style),
        glasses=np.where(none, smile <= 0, people.glasses))
