"""Gradient checks: is backward really the derivative of forward?

Move one number a by a small h, both ways, and see how L = Σ dy·y moves:

    dL/da = [L(a + h) − L(a − h)] / 2h + O(h²)

That needs only forward, so it can judge backward. Every element is tried,
since a sample misses the one wrong element among thousands; and the upstream
gradient dy is random, since one of ones cannot see, say, a dy that is used
upside down.
"""
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .backend import Array, Seed, get_xp, move, to_numpy
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
            name = f"d{row.name}" if row.name.isalnum() else f"d({row.name})"
            lines.append(f"  {name:<10}{row.elements:>9,}"
                         f"{row.error:>16.1e}  {where:<12}"
                         f"{'ok' if fine else 'WRONG'}")
            if not fine and row.where:
                lines.append(f"    backward says {row.analytic:.8g}, "
                             f"differences {row.numeric:.8g}")
            if row.kink and not self.problems:
                lines.append("    a kink: left and right of it the slopes "
                             "differ; move x away from it")
        lines += [f"  PROBLEM: {problem}" for problem in self.problems]
        lines.append(f"  {'passed' if self.ok else 'FAILED'} at a tolerance "
                     f"of {self.tolerance:.0e}")
        return "\n".join(lines)


def check_layer(layer: Layer, x: Array, *,
                rng: Seed = 0, tolerance: float = TOLERANCE,
                verbose: bool = True) -> Report:
    """Check a layer's every gradient at x; return a report, and print it.

    x (N, ...) and the parameters must be float64, else TypeError. The report
    also tells of a layer that breaks its promises (see Layer): one that is
    not deterministic, writes into x, dy or its parameters, adds to old
    gradients or goes back through an old x.
    """
    rng = np.random.default_rng(rng)
    for name, a in {"x": x, **layer.params}.items():
        if a.dtype != np.float64:
            raise TypeError(
                f"check_layer: {name} is {a.dtype}, but finite differences "
                "need float64: of float32's 7 digits a difference loses 4. "
                "Build the layer with dtype='float64' and convert x with "
                ".astype('float64')")
    x, xp = x.copy(), get_xp(x)
    other = x + move(rng.standard_normal(x.shape), xp)
    y = layer.forward(other)
    if y is None:
        raise TypeError(f"check_layer: {layer}.forward returns None; it must "
                        "return y")
    dy = move(rng.standard_normal(y.shape), xp)
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
    # and their mean, the central difference, is off by half the difference
    # (0.51: and some rounding).
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

    An element far below the largest is a sum whose terms have cancelled, but
    their rounding has not. So no denominator is below a thousandth of the
    largest: at a tolerance of 1e-7, a mistake of 2·1e-3·1e-7 = 2e-10 times
    the largest gradient is still seen (2: |a| + |n| is twice |a|).
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
    problems, xp = [], get_xp(x)

    def same(a, b):
        return xp.array_equal(a, b, equal_nan=True)

    def run(x):
        kept = {"x": x, "dy": dy, **layer.params}
        before = {name: a.copy() for name, a in kept.items()}
        y = layer.forward(x).copy()
        dx = layer.backward(dy)
        for name, a in kept.items():
            if not same(a, before[name]):
                problems.append(f"forward or backward changes {name}")
                a[...] = before[name]
        if dx is None:
            raise TypeError(f"check_layer: {layer}.backward returns None; "
                            "it must return dx")
        return y, {name: g.copy() for name, g
                   in {"x": dx, **layer.grads}.items()}

    y, first = run(x)
    run(other)
    y_again, again = run(x)
    if not xp.isfinite(y).all():
        problems.append("forward gives values that are not finite")
    if not same(y, y_again):
        problems.append("forward is not deterministic: the same x gives "
                        "another y; draw noise outside and pass it in")
    else:
        problems += [f"d{name} depends on earlier calls: backward adds to "
                     "it, or goes back through an old x"
                     for name in first if not same(first[name], again[name])]
    if layer.grads.keys() != layer.params.keys():
        problems.append(f"grads has {sorted(layer.grads)}, but params has "
                        f"{sorted(layer.params)}")
    for name, a in {"x": x, **layer.params}.items():
        g = first.get(name, a)
        if (g.shape, g.dtype) != (a.shape, a.dtype):
            problems.append(f"d{name} is {g.dtype} of shape {g.shape}, but "
                            f"{name} is {a.dtype} of shape {a.shape}")
    return list(dict.fromkeys(problems))
