"""The checker is checked: it must find each of these mistakes, by name.

Every class below is one layer with one mistake that somebody once made.
"""
import re

import numpy as np
import pytest

from minivae import Dense, Layer, ReLU, check_function, check_layer
from minivae.gradcheck import (Report, Row, numeric_gradient,
                               relative_error)

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
        self.grads = {"w": (dy * self.recall()).sum(axis=0)}
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
        self.grads = {"w": dy.T @ self.recall()}
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


class ReturnsItsInput(Scale):
    """A ReLU in place: what it returns is what it was given, changed."""

    def __init__(self):
        Layer.__init__(self)

    def forward(self, x):
        np.maximum(x, 0, out=x)
        self.cache = x
        return x

    def backward(self, dy):
        return dy * (self.recall() > 0)


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


def test_a_forgotten_return_gets_a_sentence():
    class NoDx(Scale):
        def backward(self, dy):
            super().backward(dy)

    class NoY(Scale):
        def forward(self, x):
            super().forward(x)
    with pytest.raises(TypeError, match="backward returns None; it must"):
        check_layer(NoDx(), X)
    with pytest.raises(TypeError, match="forward returns None; it must"):
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
    gradient, margin = numeric_gradient(lambda: np.sin(a), a, dy)
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
