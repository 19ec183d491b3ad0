"""The bound of k codes rises from the ELBO to log p(x)."""
import math

import numpy as np
import pytest
from test_vae import batch, known, small_vae  # noqa: F401

from minivae.extras.likelihood import log_likelihood


def test_log_likelihood_rises_to_the_likelihood(known):  # noqa: F811
    vae, x, log_p = known
    S = 4000                                           # estimates of each k
    many, means, errors = np.repeat(x, S, 0), [], []
    for k in 1, 5, 25:
        bounds = log_likelihood(vae, many, k, np.random.default_rng(0))
        means.append(bounds.mean())
        errors.append(bounds.std() / math.sqrt(S))
        # E[e^bound] = p(x) for every k
        w = np.exp(bounds)
        assert abs(w.mean() - math.exp(log_p)) < 4 * w.std() / math.sqrt(S)
    for low, high, error in zip(means, means[1:], errors):
        assert high - low > 4 * error
    assert means[-1] < log_p
    assert log_likelihood(vae, x, 20_000, 0)[0] == pytest.approx(
        log_p, abs=0.03)


def test_log_likelihood_of_one_code_is_the_elbo():
    vae, (x, _) = small_vae(), batch(4)
    np.testing.assert_allclose(
        log_likelihood(vae, x, 1, 5), vae.elbo(x, vae.noise(4, 5)), rtol=1e-12)
    assert log_likelihood(vae, x[:0], 3).shape == (0,)
    with pytest.raises(ValueError, match="log_likelihood: k is 0"):
        log_likelihood(vae, x, 0)


def test_log_likelihood_computes_few_images_at_a_time(monkeypatch):
    vae, (x, _) = small_vae("float32"), batch(250, dtype="float32")
    sizes, elbo = [], vae.elbo
    monkeypatch.setattr(vae, "elbo", lambda x, eps: (
        sizes.append(len(x)), elbo(x, eps))[1])
    assert log_likelihood(vae, x, 2, 0).shape == (250,)
    assert sizes == [100, 100, 100, 100, 50, 50]


def test_log_likelihood_sums_in_float64(monkeypatch):
    vae, (x, _) = small_vae("float32"), batch(4, dtype="float32")
    elbos = np.full(4, -300.1, "float32")      # of which a sum loses digits
    monkeypatch.setattr(vae, "elbo", lambda x, eps: elbos)
    np.testing.assert_allclose(log_likelihood(vae, x, 7, 0),
                               elbos.astype("float64"), rtol=1e-14)
