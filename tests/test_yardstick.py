"""The yardstick against sets whose distances are known in closed form."""
import re

import numpy as np
import pytest
from scipy.linalg import sqrtm

from common import yardstick
from common.yardstick import frechet, precision_recall


def with_moments(mean, covariance, n=40, seed=0):
    """Points (n, D) whose mean and covariance are these, not nearly so."""
    x = np.random.default_rng(seed).standard_normal((n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / (n - 1))).T
    return mean + x @ np.linalg.cholesky(covariance).T


def test_the_points_of_these_tests_have_the_moments_that_they_claim():
    C = np.array([[2.0, 0.6], [0.6, 1.0]])
    x = with_moments(np.array([1.0, -3]), C)
    np.testing.assert_allclose(x.mean(axis=0), [1, -3], atol=1e-12)
    np.testing.assert_allclose(np.cov(x.T), C, atol=1e-12)


# ---- the distance ----------------------------------------------------------

def test_frechet_of_independent_features_is_that_of_means_and_deviations():
    """With diagonal covariances: Σ (μa − μb)² + (σa − σb)²."""
    a = with_moments(np.array([0.0, 5, 1]), np.diag([1.0, 4, 9]))
    b = with_moments(np.array([3.0, 5, 2]), np.diag([4.0, 4, 1]), 70, 1)
    assert frechet(a, b) == pytest.approx(9 + 0 + 1 + 1 + 0 + 4, abs=1e-10)


def test_frechet_of_correlated_features_is_the_formula_of_the_paper():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((50, 6)) @ rng.standard_normal((6, 6))
            for _ in range(2))
    A, B = np.cov(a.T), np.cov(b.T)
    want = (((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
            + np.trace(A + B - 2 * sqrtm(A @ B).real))
    assert frechet(a, b) == pytest.approx(want, rel=1e-9)
    assert frechet(b, a) == pytest.approx(frechet(a, b), rel=1e-12)


def test_a_shift_of_all_features_is_measured_by_its_square():
    x = np.random.default_rng(0).standard_normal((60, 4))
    shift = np.array([1.0, -2, 0, 0.5])
    assert frechet(x, x + shift) == pytest.approx(5.25, abs=1e-12)


@pytest.mark.parametrize("rank", [5, 2])      # some features are always 0
def test_equal_sets_have_no_distance(rank):
    x = np.random.default_rng(0).standard_normal((60, 5)) * 100
    x[:, rank:] = 0
    assert frechet(x, x[::-1].copy()) < 1e-9
    # float32 loses nothing on the way
    assert frechet(x.astype(np.float32), x) < 1e-6


# ---- precision and recall --------------------------------------------------

def clusters(*middles, n=50, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([middle + 0.1 * rng.standard_normal((n, 3))
                           for middle in middles])


def test_a_model_that_has_forgotten_a_class_has_a_recall_of_the_rest():
    real, half = clusters(0, 10, n=300), clusters(0, n=300, seed=1)
    precision, recall = precision_recall(real, half)
    assert precision > 0.9 and 0.45 < recall <= 0.5
    # and one that makes what there is not, a precision of the rest
    assert precision_recall(half, real) == (recall, precision)


def test_equal_sets_have_all_and_sets_far_apart_have_nothing():
    x = clusters(0)
    assert precision_recall(x, x[::-1].copy()) == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)


def test_the_balls_reach_to_the_kth_neighbour_and_no_farther():
    real = np.array([[0.0], [1], [2], [4]])     # k = 2 reaches 2, 1, 2, 3
    for place, inside in ((-2.01, 0), (-2, 1), (6.99, 1), (7, 1), (7.01, 0)):
        made = np.array([[place]] * 3)
        assert precision_recall(real, made, k=2)[0] == inside, place
    assert precision_recall(real, np.array([[-2.0], [7], [8]]), 1)[0] == 0
    assert precision_recall(real, np.array([[-2.0], [7], [8]]), 2)[0] == 2 / 3


def test_made_images_that_are_all_the_same_recall_only_themselves():
    real = clusters(0)
    same = np.tile(real[:1], (50, 1))
    assert precision_recall(real, same) == (1, 1 / 50)


def test_blocks_change_nothing(monkeypatch):
    a, b = clusters(0, 1, 2), clusters(0.1, 1, 3, seed=1)
    want = precision_recall(a, b)
    for size in 1, 7, 150:
        monkeypatch.setattr(yardstick, "BLOCK", size)
        assert precision_recall(a, b) == want


def test_distances_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 3)), rng.standard_normal((5, 3))
    (got,) = yardstick.squared_distances(a, b)
    np.testing.assert_allclose(
        got, [[((p - q) ** 2).sum() for q in b] for p in a], rtol=1e-12)


# ---- what is refused -------------------------------------------------------

GOOD = np.random.default_rng(0).standard_normal((20, 3))


@pytest.mark.parametrize("judge", [frechet, precision_recall])
@pytest.mark.parametrize("a, b, sentence", [
    (GOOD, GOOD[:, :2], "3 and 2 features cannot be compared"),
    (GOOD, GOOD * np.where(np.arange(3) == 1, np.nan, 1), "not finite"),
    (GOOD * np.inf, GOOD, "not finite"),
    (GOOD, GOOD[0], r"shape \(3,\)"),
    (GOOD[:0], GOOD, r"shape \(0, 3\)"),
    (GOOD[:, :0], GOOD[:, :0], r"shape \(20, 0\)")])
def test_what_is_no_pair_of_feature_sets_is_refused(judge, a, b, sentence):
    with pytest.raises(ValueError, match=f"^{judge.__name__}: .*{sentence}"):
        with np.errstate(invalid="ignore"):
            judge(a, b)


def test_fewer_draws_than_features_are_refused():
    with pytest.raises(ValueError, match=re.escape(
            "frechet: there are 3 draws with 3 features each, whose "
            "covariance is singular; make at least 4 draws")):
        frechet(GOOD, GOOD[:3])
    assert np.isfinite(frechet(GOOD, GOOD[:4]))


@pytest.mark.parametrize("k", [0, 20])
def test_a_number_of_neighbours_that_there_are_not_is_refused(k):
    with pytest.raises(ValueError, match=f"k is {k}, but .* of draws, 20"):
        precision_recall(GOOD, GOOD, k)
