"""The densities are densities, and their gradients their gradients.

A wrong constant or a forgotten ½ passes every gradient check, as long as
forward and backward agree. So the values are held against integrals, sums
over all outcomes, scipy's densities and Monte Carlo.
"""
import itertools
import math

import numpy as np
import pytest
import scipy.stats

from minivae import (bernoulli_logpdf, check_function, gaussian_kl,
                     gaussian_logpdf, gaussian_pixels_logpdf)
from minivae.losses import PIXEL_WIDTH

rng = np.random.default_rng(0)
N, D = 5, 3
z, mu, logvar = (rng.standard_normal((N, D)) for _ in range(3))
logits = 2 * rng.standard_normal((N, 4, 3, 1))
x = (rng.random((N, 4, 3, 1)) < 0.5).astype("float64")
grey = rng.random((N, 4, 3, 1))
dy = rng.standard_normal(N)


def weighted(gradient):
    """dL/da for L = Σ dy·value, from the gradient of each image's value."""
    return dy.reshape(N, *[1] * (gradient.ndim - 1)) * gradient


def test_gradients_of_bernoulli_logpdf(prove):
    _, dlogits = bernoulli_logpdf(x, logits)
    prove(check_function("bernoulli_logpdf",
                         lambda: bernoulli_logpdf(x, logits)[0], dy,
                         {"logits": (logits, weighted(dlogits))},
                         verbose=False))


def test_gradients_of_gaussian_pixels_logpdf(prove):
    _, dlogits = gaussian_pixels_logpdf(grey, logits)
    prove(check_function("gaussian_pixels_logpdf",
                         lambda: gaussian_pixels_logpdf(grey, logits)[0],
                         dy, {"logits": (logits, weighted(dlogits))},
                         verbose=False))


def test_gradients_of_gaussian_logpdf(prove):
    _, dz, dmu, dlogvar = gaussian_logpdf(z, mu, logvar)
    prove(check_function("gaussian_logpdf",
                         lambda: gaussian_logpdf(z, mu, logvar)[0], dy,
                         {"z": (z, weighted(dz)), "mu": (mu, weighted(dmu)),
                          "logvar": (logvar, weighted(dlogvar))},
                         verbose=False))


def test_gradients_of_gaussian_kl(prove):
    _, dmu, dlogvar = gaussian_kl(mu, logvar)
    prove(check_function("gaussian_kl",
                         lambda: gaussian_kl(mu, logvar)[0], dy,
                         {"mu": (mu, weighted(dmu)),
                          "logvar": (logvar, weighted(dlogvar))},
                         verbose=False))


@pytest.mark.parametrize("which", ["z", "mu", "logvar"])
def test_complex_step_of_gaussian_logpdf(which):
    # f(a + ih) = f(a) + ih·f'(a) + …: no difference, so no rounding
    a = {"z": z, "mu": mu, "logvar": logvar}
    gradient = dict(zip(a, gaussian_logpdf(**a)[1:]))[which]
    for d in range(D):
        moved = {name: v.astype("complex128") for name, v in a.items()}
        moved[which][:, d] += 1e-200j
        slope = gaussian_logpdf(**moved)[0].imag / 1e-200
        np.testing.assert_allclose(slope, gradient[:, d], rtol=1e-14,
                                   atol=1e-15)


@pytest.mark.parametrize("which", ["mu", "logvar"])
def test_complex_step_of_gaussian_kl(which):
    gradient = dict(zip(("mu", "logvar"), gaussian_kl(mu, logvar)[1:]))[which]
    for d in range(D):
        moved = {"mu": mu + 0j, "logvar": logvar + 0j}
        moved[which][:, d] += 1e-200j
        slope = gaussian_kl(**moved)[0].imag / 1e-200
        np.testing.assert_allclose(slope, gradient[:, d], rtol=1e-14,
                                   atol=1e-15)


