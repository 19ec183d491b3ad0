"""What smile.py prints: a row for each way to edit, a row for each factor."""
from collections.abc import Iterable

import numpy as np

from .edit_scores import Seen
from .edits import SMILE
from .people import FACTORS

EDITS = """
What edits do to {N} held-out faces, from a smile of -1 to one of 1
as asked   correlation between the smile that is asked for and the one that
           the reader sees
rising     faces in which it sees more of a smile at each of ten steps
drift      how much the other factors change meanwhile: root mean square, in
           standard deviations of each
gap        how much of the mouth's squared error is gone, beside the true
           picture, the same face drawn anew with the other smile; 100% is all
           that codes allow
off        how far its pixels then are from the true ones: root mean square,
           black being 100%
R2         how well the smile is read from the code, by a linear map

                          as asked  rising   drift     gap     off      R2"""

KNOWN = """
How well a factor is known, as R2 (1 is perfectly): to the reader, from
pictures that it has not seen; and from codes, by a linear map. (What changes
few pixels, as a nose does, may not be worth its nats.)
"""

CONFOUNDED = """
Other people to learn from: hair, glasses and style each go with a smile in a
half of them, chosen anew for each. Smiles correlate with dark hair \
({hair:.2f}),
glasses ({glasses:.2f}) and long hair ({long hair:.2f}). What directions \
found among them
do to the same held-out faces, from a smile of -1 to one of 1: mean changes, in
standard deviations
"""


def print_edit(name: str, seen: Seen, gap: float, off: float,
               known: float) -> None:
    """Print one way's row below EDITS."""
    print(f"{name:<24}{seen.correlation:10.3f}{seen.rising:8.0%}"
          f"{seen.drift:8.2f}{gap:8.0%}{off:8.0%}{known:8.2f}")


def print_factors(columns: dict[str, np.ndarray]) -> None:
    """Print numbers of all factors, {name: (K,)}, a row for each factor."""
    print_numbers("", columns, "13")
    for factor, *numbers in zip(FACTORS, *columns.values()):
        print_numbers(factor, numbers)


def print_numbers(name: str, numbers: Iterable, form: str = "13.2f") -> None:
    """Print one row: a name and its numbers."""
    print(f"{name:<14}" + "".join(format(n, ">" + form) for n in numbers))


def largest_other(drift: np.ndarray) -> float:
    """Return the largest change of a factor that is not the smile's."""
    return abs(np.delete(drift, SMILE)).max()


def correlations(table: np.ndarray) -> dict[str, float]:
    """Return each factor's correlation with the smile, by name."""
    return dict(zip(FACTORS, np.corrcoef(table.T)[SMILE].tolist()))
