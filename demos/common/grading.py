"""Grade an answer: against the right numbers, and against known mistakes.

An exercise is two files of one name: the one in demos/exercises, with the part
that is left open, and the one in demos/exercises/checks, which holds an
Exercise and calls it EXERCISE. Nothing else has to know about it. There

    cases    gives random inputs: dicts, whose items are the arguments below
    run      computes an answer's outputs, {"dx": dx, ...}, for one case
    right    computes the right ones: with minivae, or by finite differences
    mistakes compute what each mistake gives, for the outputs that it changes

A mistake is recognised where an answer's numbers are those of the mistake, in
all cases. That is no guess: for random input, two formulas agree to six digits
only if they are the same.
"""
import copy
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minivae.gradcheck import numeric_gradient

from common.answers import Outcome, attempt, load_answer

SINGLE = "in float32"
WARNINGS = "warnings"     # this output is what NumPy warned of on the way


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer: what it is, where to look, what it gives."""

    name: str
    look: str
    gives: Callable[..., dict]


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


@dataclass
class Verdict:
    """done, open or wrong; what to print; the mistakes that were found."""

    status: str
    sentences: list[str]
    mistakes: list[str] = field(default_factory=list)

    def __str__(self):
        return "\n".join(textwrap.fill(sentence, 78, subsequent_indent="    ")
                         for sentence in self.sentences)


# ---- what an answer gives, beside what it should ---------------------------

def grade(exercise: Exercise, path: Path) -> Verdict:
    """Grade the answer in a file."""
    answer = load_answer(path, exercise.needs)
    if isinstance(answer, str):
        return Verdict("wrong", [answer])
    return judge(exercise, lambda **case: exercise.run(answer, **case), path)


def judge(exercise: Exercise, run: Callable[..., dict],
          path: Path | None = None) -> Verdict:
    """Grade what run(**case) gives for each case."""
    cases = exercise.cases(np.random.default_rng(0))
    rights = [attempt(exercise.right, case) for case in cases]
    mine = [attempt(run, case, path) for case in cases]
    if any(outcome.open for outcome in mine):
        return Verdict("open", ["Still open: it raises NotImplementedError. "
                                "Write the part that is left open."])
    for outcome in mine:
        if outcome.changed:
            return Verdict("wrong", [
                f"It changes its input {' and '.join(outcome.changed)}: others"
                " may still need the old values. Compute a new array instead "
                "(y = x * 2, not x *= 2)."], ["changes its input"])
    wrong = [name for name in rights[0].outputs
             if not all(m.error or agree(m, r, name, exercise.rtol)
                        for m, r in zip(mine, rights))]
    if wrong or any(outcome.error for outcome in mine):
        return explain(exercise, cases, mine, rights, wrong)
    problem = exercise.single and single_problem(run, cases, rights, path)
    if problem:
        return Verdict("wrong", [problem])
    return Verdict("done", [
        f"Right: {count(rights)} numbers in {len(cases)} cases"
        + ", also in float32." * exercise.single
        + "." * (not exercise.single)])


def agree(one: Outcome, other: Outcome, name: str, rtol: float) -> bool:
    """Do two outcomes have the same numbers under a name?"""
    return (name in one.outputs and name in other.outputs
            and close(one.outputs[name], other.outputs[name], rtol))


def close(a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    """Are two arrays equal, up to rtol and 1% of it of the largest?"""
    if a.shape != b.shape or not (is_readable(a) and is_readable(b)):
        return False
    if "U" in (a.dtype.kind, b.dtype.kind):
        return a.tolist() == b.tolist()
    largest = abs(b).max(initial=0, where=np.isfinite(b))
    return np.allclose(a, b, rtol, 0.01 * rtol * largest, equal_nan=True)


def is_readable(a: np.ndarray) -> bool:
    """Does an array hold numbers, or words?"""
    return a.dtype.kind in "biufcU"


def count(outcomes: list[Outcome]) -> int:
    """How many numbers are there in some outcomes?"""
    return sum(a.size for outcome in outcomes
               for name, a in outcome.outputs.items() if name != WARNINGS)


def single_problem(run, cases, rights, path) -> str:
    """Say what is wrong in float32, if anything is."""
    for case, right in zip(cases, rights):
        mine = attempt(run, {name: to_single(a) for name, a in case.items()},
                       path)
        if mine.error:
            return f"Right in float64; {SINGLE}, {mine.error}"
        for name, a in right.outputs.items():
            b = mine.outputs[name]
            # (single numbers become float64 too easily, in NumPy 1)
            if a.ndim and a.dtype == np.float64 and b.dtype != np.float32:
                return (f"Right in float64; but {SINGLE}, {name} is {b.dtype}:"
                        " an array or a NumPy scalar of float64 has crept in. "
                        "Use Python's numbers and math.sqrt, or "
                        "zeros_like(x).")
            if not close(b, to_single(a), 1e-3):
                return (f"Right in float64; but {SINGLE}, {name} is off by "
                        "more than rounding.")
    return ""


def to_single(a):
    """Return arrays of float64 in float32, all else as it is."""
    wide = isinstance(a, np.ndarray) and a.dtype == np.float64
    return a.astype("float32") if wide else copy.deepcopy(a)


# ---- which mistake it is ---------------------------------------------------

def explain(exercise, cases, mine, rights, wrong) -> Verdict:
    """Say what each wrong output looks like."""
    theirs = {mistake: [attempt(mistake.gives, case) for case in cases]
              for mistake in exercise.mistakes}
    sentences, found, left = [], [], list(wrong)
    while left:      # first what explains most, and claims no more than that
        explained, mistake = max(
            (([name for name in left if matches(
                name, mine, outcomes, rights, exercise.rtol)], mistake)
             for mistake, outcomes in theirs.items()), key=lambda pair: (
                 len(pair[0]), -len(theirs[pair[1]][0].outputs)))
        if not explained:
            break
        left = [name for name in left if name not in explained]
        found.append(mistake.name)
        sentences += [f"{beginning(explained, mine)} It looks like "
                      f"{mistake.name}.", f"Where to look: {mistake.look}"]
    sentences += [describe(name, cases, mine, rights, exercise.rtol)
                  for name in left]
    failed = [i for i, outcome in enumerate(mine) if outcome.error]
    if failed:
        sentences.append(f"It fails for {shapes(cases[failed[0]])}: "
                         f"{mine[failed[0]].error}")
    fine = [name for name in rights[0].outputs
            if name not in (*wrong, WARNINGS)]
    if fine and not failed:
        sentences.append(f"Right already: {', '.join(fine)}.")
    return Verdict("wrong", sentences, found)


def beginning(explained: list[str], mine: list[Outcome]) -> str:
    """Say which outputs are wrong: "dx and dw are wrong."."""
    named = [name for name in explained if name != WARNINGS]
    if named:
        verb = "is" if len(named) == 1 else "are"
        return f"{' and '.join(named)} {verb} wrong."
    kinds = {kind for outcome in mine if not outcome.error
             for kind in outcome.outputs[WARNINGS]}
    return f"NumPy warns of {' and '.join(sorted(kinds))} on the way."


def matches(name: str, mine: list[Outcome], theirs: list[Outcome],
            rights: list[Outcome], rtol: float) -> bool:
    """Is an output what a mistake gives in every case, and wrong in one?"""
    shows = False
    for m, t, right in zip(mine, theirs, rights):
        if m.error and t.error:
            continue
        if not agree(m, t, name, rtol):
            return False
        shows = shows or not agree(t, right, name, rtol)
    return shows


def describe(name: str, cases, mine, rights, rtol: float) -> str:
    """Say how an output is wrong where no mistake is recognised."""
    places = [i for i, (m, r) in enumerate(zip(mine, rights))
              if not (m.error or agree(m, r, name, rtol))]
    i = places[0]
    a, b = mine[i].outputs.get(name), rights[i].outputs[name]
    where = f"for {shapes(cases[i])}"
    if a is None or not is_readable(a):
        return f"{name} is missing, or not an array of numbers, {where}."
    if name == WARNINGS:
        return f"NumPy warns of {' and '.join(a) or 'nothing'} {where}."
    if a.shape != b.shape or a.dtype.kind == "U":
        return f"{name} has shape {a.shape}, but {b.shape} was expected."
    if not np.isfinite(a).all():
        return f"{name} has values that are not finite {where}."
    if not a.any():
        return f"{name} is wrong: it is all zeros {where}."
    far = f"{name} is wrong {where}: off by up to {abs(a - b).max():.2g}"
    ratio = (a * b).sum() / (b * b).sum() if b.any() else 0
    if ratio and close(a, ratio * b, rtol):
        return (f"{far}. It is {ratio:.4g} times the right one everywhere: a "
                "factor, or a sign.")
    if len(places) < len(cases):
        others = next(j for j in range(len(cases)) if j not in places)
        return f"{far}. It is right for {shapes(cases[others])}."
    return f"{far}; none of the mistakes known here gives that."


def shapes(case: dict) -> str:
    """Say what a case is: x (4, 3), dy (4, 3), size 2."""
    return ", ".join(f"{name} {a.shape if isinstance(a, np.ndarray) else a}"
                     for name, a in case.items()
                     if name != "before" and not isinstance(a, list))


# ---- what most exercises use -----------------------------------------------

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
        gives)


def added(right: Callable[..., dict]) -> Mistake:
    """Return a mistake that any layer with parameters can make."""
    def gives(x, before, **case):
        first = right(x=before, before=before, **case)
        second = right(x=x, before=before, **case)
        return {name: a + first[name] for name, a in second.items()
                if name not in ("y", "dx")}
    return Mistake(
        "a gradient that is added to the one of the batch before",
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