def test_bernoulli_sums_to_one():
    some = rng.standard_normal((1, 6)) * 3
    total = sum(math.exp(bernoulli_logpdf(np.array([pixels], "float64"),
                                          some)[0][0])
                for pixels in itertools.product((0, 1), repeat=6))
    assert total == pytest.approx(1, rel=1e-13)


def test_bernoulli_is_scipys():
    p = 1 / (1 + np.exp(-logits))
    want = scipy.stats.bernoulli.logpmf(x, p).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(bernoulli_logpdf(x, logits)[0], want,
                               rtol=1e-13)


def test_gaussian_pixels_are_scipys():
    mean = 1 / (1 + np.exp(-logits))
    want = scipy.stats.norm.logpdf(grey, mean, 0.2).sum((1, 2, 3))
    np.testing.assert_allclose(gaussian_pixels_logpdf(grey, logits)[0], want,
                               rtol=1e-13)


def test_gaussian_integrates_to_one():
    points = np.linspace(-40, 40, 8001)[:, None]
    for m, lv in (0.7, -1.3), (-3.0, 2.0):
        logpdf = gaussian_logpdf(points, m, lv)[0]
        assert np.exp(logpdf).sum() * 0.01 == pytest.approx(1, rel=1e-12)


def test_gaussian_is_scipys():
    want = scipy.stats.norm.logpdf(z, mu, np.exp(logvar / 2)).sum(axis=1)
    np.testing.assert_allclose(gaussian_logpdf(z, mu, logvar)[0], want,
                               rtol=1e-13)
    np.testing.assert_allclose(gaussian_logpdf(z)[0],
                               scipy.stats.norm.logpdf(z).sum(axis=1),
                               rtol=1e-13)


def test_kl_is_the_mean_of_its_definition():
    # KL = E[log q − log p] over z ~ q: within 4 standard errors. (A KL with
    # e^(logvar/2) for the variance is 100 standard errors off.)
    count = 200_000
    for m, lv in zip(mu, logvar):
        samples = m + np.exp(lv / 2) * rng.standard_normal((count, D))
        log_q = gaussian_logpdf(samples, m + 0 * samples, lv + 0 * samples)[0]
        draws = log_q - gaussian_logpdf(samples)[0]
        kl = gaussian_kl(m[None], lv[None])[0][0]
        error = draws.std() / math.sqrt(count)
        assert abs(draws.mean() - kl) < 4 * error
        assert error < 0.01 * kl


def test_kl_is_zero_only_at_the_prior():
    zero = np.zeros((1, D))
    kl, dmu, dlogvar = gaussian_kl(zero, zero)
    assert kl == 0 and (dmu == 0).all() and (dlogvar == 0).all()
    assert (gaussian_kl(mu, logvar)[0] > 0).all()


@pytest.mark.parametrize("dtype, rtol", [("float32", 1e-6),
                                         ("float64", 1e-14)])
def test_range(dtype, rtol):
    # right, not only finite; an overflow would be a warning, hence an error
    ends = np.array([[-100], [-100], [100], [100], [0]], dtype)
    ink = np.array([[0], [1], [0], [1], [1]], dtype)
    logpdf, dlogits = bernoulli_logpdf(ink, ends)
    tiny = math.exp(-100)
    np.testing.assert_allclose(logpdf, [-tiny, -100, -100, -tiny,
                                        -math.log(2)], rtol, 1.4e-45)
    np.testing.assert_allclose(dlogits[:, 0], [-tiny, 1, -1, 0, 0.5],
                               rtol, 1.4e-45)
    logpdf, dlogits = gaussian_pixels_logpdf(ink, ends)
    off = np.array([0, 1, 1, 0, 0.5]) / PIXEL_WIDTH
    np.testing.assert_allclose(logpdf, -0.5 * off ** 2 - math.log(
        PIXEL_WIDTH * math.sqrt(2 * math.pi)), rtol)
    np.testing.assert_allclose(
        dlogits[:, 0], off * [0, tiny, 0, 0, 0.25] / PIXEL_WIDTH, 10 * rtol,
        1e-30)
    assert logpdf.dtype == dlogits.dtype == dtype
    for lv in -50.0, 50.0:
        m, one = np.full((1, 1), 3, dtype), np.full((1, 1), lv, dtype)
        kl, dmu, dlogvar = gaussian_kl(m, one)
        assert kl[0] == pytest.approx(0.5 * (9 + math.expm1(lv) - lv), rtol)
        assert dlogvar[0, 0] == pytest.approx(0.5 * math.expm1(lv), rtol)
        assert dmu[0, 0] == 3
        at = 3 + 2 * np.exp(one / 2)
        logpdf, dz, _, _ = gaussian_logpdf(at, m, one)
        if lv > 0:         # at -50, z - mu has few digits: see elbo_terms
            assert logpdf[0] == pytest.approx(
                -0.5 * (math.log(2 * math.pi) + lv + 4), rel=10 * rtol)
            assert dz[0, 0] == pytest.approx(-2 * math.exp(-25), 10 * rtol)
        assert {a.dtype for a in (kl, dmu, logpdf, dz)} == {np.dtype(dtype)}


