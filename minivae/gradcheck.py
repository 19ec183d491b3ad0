"""Gradient checks: is backward really the derivative of forward?

Move one number a by a small h, both ways, and see how L = Σ dy·y moves:

    dL/da = [L(a + h) − L(a − h)] / 2h + O(h²)

That needs only forward, so it can judge backward. Every element is tried,
since a sample misses the one wrong element among thousands; and dy is random,
since an upstream of ones cannot see, say, a kernel flipped upside down.
"""
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .backend import Array, get_xp, move, to_numpy
from .layers import Layer

STEP = 1e-5      # rounding costs about 1e-16 / h, the O(h²) term about 1e-10
TOLERANCE = 1e-7


@dataclass(frozen=True)
class Row:
    """One gradient against finite differences: where they differ most."""

    name: str
    elements: int
    error: float                    # relative; inf if there is no gradient
    where: tuple = ()
    analytic: float = np.nan
    numeric: float = np.nan
    kink: bool = False


@dataclass
class Report:
    """What a check found: print it, or ask whether it is ok."""

    layer: str
    tolerance: float
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """No gradient is off by more than the tolerance, nothing else odd."""
        return not self.problems and all(row.error <= self.tolerance
                                         for row in self.rows)

    def __str__(self):
        lines = [self.layer, f"  {'gradient':<10}{'elements':>9}"
                             f"{'relative error':>16}  at"]
        for row in self.rows:
            fine = row.error <= self.tolerance
            where = ", ".join(map(str, row.where))
            lines.append(f"  d{row.name:<9}{row.elements:>9,}"
                         f"{row.error:>16.1e}  {where:<12}"
                         f"{'ok' if fine else 'WRONG'}")
            if not fine and row.where:
                lines.append(f"    backward says {row.analytic:.8g}, "
                             f"differences {row.numeric:.8g}")
            if row.kink:
                lines.append("    a kink: left and right of it the slopes "
                             "differ; move x away from it")
        lines += [f"  PROBLEM: {problem}" for problem in self.problems]
        lines.append(f"  {'passed' if self.ok else 'FAILED'} at a tolerance "
                     f"of {self.tolerance:.0e}")
        return "\n".join(lines)


def check_layer(layer: Layer, x: Array, *,
                rng: np.random.Generator | None = None,
                tolerance: float = TOLERANCE, verbose: bool = True) -> Report:
    """Check a layer's every gradient at x; return a report, and print it.

    x (N, ...) and the parameters must be float64, else TypeError. The report
    also tells of a layer that breaks its promises (see Layer): one that is
    not deterministic, writes into x, dy or its parameters, adds to old
    gradients or goes back through an old x.
    """
    rng = rng or np.random.default_rng(0)
    for name, a in {"x": x, **layer.params}.items():
        if a.dtype != np.float64:
            raise TypeError(
                f"check_layer: {name} is {a.dtype}, but finite differences "
                "need float64: of float32's 7 digits a difference loses 4. "
                "Build the layer with dtype='float64' and convert x with "
                ".astype('float64')")
    x, xp = x.copy(), get_xp(x)
    other = x + move(rng.standard_normal(x.shape), xp)
    dy = move(rng.standard_normal(layer.forward(other).shape), xp)
    problems = broken_promises(layer, x, dy, other)

    layer.forward(x)
    pairs = {"x": (x, layer.backward(dy))}
    for name, p in layer.params.items():
        pairs[name] = p, layer.grads.get(name)
    report = check_function(repr(layer), lambda: layer.forward(x), dy, pairs,
                            tolerance=tolerance, verbose=False)
    report.problems = problems
    if verbose:
        print(report)
    return report


