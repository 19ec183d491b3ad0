"""What an exercise is, and how to add one.

An exercise is two files of one name: the one in demos/exercises, with the part
that is left open, and the one in demos/exercises/checks, which holds an
Exercise and calls it EXERCISE. Nothing else has to know about it. There

    cases     gives random inputs: dicts, whose items are the arguments below
    run       computes an answer's outputs, {"dx": dx, ...}, for one case
    right     computes the right ones: with minivae, or by finite differences
    mistakes  compute what each mistake gives, for the outputs that it changes
"""
import runpy
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minivae.gradcheck import numeric_gradient

SHIPPED = Path(__file__).parents[1] / "exercises"
FILES = sorted(SHIPPED.glob("[0-9][0-9]_*.py"))


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer: what it is, where to look, what it gives."""

    name: str
    look: str
    gives: Callable[..., dict]
    published: bool = False         # in somebody's code, with fine pictures


@dataclass(frozen=True)
class Exercise:
    """All that grading needs to know; see the beginning of this file."""

    needs: tuple[str, ...]          # the names that an answer defines
    read: str                       # the file to read before
    hints: tuple[str, str, str]
    cases: Callable[[np.random.Generator], list[dict]]
    run: Callable[..., dict]        # (the answer's module, **case)
    right: Callable[..., dict]      # (**case)
    mistakes: list[Mistake]
    single: bool = True             # must it also work in float32?
    rtol: float = 1e-6              # more for what is random

    def hint(self, level: int) -> str:
        """Return a hint to print: level 1, 2 or 3."""
        if level not in (1, 2, 3):
            raise ValueError(f"there is no hint {level}; they are 1, 2 and 3")
        return textwrap.fill(
            f"Hint {level} of 3: {self.hints[level - 1]}", 78)


def the_exercise(number: int) -> tuple[Path, Exercise]:
    """Return the file of an exercise that ships, and how it is graded."""
    if not 1 <= number <= len(FILES):
        raise ValueError(f"there is no exercise {number}; they go from 1 to "
                         f"{len(FILES)}")
    path = FILES[number - 1]
    check = runpy.run_path(str(SHIPPED / "checks" / path.name))
    return path, check["EXERCISE"]


# ---- what most of them use -------------------------------------------------

def run_layer(layer, x, dy, before, **params) -> dict:
    """Return y, dx and the gradients of a layer's second batch.

    before is the x of the first: what is left of it must not show.
    """
    layer.params.update(params)
    layer.forward(before)
    layer.backward(dy)
    y = layer.forward(x)
    dx = layer.backward(dy)
    return {"y": y, "dx": dx,
            **{f"d{name}": layer.grads.get(name) for name in params}}


def stale(right: Callable[..., dict]) -> Mistake:
    """Return a mistake that any layer can make: its cache is an old one."""
    def gives(x, before, **case):
        outputs = right(x=before, before=before, **case)
        return {name: a for name, a in outputs.items() if name != "y"}
    return Mistake(
        "a stale cache: it goes back through the first x that it saw",
        "forward has to set self.cache anew each time that it is called.",
        gives, published=True)


def added(right: Callable[..., dict]) -> Mistake:
    """Return a mistake that any layer with parameters can make."""
    def gives(x, before, **case):
        first = right(x=before, before=before, **case)
        second = right(x=x, before=before, **case)
        return {name: a + first[name] for name, a in second.items()
                if name not in ("y", "dx")}
    return Mistake(
        "a gradient that is added to that of the previous batch",
        "backward overwrites self.grads; nobody sets them to zero in between.",
        gives)


def call(function: Callable, names: tuple[str, ...], **case) -> dict:
    """Return what a function returns, by names."""
    result = function(**case)
    if not isinstance(result, (tuple, list)) or len(result) != len(names):
        many = f"{len(result)} values" if isinstance(
            result, (tuple, list)) else f"one {type(result).__name__}"
        raise ValueError(f"it returns {many}, but {', '.join(names)} were "
                         "expected, in this order")
    return dict(zip(names, result))


def slopes(f: Callable, dy: np.ndarray, *arrays: np.ndarray) -> list:
    """Return dL/da of L = sum dy*f(*arrays) for each array, numerically."""
    return [numeric_gradient(lambda: f(*arrays), a, dy)[0] for a in arrays]
