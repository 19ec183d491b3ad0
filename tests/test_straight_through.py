"""A choice is drawn with its probability; backward is its surrogate's."""
import numpy as np
import pytest

from minivae import check_function
from minivae.beyond.categorical import log_softmax
from minivae.beyond.straight_through import (binarize, binarize_backward,
                                             gumbel_one_hot,
                                             gumbel_one_hot_backward)
from minivae.layers import sigmoid


def test_choices_have_the_probabilities_of_softmax():
    rng = np.random.default_rng(0)
    logits = np.tile([2.0, 0.0, -1.0, 0.5], (100_000, 1))
    choice = gumbel_one_hot(logits, rng.gumbel(size=logits.shape))
    assert set(np.unique(choice)) == {0, 1} and (choice.sum(-1) == 1).all()
    p = np.exp(log_softmax(logits[0]))
    error = np.sqrt(p * (1 - p) / len(logits))
    assert (abs(choice.mean(axis=0) - p) < 4 * error).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_backward_is_the_gradient_of_the_surrogate(temperature, prove):
    rng = np.random.default_rng(0)
    logits, dy = rng.standard_normal((2, 2, 3, 5))
    gumbel = rng.gumbel(size=logits.shape)

    def soft():
        return np.exp(log_softmax((logits + gumbel) / temperature))
    constant = gumbel_one_hot(logits, gumbel) - soft()
    dlogits = gumbel_one_hot_backward(dy, logits, gumbel, temperature)
    prove(check_function("surrogate", lambda: soft() + constant, dy,
                         {"logits": (logits, dlogits)}, verbose=False))


def test_the_choice_itself_has_no_slope():
    # so that nobody takes the estimator for a gradient: held against forward
    # it fails
    logits, gumbel = np.array([[0.3, 0.1, -0.4]]), np.zeros((1, 3))
    dy = np.array([[1.0, -2.0, 0.5]])
    report = check_function(
        "choice", lambda: gumbel_one_hot(logits, gumbel), dy,
        {"logits": (logits, gumbel_one_hot_backward(dy, logits, gumbel, 1.0))},
        verbose=False)
    assert not report.ok and report.rows[0].numeric == 0


def test_a_pixel_is_black_where_its_logit_is_above_0():
    logits = np.float32([[-3, -1e-30, 0, 1e-30, 200]])
    black = binarize(logits)
    assert black.dtype == np.float32
    np.testing.assert_array_equal(black, [[0, 0, 0, 1, 1]])


def test_backward_is_the_exact_derivative_of_the_surrogate(prove):
    """s(l) = σ(l) + stop(1[l > 0] − σ(l)): what stop holds stays."""
    rng = np.random.default_rng(0)
    logits, dy = 3 * rng.standard_normal((2, 4, 5, 2))
    stopped = (logits > 0) - sigmoid(logits)

    def surrogate():
        return sigmoid(logits) + stopped
    np.testing.assert_allclose(surrogate(), binarize(logits), atol=1e-15)
    prove(check_function("straight-through", surrogate, dy, {
        "logits": (logits, binarize_backward(dy, logits))}))


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


def test_noise_of_another_shape_is_refused():
    logits, other = np.zeros((2, 3)), np.zeros((1, 3))
    with pytest.raises(ValueError, match=r"gumbel has shape \(1, 3\)"):
        gumbel_one_hot(logits, other)
    with pytest.raises(ValueError, match=r"gumbel has shape \(1, 3\)"):
        gumbel_one_hot_backward(logits, logits, other, 1.0)
    with pytest.raises(ValueError, match=r"dy has shape \(1, 3\)"):
        gumbel_one_hot_backward(other, logits, logits, 1.0)


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf])
def test_a_temperature_that_cannot_be_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        gumbel_one_hot_backward(*3 * [np.ones((1, 1))], temperature)
