"""Which mistake is it? An answer's numbers beside those of known mistakes.

A mistake is recognised where an answer's numbers are those of the mistake, in
all cases. That is no guess: for random input, two formulas agree to six digits
only if they are the same.
"""
import numpy as np

from common.answers import (WARNINGS, Outcome, agree, attempt, close,
                            is_readable)
from common.exercise import Exercise


def explain(exercise: Exercise, cases: list[dict], mine: list[Outcome],
            rights: list[Outcome], wrong: list[str]) -> tuple[list, list]:
    """Say what each wrong output looks like: sentences, mistakes' names."""
    theirs = {mistake: [attempt(mistake.gives, case) for case in cases]
              for mistake in exercise.mistakes}
    sentences, found, left, everywhere = [], [], list(wrong), True
    while left:      # first what explains most, and claims no more than that
        explained, mistake = max(
            (([name for name in left if matches(
                name, mine, outcomes, exercise.rtol, everywhere)],
              mistake)
             for mistake, outcomes in theirs.items()), key=lambda pair: (
                 len(pair[0]), -len(theirs[pair[1]][0].outputs)))
        if not explained:
            if not everywhere:
                break
            everywhere = False       # it may fail for another one's sake
            continue
        left = [name for name in left if name not in explained]
        found.append(mistake.name)
        sentences += [f"{beginning(explained, mine)} It looks like "
                      f"{mistake.name}." + " (You are in good company: it has "
                      "been found in published code.)" * mistake.published,
                      f"Where to look: {mistake.look}"]
    if left and not found:
        sentences.append(describe(left.pop(0), cases, mine, rights,
                                  exercise.rtol))
    if left:
        names = ", ".join(left).replace(WARNINGS, "NumPy's warnings")
        sentences.append(f"Also wrong: {names}; perhaps only because of that.")
    failed = [i for i, outcome in enumerate(mine) if outcome.error]
    if failed:
        sentences.append(f"It fails for {shapes(cases[failed[0]])}: "
                         f"{mine[failed[0]].error}")
    fine = [name for name in rights[0].outputs
            if name not in (*wrong, WARNINGS)]
    if fine and not failed:
        sentences.append(f"Right already: {', '.join(fine)}.")
    return sentences, found


def beginning(explained: list[str], mine: list[Outcome]) -> str:
    """Say which outputs are wrong: "y, dx and dw are wrong."."""
    named = [name for name in explained if name != WARNINGS]
    if named:
        verb = "is" if len(named) == 1 else "are"
        *some, last = named
        names = f"{', '.join(some)} and {last}" if some else last
        return f"{names} {verb} wrong."
    kinds = {kind for outcome in mine if not outcome.error
             for kind in outcome.outputs[WARNINGS]}
    return f"NumPy warns of {' and '.join(sorted(kinds))} on the way."


def matches(name: str, mine: list[Outcome], theirs: list[Outcome],
            rtol: float, everywhere: bool) -> bool:
    """Is an output, a wrong one, what a mistake gives in every case?

    everywhere: where an answer fails, the mistake has to fail as well.
    """
    return all(agree(m, t, name, rtol) for m, t in zip(mine, theirs)
               if not m.error or everywhere and not t.error)


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
        return f"{name} is all zeros {where}: has it been computed at all?"
    far = f"{name} is wrong {where}: off by up to {abs(a - b).max():.2g}"
    ratio = (a * b).sum() / (b * b).sum() if b.any() else 0
    if a.size > 1 and ratio and close(a, ratio * b, rtol):
        N = next((len(x) for x in cases[i].values() if np.ndim(x) > 1), 1)
        batch = N > 1 and np.isclose(abs(ratio), [N, 1 / N], rtol).any()
        return (f"{far}. It is {ratio:.4g} times the right one everywhere: a "
                "factor, or a sign."
                + f" (The batch has {N} rows.)" * int(batch))
    if len(places) < len(cases):
        others = next(j for j in range(len(cases)) if j not in places)
        return f"{far}. It is right for {shapes(cases[others])}."
    return f"{far}; none of the mistakes known here gives that."


def shapes(case: dict) -> str:
    """Say what a case is: x (4, 3), dy (4, 3), size 2."""
    return ", ".join(f"{name} {a.shape if isinstance(a, np.ndarray) else a}"
                     for name, a in case.items()
                     if name != "before" and not isinstance(a, list))