def check_function(name: str, f: Callable, dy: Array, pairs: dict, *,
                   tolerance: float = TOLERANCE,
                   verbose: bool = True) -> Report:
    """Check gradients of any function; return a report, and print it.

    f() computes y from the arrays in pairs, {"w": (w, dw), ...}, where dw
    claims to be dL/dw of L = Σ dy·y. The arrays are left as they were.
    """
    rows = []
    for key, (a, da) in pairs.items():
        if da is None or da.shape != a.shape:
            rows.append(Row(key, a.size, np.inf))
        elif not a.size:
            rows.append(Row(key, 0, 0.0))
        else:
            rows.append(_worst(key, to_numpy(da), tolerance,
                               *numeric_gradient(f, a, dy)))
    report = Report(name, tolerance, rows)
    if verbose:
        print(report)
    return report


def _worst(name, analytic, tolerance, numeric, margin) -> Row:
    error = relative_error(analytic, numeric)
    i = np.unravel_index(error.argmax(), error.shape)
    # At a kink the slopes left and right differ; the gradient may be either,
    # and their mean, the central difference, is off by half the difference.
    kink = (error[i] > tolerance
            and abs(analytic[i] - numeric[i]) <= 0.51 * margin[i])
    return Row(name, error.size, float(error[i]), tuple(map(int, i)),
               float(analytic[i]), float(numeric[i]), bool(kink))


def numeric_gradient(f: Callable, a: Array, dy: Array,
                     h: float = STEP) -> tuple[np.ndarray, np.ndarray]:
    """Return dL/da for L = Σ dy·f() by central differences, and a margin.

    The margin is how much the slopes right and left of each element differ:
    O(h) where f is smooth, O(1) within h of a kink.
    """
    gradient, margin = np.empty(a.shape), np.empty(a.shape)
    y = f().copy()
    for i in np.ndindex(a.shape):
        a_i = a[i].copy()
        a[i] = a_i + h
        y_plus = f().copy()
        a[i] = a_i - h
        y_minus = f().copy()
        a[i] = a_i
        # Differences first, sums later: what did not move cancels exactly
        right = float((dy * (y_plus - y)).sum()) / h
        left = float((dy * (y - y_minus)).sum()) / h
        gradient[i] = float((dy * (y_plus - y_minus)).sum()) / (2 * h)
        margin[i] = abs(right - left)
    return gradient, margin


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """|a − n| / (|a| + |n|), element by element; inf where not finite.

    An element far below the largest is a sum whose terms cancelled, but
    their rounding did not. So nothing is measured against less than a
    thousandth of the largest |a| + |n|: with a tolerance of 1e-7, a mistake
    of 1e-10 times that is still seen.
    """
    size = abs(analytic) + abs(numeric)
    largest = size.max(initial=0, where=np.isfinite(size))
    size = np.maximum(size, 1e-3 * largest)
    error = np.divide(abs(analytic - numeric), size, where=size != 0,
                      out=np.zeros_like(size))
    return np.where(np.isfinite(error), error, np.inf)


def broken_promises(layer: Layer, x: Array, dy: Array,
                    other: Array) -> list[str]:
    """Return which promises of Layer a layer breaks, a sentence for each.

    x and other are two inputs of one shape, dy is an upstream for either.
    """
    def run(x):
        kept = [x, dy, *layer.params.values()]
        before = [a.copy() for a in kept]
        y = layer.forward(x).copy()
        dx = layer.backward(dy)
        for name, a, old in zip(["x", "dy", *layer.params], kept, before):
            if not same(a, old):
                problems.append(f"forward or backward changes {name}")
                a[...] = old
        return y, {"x": dx.copy(),
                   **{name: g.copy() for name, g in layer.grads.items()}}

    problems = []
    same = get_xp(x).array_equal
    y, first = run(x)
    run(other)
    y_again, again = run(x)
    if not same(y, y_again):
        problems.append("forward is not deterministic: the same x gives "
                        "another y; draw noise outside and pass it in")
    for name in first:
        if not same(first[name], again[name]):
            problems.append(f"d{name} depends on earlier calls: backward adds "
                            "to it, or goes back through an old x")
    if layer.grads.keys() != layer.params.keys():
        problems.append(f"grads has {sorted(layer.grads)}, but params has "
                        f"{sorted(layer.params)}")
    return list(dict.fromkeys(problems))
