"""The straight-through step is held against the surrogate that it claims."""
import numpy as np
import pytest

from minivae import check_function
from minivae.beyond.straight_through import binarize, binarize_backward
from minivae.layers import sigmoid


def test_a_pixel_is_black_where_its_logit_is_above_0():
    logits = np.float32([[-3, -1e-30, 0, 1e-30, 200]])
    black = binarize(logits)
    assert black.dtype == np.float32
    np.testing.assert_array_equal(black, [[0, 0, 0, 1, 1]])


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_backward_is_the_exact_derivative_of_the_surrogate(prove, width):
    """s(l) = σ(l/w) + stop(1[l > 0] − σ(l/w)): what stop holds stays."""
    rng = np.random.default_rng(0)
    logits, dy = 3 * rng.standard_normal((2, 4, 5, 2))
    stopped = (logits > 0) - sigmoid(logits / width)

    def surrogate():
        return sigmoid(logits / width) + stopped
    np.testing.assert_allclose(surrogate(), binarize(logits), atol=1e-15)
    prove(check_function("straight-through", surrogate, dy, {
        "logits": (logits, binarize_backward(dy, logits, width))}))
    if width == 1:
        np.testing.assert_array_equal(binarize_backward(dy, logits),
                                      binarize_backward(dy, logits, width))


def test_it_is_not_the_derivative_of_the_step_itself():
    logits = np.array([[-1.0, 2.0]])
    assert (binarize_backward(np.ones((1, 2)), logits) > 0.1).all()
    assert (binarize(logits + 1e-5) == binarize(logits - 1e-5)).all()


def test_large_logits_overflow_nothing():
    logits = np.float32([[-1000, 1000]])
    np.testing.assert_array_equal(
        binarize_backward(np.ones_like(logits), logits), [[0, 0]])


@pytest.mark.parametrize("logits, error", [
    ([[1.0]], TypeError), (np.array([[1]]), TypeError),
    (np.float64(1), TypeError)])
def test_what_are_no_logits_is_refused(logits, error):
    with pytest.raises(error, match="binarize: logits"):
        binarize(logits)


def test_a_gradient_of_another_shape_or_dtype_is_refused():
    logits = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"dy has shape \(3, 2\)"):
        binarize_backward(np.ones((3, 2)), logits)
    with pytest.raises(TypeError, match="dy is float32"):
        binarize_backward(np.ones((2, 3), np.float32), logits)


@pytest.mark.parametrize("width", [0, -1.0, np.nan, np.inf])
def test_a_width_that_cannot_be_is_refused(width):
    with pytest.raises(ValueError, match=f"width is {width}"):
        binarize_backward(np.ones((1, 1)), np.ones((1, 1)), width)
