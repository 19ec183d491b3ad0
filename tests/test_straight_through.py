"""A choice is drawn with its probability; backward is its surrogate's."""
import numpy as np
import pytest

from minivae import check_function
from minivae.beyond.categorical import log_softmax
from minivae.beyond.straight_through import (gumbel_one_hot,
                                             gumbel_one_hot_backward)


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
