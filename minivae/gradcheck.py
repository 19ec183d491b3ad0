"""Gradient checks: is backward really the derivative of forward?

Move one number a by a small h, both ways, and see how L = Σ dy·y moves:

    dL/da = [L(a + h) − L(a − h)] / 2h + O(h²)

That needs only forward, so it can judge backward. Every element is tried,
since a sample misses the one wrong element among thousands; and the upstream
gradient dy is random, since a gradient of all ones would miss, for example, a
flipped dy.
"""
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .backend import Array, Seed, get_xp, move, to_numpy
from .checks.gradcheck import (broken_promises, check_inputs, check_result,
                               check_results)
from .layers import Layer

STEP = 1e-5      # rounding costs about 1e-16 / h, the O(h²) term about 1e-10
TOLERANCE = 1e-7
BAR_AFTER = 2    # seconds: what takes longer shows how long


# ---- the idea --------------------------------------------------------------

def numeric_gradient(f: Callable, a: Array, dy: Array | float,
                     h: float = STEP, tick: Callable = lambda: None
                     ) -> tuple[np.ndarray, np.ndarray]:
    """Return dL/da for L = Σ dy·f() by central differences, and a margin.

    The margin is how much the slopes right and left of each element differ:
    O(h) where f is smooth, O(1) within h of a kink. tick: called after each
    element.
    """
    gradient, margin = np.empty(a.shape), np.empty(a.shape)
    y = _copy(f())
    for i in np.ndindex(a.shape):
        a_i = a[i].copy()
        try:
            a[i] = a_i + h
            y_plus = _copy(f())
            a[i] = a_i - h
            y_minus = _copy(f())
        finally:                             # whatever happens, Ctrl-C too
            a[i] = a_i
        # Differences first, sums later: what did not move cancels exactly
        right = float((dy * (y_plus - y)).sum()) / h
        left = float((dy * (y - y_minus)).sum()) / h
        gradient[i] = float((dy * (y_plus - y_minus)).sum()) / (2 * h)
        margin[i] = abs(right - left)
        tick()
    return gradient, margin


def _copy(y):
    return y.copy() if hasattr(y, "copy") else np.float64(y)


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """|a − n| / (|a| + |n|), element by element; inf where not finite.

    A tiny gradient is often a cancelled sum: its rounding error stays. So no
    denominator is below a thousandth of the largest: at a tolerance of 1e-7,
    a mistake of 2·1e-3·1e-7 = 2e-10 times the largest gradient is still seen
    (2: |a| + |n| is twice |a|).
    """
    size = abs(analytic) + abs(numeric)
    largest = size.max(initial=0, where=np.isfinite(size))
    size = np.maximum(size, 1e-3 * largest)
    error = np.divide(abs(analytic - numeric), size, where=size != 0,
                      out=np.zeros_like(size))
    return np.where(np.isfinite(error), error, np.inf)


# ---- a layer, or any function ----------------------------------------------

def check_layer(layer: Layer, x: Array, *,
                rng: Seed = 0, tolerance: float = TOLERANCE,
                verbose: bool = True) -> "Report":
    """Check a layer's every gradient at x; return a report, and print it.

    x (N, ...) and the parameters must be arrays of float64, else TypeError,
    and finite, and not so large that the step drowns in their rounding, else
    ValueError. The report also tells of a layer that breaks its promises (see
    Layer): one that is not deterministic, writes into x, dy or its
    parameters, adds to old gradients or goes back through an old x.
    """
    caller = "check_layer"
    if not isinstance(layer, Layer):
        raise TypeError(f"{caller}: the layer is {layer!r}, but a layer, such "
                        "as ReLU(), was expected")
    check_inputs(caller, {"x": x}, STEP, tolerance)
    check_inputs(caller, layer.params, STEP, tolerance, moved=True)
    rng = np.random.default_rng(rng)
    x, xp = x.copy(), get_xp(x)
    other = x + move(rng.standard_normal(x.shape), xp)
    y = layer.forward(other)
    check_result(f"{caller}: {layer}.forward returns", y)
    dy = move(rng.standard_normal(y.shape), xp)
    problems = broken_promises(layer, x, dy, other)

    layer.forward(x)
    pairs = {"x": (x, layer.backward(dy))}
    for name, p in layer.params.items():
        pairs[name] = p, layer.grads.get(name)
    rows = compare(repr(layer), lambda: layer.forward(x), dy, pairs, tolerance)
    report = Report(repr(layer), tolerance, rows, problems)
    if verbose:
        print(report)
    return report


def check_function(name: str, f: Callable, dy: Array | float, pairs: dict, *,
                   tolerance: float = TOLERANCE,
                   verbose: bool = True) -> "Report":
    """Check gradients of any function; return a report, and print it.

    f() computes y, an array or a number, from the arrays in pairs, {"w": (w,
    dw), ...}, where dw claims to be dL/dw of L = Σ dy·y. The arrays are left
    as they were. Raises TypeError and ValueError as check_layer does.
    """
    caller = "check_function"
    arrays = {key: a for key, (a, _) in pairs.items()}
    check_inputs(caller, arrays, STEP, tolerance, moved=True)
    check_results(f"{caller}: {name}", f(), dy, pairs)
    report = Report(name, tolerance, compare(name, f, dy, pairs, tolerance))
    if verbose:
        print(report)
    return report


def compare(name: str, f: Callable, dy: Array | float, pairs: dict,
            tolerance: float) -> list["Row"]:
    """Compare every gradient in pairs with finite differences of f."""
    # tqdm is imported only here, so that `import minivae` stays quick
    from tqdm import tqdm
    rows = []
    with tqdm(total=sum(a.size for a, _ in pairs.values()), desc=name,
              unit=" elements", delay=BAR_AFTER, leave=False,
              disable=None) as bar:
        for key, (a, da) in pairs.items():
            if da is None or da.shape != a.shape:
                rows.append(Row(key, a.size, np.inf))
            elif not a.size:
                rows.append(Row(key, 0, 0.0))
            else:
                rows.append(_worst(key, to_numpy(da), tolerance,
                                   *numeric_gradient(f, a, dy,
                                                     tick=bar.update)))
    return rows


def _worst(name, analytic, tolerance, numeric, margin) -> "Row":
    error = relative_error(analytic, numeric)
    i = np.unravel_index(error.argmax(), error.shape)
    # At a kink the slopes left and right differ; the gradient may be either,
    # and their mean, the central difference, is off by half the difference
    # (0.51: and some rounding).
    kink = (error[i] > tolerance
            and abs(analytic[i] - numeric[i]) <= 0.51 * margin[i])
    return Row(name, error.size, float(error[i]), tuple(map(int, i)),
               float(analytic[i]), float(numeric[i]), bool(kink))


# ---- what it found ---------------------------------------------------------

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
