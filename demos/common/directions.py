"""Which way is a smile? Ways to find it from codes and what is known of them.

codes are (N, D); table (N, K) has the factors of the same N faces, the smile
first. A direction (D,) is what one unit more of a smile adds to a code.
"""
from collections.abc import Callable

import numpy as np

from .people import LONG, People


def from_means(codes: np.ndarray, smile: np.ndarray) -> np.ndarray:
    """From the sad's mean code to the happy's, for one unit of a smile.

    It needs no more than labels, and the mean smile of both. Whatever else
    the two differ in is in it, too.
    """
    happy = smile > 0
    return ((codes[happy].mean(axis=0) - codes[~happy].mean(axis=0))
            / (smile[happy].mean() - smile[~happy].mean()))


def balanced(codes: np.ndarray, smile: np.ndarray,
             cells: np.ndarray) -> np.ndarray:
    """The mean of from_means in each cell, such as long hair with glasses.

    Within a cell the happy and the sad do not differ in what defines it.
    """
    return np.mean([from_means(codes[cells == cell], smile[cells == cell])
                    for cell in np.unique(cells)], axis=0)


def regress(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares: y (N, L) is nearly x (N, K)·w + b. Returns w and b."""
    x, y = np.float64(x), np.float64(y)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    # the normal equations, xᵀx·w = xᵀy, are quick where N is large; of many
    # solutions (the styles' columns add up to 1) lstsq takes the smallest
    x, y = x - x_mean, y - y_mean
    w = np.linalg.lstsq(x.T @ x, x.T @ y, rcond=1e-10)[0]         # (K, L)
    return w, y_mean - x_mean @ w


def reading(codes: np.ndarray, table: np.ndarray) -> Callable:
    """Return a function that reads all factors (N, K) from codes, linearly."""
    w, b = regress(codes, table)
    return lambda codes: codes @ w + b


def from_regression(codes: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The code, regressed on all factors: what a smile adds, others equal."""
    return regress(table, codes)[0][0]


def filter_of(codes: np.ndarray, smile: np.ndarray) -> np.ndarray:
    """Not a direction: w of w·z + b, the smile regressed on the code.

    A good reader, for w also cancels whatever else moves a code the same way;
    and so it points elsewhere (Haufe et al. 2014). Returns the step along it,
    w/(w·w), that changes what w reads by 1.
    """
    w = regress(codes, smile[:, None])[0][:, 0]
    return w / (w @ w)


def all_ways(codes: np.ndarray, people: People) -> dict[str, np.ndarray]:
    """Return what each of them finds among people, (D,) by name."""
    smile, table = people.smile, people.table()
    cells = people.glasses + 2 * (people.style == LONG)
    return {"means": from_means(codes, smile),
            "balanced": balanced(codes, smile, cells),
            "all factors": from_regression(codes, table),
            "the filter": filter_of(codes, smile)}


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the cosine of the angle between two directions."""
    return a @ b / np.sqrt((a @ a) * (b @ b))


def curve(codes: np.ndarray, table: np.ndarray) -> Callable:
    """Return a function from a table to codes that bends with the smile.

    The code is regressed on the factors, the smile's square and cube, and the
    products of both smile and square with all other factors: so the path is
    curved, and each face has one of its own.
    """
    w, b = regress(terms(table), codes)
    return lambda table: terms(table) @ w + b


def terms(table: np.ndarray) -> np.ndarray:
    """Return what a curve is made of, (N, 3·K), for each row of a table."""
    smile, others = table[:, :1], table[:, 1:]
    return np.hstack([table, smile ** 2, smile ** 3, smile * others,
                      smile ** 2 * others])