def test_a_tiny_variance_is_no_nan():
    zero, lv = np.zeros((1, 1), "float32"), np.full((1, 1), -90, "float32")
    logpdf, dz, dmu, dlogvar = gaussian_logpdf(zero, zero, lv)
    assert logpdf[0] == pytest.approx(45 - 0.5 * math.log(2 * math.pi))
    assert dz[0, 0] == dmu[0, 0] == 0 and dlogvar[0, 0] == -0.5


def test_values_are_sums_over_pixels_and_latents():
    twice = bernoulli_logpdf(np.tile(x, (1, 2, 1, 1)),
                             np.tile(logits, (1, 2, 1, 1)))[0]
    np.testing.assert_allclose(twice, 2 * bernoulli_logpdf(x, logits)[0])
    assert bernoulli_logpdf(x[:0], logits[:0])[0].shape == (0,)
    assert gaussian_kl(mu[:0], logvar[:0])[0].shape == (0,)


def test_shapes_never_broadcast_silently():
    with pytest.raises(ValueError, match="gaussian_pixels_logpdf: x has"):
        gaussian_pixels_logpdf(x[..., 0], logits)
    with pytest.raises(ValueError, match="bernoulli_logpdf: x has shape"):
        bernoulli_logpdf(x[..., 0], logits)
    with pytest.raises(ValueError, match="gaussian_kl: logvar has shape"):
        gaussian_kl(mu, logvar[:, :1])
    with pytest.raises(ValueError, match="gaussian_logpdf: mu has shape"):
        gaussian_logpdf(z[:1], mu, logvar)
    with pytest.raises(ValueError, match="gaussian_logpdf: logvar has shape"):
        gaussian_logpdf(z, mu, logvar[:, :1])
    with pytest.raises(TypeError, match="logits is uint8, but float32"):
        bernoulli_logpdf(x, x.astype("uint8"))
    with pytest.raises(TypeError, match="x is uint8, but float64"):
        bernoulli_logpdf(x.astype("uint8"), logits)


def test_complex_step_of_the_densities_of_pixels():
    for density, pixels in (bernoulli_logpdf, x), (gaussian_pixels_logpdf,
                                                   grey):
        slopes, (_, want) = np.empty_like(logits), density(pixels, logits)
        for i in np.ndindex(logits.shape):
            moved = logits.astype("complex128")
            moved[i] += 1e-200j
            value, _ = density(pixels.astype("complex128"), moved)
            slopes[i] = value[i[0]].imag / 1e-200
        np.testing.assert_allclose(slopes, want, rtol=1e-12, atol=1e-14)


def test_what_is_no_array_gets_a_sentence():
    for mu_, what in (mu.tolist(), "list"), (np.ma.array(mu), "MaskedArray"), (
            mu[0, 0], "float64"):
        with pytest.raises(TypeError, match=f"gaussian_kl: mu is a .*{what}"):
            gaussian_kl(mu_, mu_)
