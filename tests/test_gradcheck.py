"""The checker is checked: it must find each of these mistakes, by name.

Every class below is one layer with one mistake that somebody once made.
"""
import io
import math
import re
import sys
import time

import numpy as np
import pytest

from minivae import Dense, Layer, ReLU, check_function, check_layer, gradcheck
from minivae.gradcheck import Report, Row, numeric_gradient, relative_error

rng = np.random.default_rng(0)
X = rng.standard_normal((4, 3))


def dense():
    return Dense(3, 2, rng=np.random.default_rng(1), dtype="float64")


class Scale(Layer):
    """y = w·x, correct: what the broken ones below are variations of."""

    def __init__(self):
        super().__init__(w=np.array([2.0, -1.0, 0.5]))

    def forward(self, x):
        self.cache = x
        return self.params["w"] * x

    def backward(self, dy):
        self.grads = {"w": (dy * self.cache).sum(axis=0)}
        return dy * self.params["w"]


class WrongSign(Scale):
    def backward(self, dy):
        return -super().backward(dy)


class ForgottenFactor(Scale):
    def forward(self, x):
        return 0.5 * super().forward(x)


class MeanForSum(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["w"] = self.grads["w"] / len(dy)
        return dx


class OneWrongElement(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        dx[2, 1] *= 1 + 1e-5
        return dx


class FlippedUpstream(Scale):
    """With an upstream of ones, this one would pass."""

    def backward(self, dy):
        return super().backward(dy[::-1])


class ForgottenGradient(Scale):
    def backward(self, dy):
        return dy * self.params["w"]                 # grads stays as it was


class MissingGradient(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads = {}
        return dx


class WrongShape(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["w"] = self.grads["w"].sum()
        return dx


class WrongDtype(Scale):
    def backward(self, dy):
        return super().backward(dy).astype("float32")


class NotFinite(Scale):
    def forward(self, x):
        return super().forward(x) + np.nan


class TransposedGradient(Layer):
    def __init__(self):
        super().__init__(w=rng.standard_normal((3, 3)))

    def forward(self, x):
        self.cache = x
        return x @ self.params["w"]

    def backward(self, dy):
        self.grads = {"w": dy.T @ self.cache}
        return dy @ self.params["w"].T


class NotANumber(Scale):
    def backward(self, dy):
        return super().backward(dy) * np.nan


class Accumulates(Scale):
    def backward(self, dy):
        old = self.grads["w"]
        dx = super().backward(dy)
        self.grads["w"] = self.grads["w"] + old
        return dx


class StaleCache(Scale):
    """Goes back through the first x that it ever saw."""

    def forward(self, x):
        first = self.cache
        y = super().forward(x.copy())
        self.cache = self.cache if first is None else first
        return y


class ChangesX(Scale):
    def forward(self, x):
        y = super().forward(x.copy())
        x *= 0.5
        return y


class ChangesDy(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        dy *= 0
        return dx


class ChangesParams(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.params["w"] -= 0.1 * self.grads["w"]
        return dx


class DrawsItsOwnNoise(Scale):
    def forward(self, x):
        return super().forward(x) + rng.standard_normal(x.shape)


class AnotherWayBack(Scale):
    def backward_params(self, dy):
        self.grads = {"w": dy.sum(axis=0)}


class ReturnsItsInput(Scale):
    """A ReLU in place: what it returns is what it was given, changed."""

    def __init__(self):
        Layer.__init__(self)

    def forward(self, x):
        np.maximum(x, 0, out=x)
        self.cache = x
        return x

    def backward(self, dy):
        return dy * (self.cache > 0)


def test_the_correct_layer_passes():
    report = check_layer(Scale(), X, verbose=False)
    assert report.ok and [row.name for row in report.rows] == ["x", "w"]
    assert [row.elements for row in report.rows] == [12, 3]
    assert max(row.error for row in report.rows) < 1e-8


@pytest.mark.parametrize("broken, finding", [
    (WrongSign, "dx .*WRONG"),
    (ForgottenFactor, "dx .*WRONG"),
    (MeanForSum, "dw .*WRONG"),
    (OneWrongElement, r"dx .* 2, 1 +WRONG\n +backward says"),
    (FlippedUpstream, "dx .*WRONG"),
    (ForgottenGradient, "dw .*WRONG"),
    (MissingGradient, r"grads has \[\], but params has \['w'\]"),
    (WrongShape, r"PROBLEM: dw is float64 of shape \(\), but w is float64 of "
                 r"shape \(3,\)"),
    (WrongDtype, r"PROBLEM: dx is float32 of shape"),
    (NotFinite, "PROBLEM: forward gives values that are not finite"),
    (TransposedGradient, "dw .*WRONG"),
    (NotANumber, "dx .* inf .*WRONG"),
    (Accumulates, "PROBLEM: dw depends on earlier calls"),
    (StaleCache, "dw .*WRONG"),
    (ChangesX, "PROBLEM: forward or backward changes x"),
    (ChangesDy, "PROBLEM: forward or backward changes dy"),
    (ChangesParams, "PROBLEM: forward or backward changes w"),
    (DrawsItsOwnNoise, "PROBLEM: forward is not deterministic"),
    (ReturnsItsInput, "PROBLEM: forward or backward changes x"),
    (AnotherWayBack, "PROBLEM: backward_params leaves another dw than back"),
], ids=lambda a: getattr(a, "__name__", ""))
def test_finds_the_mistake(broken, finding, capsys):
    report = check_layer(broken(), X)
    assert not report.ok
    printed = capsys.readouterr().out
    assert printed == f"{report}\n" and "FAILED at a tolerance" in printed
    assert re.search(finding, printed), printed


def test_finds_one_wrong_element_among_thousands():
    class Wrong(Dense):
        def backward(self, dy):
            dx = super().backward(dy)
            self.grads["w"][17, 33] *= 1.001
            return dx
    layer = Wrong(64, 72, rng=np.random.default_rng(0), dtype="float64")
    report = check_layer(layer, rng.standard_normal((2, 64)), verbose=False)
    x, w, b = report.rows
    assert w.elements == 4608 and w.where == (17, 33) and not report.ok
    assert x.error < 1e-7 and b.error < 1e-7


def test_a_kink_is_named_and_does_not_pass():
    x = np.array([[1.0, -1.0, 3e-6]])         # within h = 1e-5 of ReLU's kink
    report = check_layer(ReLU(), x, verbose=False)
    row, = report.rows
    assert not report.ok and row.kink and row.where == (0, 2)
    assert "a kink" in str(report)
    off_the_kink = check_layer(ReLU(), np.array([[1.0, -1.0, 2e-5]]),
                               verbose=False)
    assert off_the_kink.ok and not off_the_kink.rows[0].kink


def test_a_mistake_is_not_excused_as_a_kink():
    row = check_layer(WrongSign(), X, verbose=False).rows[0]
    assert not row.kink


def test_noise_is_not_taken_for_a_kink_or_an_old_x():
    text = str(check_layer(DrawsItsOwnNoise(), X, verbose=False))
    assert "earlier calls" not in text
    row = Row("x", 12, 0.5, (0, 0), 1.0, 3.0, kink=True)
    assert "a kink" in str(Report("a layer", 1e-7, [row]))
    assert "a kink" not in str(Report("a layer", 1e-7, [row], ["noise"]))


def test_an_error_as_large_as_the_tolerance_passes():
    assert Report("a layer", 1e-7, [Row("x", 12, 1e-7)]).ok
    assert not Report("a layer", 1e-7, [Row("x", 12, 1.001e-7)]).ok


def test_a_gradient_of_no_elements_has_a_row():
    report = check_layer(Scale(), X[:0], verbose=False)
    assert report.ok
    assert [(row.name, row.elements) for row in report.rows] == [
        ("x", 0), ("w", 3)]


def test_a_forgotten_return_gets_a_sentence():
    class NoDx(Scale):
        def backward(self, dy):
            super().backward(dy)

    class NoY(Scale):
        def forward(self, x):
            super().forward(x)
    with pytest.raises(TypeError, match="backward returns None, but an "
                       "array"):
        check_layer(NoDx(), X)
    with pytest.raises(TypeError, match="forward returns None, but an "
                       "array"):
        check_layer(NoY(), X)


def test_float32_is_refused_with_the_reason():
    with pytest.raises(TypeError, match="x is float32, but finite differences "
                       "need float64: of float32's 7 digits"):
        check_layer(dense(), X.astype("float32"))
    with pytest.raises(TypeError, match="w is float32"):
        check_layer(Dense(3, 2), X)


def test_x_and_params_are_left_as_they_were():
    layer, x = dense(), X.copy()
    before = {name: p.copy() for name, p in layer.params.items()}
    check_layer(layer, x, verbose=False)
    assert np.array_equal(x, X)
    assert all(np.array_equal(p, before[n]) for n, p in layer.params.items())


def test_numeric_gradient_of_a_known_function():
    a, dy = rng.standard_normal((3, 2)), rng.standard_normal((3, 2))
    done = []
    gradient, margin = numeric_gradient(lambda: np.sin(a), a, dy,
                                        tick=lambda: done.append(1))
    assert len(done) == a.size
    np.testing.assert_allclose(gradient, dy * np.cos(a), rtol=1e-9)
    assert (margin < 1e-4).all()              # smooth: left and right agree


def test_relative_error():
    error = relative_error(np.array([1.0, 2.0, 0.0, np.nan]),
                           np.array([1.0, 2.2, 0.0, 1.0]))
    np.testing.assert_allclose(error, [0, 0.2 / 4.2, 0, np.inf])
    # far below the largest, a thousandth of it is the measure
    error = relative_error(np.array([500.0, 2e-9]), np.array([500.0, 1e-9]))
    np.testing.assert_allclose(error, [0, 1e-9])


def test_check_function_names_its_arrays(capsys):
    a, b = rng.standard_normal(3), rng.standard_normal(3)
    report = check_function("product", lambda: a * b, np.ones(3),
                            {"a": (a, b.copy()), "b": (b, -a)})
    good, bad = report.rows
    assert good.error < 1e-9 and bad.error == 1.0
    assert "product" in capsys.readouterr().out


# ---- what cannot be checked gets a sentence --------------------------------

def forward_gives(change):
    class Odd(Scale):
        def forward(self, x):
            return change(super().forward(x))
    return Odd()


def backward_gives(change):
    class Odd(Scale):
        def backward(self, dy):
            return change(self, super().backward(dy))
    return Odd()


@pytest.mark.parametrize("change, what", [
    (lambda y: (y, 1), "a value of type tuple"),
    (lambda y: y.tolist(), "a value of type list"),
    (lambda y: float(y.sum()), "a value of type float"),
    (lambda y: y.sum(), "a value of type float64"),
    (lambda y: y > 0, "bool"), (lambda y: y.astype(int), "int64"),
    (lambda y: y.astype("float32"), "float32"), (lambda y: None, "None")])
def test_odd_outputs(change, what):
    with pytest.raises(TypeError, match=rf"check_layer: Odd\(\).forward "
                       f"returns {what}, but an array of float64 was expec"):
        check_layer(forward_gives(change), X)


def no_dw(layer, dx):
    layer.grads["w"] = None
    return dx


def no_grads(layer, dx):
    layer.grads = None
    return dx


@pytest.mark.parametrize("change, what", [
    (lambda layer, dx: (dx, dx), "backward returns a value of type tuple"),
    (lambda layer, dx: dx.tolist(), "backward returns a value of type list"),
    (lambda layer, dx: 1.0, "backward returns a value of type float"),
    (lambda layer, dx: None, "backward returns None"),
    (no_dw, r"grads\['w'\] is None"), (no_grads, "grads is None, but a dict")])
def test_odd_gradients(change, what):
    with pytest.raises(TypeError, match=rf"check_layer: Odd\(\).{what}"):
        check_layer(backward_gives(change), X)


@pytest.mark.parametrize("change, what", [
    (lambda layer, dx: dx[:2], r"dx is float64 of shape \(2, 3\), but x is"),
    (lambda layer, dx: dx > 0, r"dx is bool of shape"),
    (lambda layer, dx: dx.sum(), r"dx is float64 of shape \(\)")])
def test_gradients_of_another_kind_are_problems(change, what):
    report = check_layer(backward_gives(change), X, verbose=False)
    assert not report.ok and re.search(f"PROBLEM: {what}", str(report))


def test_odd_inputs():
    for x, what in [(X.tolist(), "a value of type list"), (None, "None"),
                    (X.astype(int), "int64"), (X + 0j, "complex128"),
                    (np.ma.array(X), "a value of type MaskedArray"),
                    (X.astype(">f8")[..., None].tolist(), "a value of type")]:
        with pytest.raises(TypeError, match=f"check_layer: x is {what}"):
            check_layer(Scale(), x)
    for odd in math.nan, math.inf:
        with pytest.raises(ValueError, match="x has elements that are not"):
            check_layer(Scale(), np.where(X > 0, X, odd))
    with pytest.raises(ValueError, match=r"x has elements of up to \de\+08, "
                       "and a step of 1e-05 drowns in their rounding"):
        check_layer(Scale(), X * 1e8)
    assert check_layer(Scale(), X / abs(X).max() * 4000, verbose=False).ok
    with pytest.raises(TypeError, match="the layer is <class .*Scale'>, but"):
        check_layer(Scale, X)


def test_read_only_parameters_are_refused_and_a_read_only_x_is_not():
    layer, x = Scale(), X.copy()
    x.flags.writeable = False
    assert check_layer(layer, x, verbose=False).ok
    layer.params["w"].flags.writeable = False
    with pytest.raises(ValueError, match="w is read-only"):
        check_layer(layer, x)


def test_a_layer_may_return_its_x_or_a_view_of_it():
    class Identity(Layer):
        def forward(self, x):
            return x

        def backward(self, dy):
            return dy

    class Backwards(Identity):
        def forward(self, x):
            return x[:, ::-1]

        def backward(self, dy):
            return dy[:, ::-1]
    for layer in Identity(), Backwards():
        assert check_layer(layer, X, verbose=False).ok


def test_functions_may_give_a_number():
    a = np.array([1.0, -2.0])
    for f in lambda: float((a * a).sum()), lambda: (a * a).sum(), (
            lambda: np.array((a * a).sum())):
        for dy in 3.0, 3, np.float64(3):
            assert check_function("f", f, dy, {"a": (a, 6 * a)},
                                  verbose=False).ok
            assert not check_function("f", f, dy, {"a": (a, 5 * a)},
                                      verbose=False).ok


@pytest.mark.parametrize("bad, error, what", [
    ({"a": X.astype("float32")}, TypeError, "a is float32, but finite"),
    ({"a": X.astype(int)}, TypeError, "a is int64, but finite"),
    ({"a": X.tolist()}, TypeError, "a is a value of type list"),
    ({"a": X * 1e8}, ValueError, "a has elements of up to"),
    ({"a": X * math.nan}, ValueError, "a has elements that are not finite"),
    ({"a": np.broadcast_to(X, (4, 3))}, ValueError, "a is read-only"),
    ({"da": X.astype("float32")}, TypeError, "p: da is float32, but an arr"),
    ({"da": X.tolist()}, TypeError, "p: da is a value of type list"),
    ({"f": lambda: (X, 1)}, TypeError, "p: f returns a value of type tuple"),
    ({"f": lambda: None}, TypeError, "p: f returns None"),
    ({"f": lambda: X > 0}, TypeError, "p: f returns bool"),
    ({"f": lambda: True}, TypeError, "p: f returns a value of type bool"),
    ({"f": lambda: X.astype("float32")}, TypeError, "p: f returns float32"),
    ({"dy": X[0]}, ValueError, r"p: dy has shape \(3,\), but y has \(4, 3\)"),
    ({"dy": 1.0}, ValueError, r"p: dy has shape \(\), but y has \(4, 3\)")])
def test_what_check_function_refuses(bad, error, what):
    good = {"a": X.copy(), "da": X, "f": lambda: 2 * X, "dy": X} | bad
    with pytest.raises(error, match=f"check_function: {what}"):
        check_function("p", good["f"], good["dy"],
                       {"a": (good["a"], good["da"])})


def test_an_interrupted_check_leaves_all_as_it_was():
    a, calls = X.copy(), []

    def f():
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return a * a
    with pytest.raises(KeyboardInterrupt):
        check_function("square", f, X, {"a": (a, 2 * X * a)})
    assert np.array_equal(a, X)


@pytest.mark.parametrize("after, bar", [(0, True), (60, False)])
def test_a_long_check_shows_a_bar(monkeypatch, after, bar):
    class Terminal(io.StringIO):
        def isatty(self):
            return True
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(gradcheck, "BAR_AFTER", after)
    layer = Scale()
    forward = layer.forward
    layer.forward = lambda x: (time.sleep(0.01), forward(x))[1]
    assert check_layer(layer, X, verbose=False).ok
    shown = screen.getvalue()
    assert bool(re.search(r"Scale\(\): .*\d/15 .*elements", shown)) == bar


def test_the_bar_waits_two_seconds():
    assert gradcheck.BAR_AFTER == 2
