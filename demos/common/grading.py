"""Grade an answer: is it right for random input, and in float32, too?"""
import copy
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from common.answers import (WARNINGS, Outcome, agree, attempt, close,
                            load_answer)
from common.diagnosis import explain
from common.exercise import Exercise


@dataclass
class Verdict:
    """done, open or wrong; what to print; the mistakes that were found."""

    status: str
    sentences: list[str]
    mistakes: list[str] = field(default_factory=list)

    def __str__(self):
        return "\n".join(textwrap.fill(sentence, 78, subsequent_indent="    ")
                         for sentence in self.sentences)


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
            names = sorted({"x" if name == "before" else name
                            for name in outcome.changed})
            return Verdict("wrong", [
                f"It changes its input {' and '.join(names)}, whose "
                "old values others may still need. Make a new array instead: "
                "y = x * 2 is one; x *= 2 and rng.shuffle(x) are not."],
                ["changes its input"])
    wrong = [name for name in rights[0].outputs
             if not all(m.error or agree(m, r, name, exercise.rtol)
                        for m, r in zip(mine, rights))]
    if wrong or any(outcome.error for outcome in mine):
        return Verdict("wrong", *explain(exercise, cases, mine, rights,
                                         wrong))
    problem = exercise.single and single_problem(run, cases, rights, path)
    if problem:
        return Verdict("wrong", [problem])
    return Verdict("done", [
        f"Right: {count(rights)} numbers in {len(cases)} cases"
        + ", also in float32." * exercise.single
        + "." * (not exercise.single)])


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
            return f"Right in float64; in float32, {mine.error}"
        for name, a in right.outputs.items():
            b = mine.outputs[name]
            # (single numbers become float64 too easily, in NumPy 1)
            if a.ndim and a.dtype == np.float64 and b.dtype != np.float32:
                return (f"Right in float64; but in float32, {name} is "
                        f"{b.dtype}: an array or a NumPy scalar of float64 has"
                        " crept in. Use math.sqrt and math.log for single "
                        "numbers, and zeros_like(x); np.where of two numbers "
                        "is float64.")
            if not close(b, to_single(a), 1e-3):
                return (f"Right in float64; but in float32, {name} is off by "
                        "more than rounding.")
    return ""


def to_single(a):
    """Return arrays of float64 in float32, all else as it is."""
    wide = isinstance(a, np.ndarray) and a.dtype == np.float64
    return a.astype("float32") if wide else copy.deepcopy(a)
