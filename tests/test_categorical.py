"""Softmax, its log-probability and its KL are what they say."""
import numpy as np
import pytest

from minivae import check_function
from minivae.beyond.categorical import (categorical_kl, categorical_logpdf,
                                        log_softmax, one_hot)


def logits(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_log_softmax_is_normalised_and_does_not_overflow():
    a = logits(2, 3, 5)
    p = np.exp(log_softmax(a))
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-14)
    np.testing.assert_allclose(p[0, 0] / p[0, 0, 0],
                               np.exp(a[0, 0] - a[0, 0, 0]), rtol=1e-13)
    large = log_softmax(np.array([[1e4, 0, -1e4]]))
    np.testing.assert_array_equal(large, [[0, -1e4, -2e4]])


def test_logpdf_sums_over_all_places():
    a = logits(2, 3, 4, 5)
    codes = np.random.default_rng(1).integers(5, size=(2, 3, 4))
    got, _ = categorical_logpdf(codes, a)
    p = np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)
    want = [sum(np.log(p[n, i, j, codes[n, i, j]])
                for i in range(3) for j in range(4)) for n in range(2)]
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_gradient_of_logpdf(prove):
    a, codes = logits(2, 3, 4), np.array([[0, 3, 1], [2, 2, 0]])
    upstream = np.array([1.3, -0.4])
    _, da = categorical_logpdf(codes, a)
    prove(check_function("log p", lambda: categorical_logpdf(codes, a)[0],
                         upstream, {"a": (a, da * upstream[:, None, None])},
                         verbose=False))


def test_kl_and_its_gradients(prove):
    q, p = logits(2, 3, 4), logits(2, 3, 4, seed=1)
    upstream = np.array([1.3, -0.4])
    kl, dq, dp = categorical_kl(q, p)
    log_q, log_p = log_softmax(q), log_softmax(p)
    np.testing.assert_allclose(
        kl, (np.exp(log_q) * (log_q - log_p)).sum(axis=(1, 2)), rtol=1e-13)
    assert (kl > 0).all() and abs(categorical_kl(q, q)[0]).max() < 1e-15
    by = upstream[:, None, None]
    prove(check_function("KL", lambda: categorical_kl(q, p)[0], upstream,
                         {"q": (q, dq * by), "p": (p, dp * by)},
                         verbose=False))


def test_values_are_float32_where_logits_are():
    a = logits(2, 3).astype(np.float32)
    for got in (*categorical_logpdf(np.array([0, 2]), a),
                *categorical_kl(a, a)):
        assert got.dtype == np.float32


def test_one_hot():
    np.testing.assert_array_equal(one_hot(np.array([[2, 0]]), 3),
                                  [[[0, 0, 1], [1, 0, 0]]])


@pytest.mark.parametrize("codes, error", [
    ([3], ValueError), ([-1], ValueError), ([0.0], TypeError),
    ([True], TypeError)], ids=["too large", "negative", "float", "bool"])
def test_what_is_no_code_is_refused(codes, error):
    with pytest.raises(error, match="whole numbers"):
        one_hot(np.array(codes), 3)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"logits has shape \(2, 4, 3\)"):
        categorical_logpdf(np.zeros((2, 5), int), np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match="p_logits has shape"):
        categorical_kl(np.zeros((2, 4, 3)), np.zeros((2, 4, 4)))
