"""demos/reparameterization.py: three gradients of one ELBO."""
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import strict_cupy

from minivae import (VAE, Adam, Dense, Flatten, Reshape, Sequential, conv_vae,
                     load_pretrained)
from minivae.backend import to_numpy
from minivae.data import load_mnist
from minivae.train import epoch, train_step

from test_demos import arguments, load

demo = load("reparameterization.py")
image = load_mnist().test_images[0]


@pytest.fixture
def smooth():
    """A VAE without kinks, an image, and a quadrature over eps.

    Returns (vae, x, eps, weights): Σ weights·g(eps) is the mean of g, since
    Gauss and Hermite's rule is exact for such smooth functions.
    """
    rng, settings = np.random.default_rng(0), {"rng": 0, "dtype": "float64"}
    vae = VAE(Sequential([Flatten(), Dense(4, 4, **settings)]),
              Sequential([Dense(2, 4, **settings), Reshape((2, 2, 1))]))
    for p in vae.params.values():
        p += 0.3 * rng.standard_normal(p.shape)
    places, weights = np.polynomial.hermite_e.hermegauss(30)
    eps = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    weights = np.outer(weights, weights).ravel() / (2 * np.pi)
    x = np.array([[1.0, 0], [0, 1]])[None, ..., None]
    return vae, x.repeat(len(eps), axis=0), eps, weights


def test_all_gradients_have_the_same_mean(smooth):
    vae, x, eps, weights = smooth
    made = demo.draw(vae, x, eps)
    means = [weights @ demo.gradient(way, made, 7.0) for way in demo.WAYS]
    np.testing.assert_allclose(means[0], means[1], rtol=1e-8)
    np.testing.assert_allclose(means[0], means[2], rtol=1e-8)
    # and it is the slope of the mean of f
    f = demo.along(vae, x[0], [-1e-4, 1e-4], np.stack([eps, eps])) @ weights
    assert (f[1] - f[0]) / 2e-4 == pytest.approx(means[0][0], rel=1e-6)
    assert weights @ made.f == pytest.approx(f.mean(), rel=1e-7)


def test_a_pathwise_step_is_an_ordinary_training_step():
    images = load_mnist().train_images[:64]
    demo_vae = demo.train(demo.PATHWISE, images, 0, lambda vae, step: None)
    rng = np.random.default_rng(0)
    vae = conv_vae(rng=rng)
    adam = Adam(vae.params, learning_rate=1e-3)
    for x, eps in epoch(vae, images, 32, rng):
        train_step(vae, adam, x, eps)
    for name, p in vae.params.items():
        np.testing.assert_allclose(demo_vae.params[name], p, atol=1e-6)


@pytest.mark.parametrize("way", demo.WAYS)
def test_training_is_watched_and_moves_the_encoder(way):
    steps, start = [], conv_vae(rng=0)
    vae = demo.train(way, load_mnist().train_images[:330], 0,
                     lambda vae, step: steps.append(step))
    assert steps == [0, 10, 11]
    for name in "encoder.0.w", "decoder.0.w":
        assert abs(vae.params[name] - start.params[name]).max() > 1e-3


def test_a_baseline_is_another_draws_f():
    vae = load_pretrained("mnist")
    found = demo.estimate(vae, image, 200)
    rng, x = np.random.default_rng(0), vae.asarray(image[None].repeat(
        100, axis=0))
    eps = vae.noise(100, rng)
    f, sigma = vae.elbo(x, eps), np.exp(vae.encode(x)[1] / 2)
    log_q = np.concatenate([eps / sigma, (eps ** 2 - 1) / 2], axis=1)
    np.testing.assert_allclose(found["score function"][:100],
                               f[:, None] * log_q, rtol=1e-3)
    np.testing.assert_allclose(
        found["with a baseline"][1:100], (f[1:] - f[:-1])[:, None] * log_q[1:],
        rtol=1e-3, atol=0.05)
    assert all(estimates.shape == (200, 4) for estimates in found.values())
    # so the variances are in this order in a trained VAE
    pathwise, score, baseline = demo.variances(vae, [image])
    assert pathwise < baseline / 2 and baseline < score / 100
    assert pathwise == pytest.approx(found["pathwise"].var(axis=0).sum())


def test_kept_draws_are_smooth_along_mu_and_fresh_ones_are_not():
    vae, rng = load_pretrained("mnist"), np.random.default_rng(0)
    shifts = np.array([-0.005, 0, 0.005])     # less than sigma
    eps = rng.standard_normal((3, 100, 2))
    kept = np.broadcast_to(eps[1], (3, 100, 2))
    x = vae.asarray(image[None].repeat(100, axis=0))
    made = demo.draw(vae, x, vae.asarray(eps[1]))
    f = demo.along(vae, image, shifts, kept)
    np.testing.assert_allclose(f[1], made.f, rtol=1e-5)
    slopes = (f[2] - f[0]) / 0.01
    assert np.corrcoef(slopes, made.pathwise[:, 0])[0, 1] > 0.9
    fresh = demo.along(vae, image, shifts, eps)
    assert (fresh[2] - fresh[0]).std() > 2 * (f[2] - f[0]).std()


def test_means_that_differ_are_counted(capsys):
    rng = np.random.default_rng(0)
    exact = rng.standard_normal((1000, 4))
    demo.print_means({"pathwise": exact, "score function": exact + 0.02
                      * rng.standard_normal(exact.shape),
                      "with a baseline": exact + [0, -9, 0, 9]
                      + rng.standard_normal(exact.shape)})
    assert "6 of 8 by less than 3." in capsys.readouterr().out


def test_the_three_gradients_on_a_gpu(monkeypatch):
    on_cpu = demo.estimate(load_pretrained("mnist"), image, 100)
    strict_cupy.install(monkeypatch)
    vae = load_pretrained("mnist").to(sys.modules["cupy"])
    on_gpu = demo.estimate(vae, image, 100)
    for way in demo.WAYS:
        np.testing.assert_allclose(to_numpy(on_gpu[way]), on_cpu[way],
                                   rtol=1e-3, atol=1e-3)


def test_reparameterization_measures_and_draws(monkeypatch, tmp_path, capsys):
    data, drawn = load_mnist(), {}
    monkeypatch.setattr(demo, "load_mnist", lambda: data._replace(
        test_images=data.test_images[:100]))
    monkeypatch.setattr(demo, "DRAWS", 200)
    real = demo.pixels

    def pixels(figure):
        drawn[len(drawn)] = [[line.get_ydata() for line in ax.get_lines()]
                             for ax in figure.axes]
        limits.append([ax.get_ylim() for ax in figure.axes])
        return real(figure)
    limits = []
    monkeypatch.setattr(demo, "pixels", pixels)
    monkeypatch.setattr(demo, "variances", lambda vae, images: [2, 800, 10])
    demo.main(arguments(demo, monkeypatch, "--limit", 320, "--out", tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"draws.png",
                                                    "variance.png"}
    for path in tmp_path.iterdir():
        assert imageio.imread(path).std() > 5
    printed = capsys.readouterr().out
    assert "variance is 400 times the\npathwise one; with a baseline, 5" in (
        printed)
    first, last = (line.split() for line in printed.splitlines()[2:4])
    assert first[:4] == ["0", "2.0", "800.0", "10.0"] and last[0] == "10"
    assert len(set(first[4:])) == 1                     # all start alike
    (left, right), (fresh, kept) = drawn.values()
    assert [list(line) for line in left] == [[2, 2], [800, 800], [10, 10]]
    assert [f"{line[1]:.1f}" for line in right] == last[4:]
    assert limits[1][0] == limits[1][1]         # both on the same scale
    # the mean of all draws, three of these, and three slopes
    assert len(fresh) == 4 and len(kept) == 7
    for i in 0, 1:
        steps = [np.abs(np.diff(lines[i])).max() for lines in (fresh, kept)]
        assert steps[0] > 3 * steps[1]
    # a mean of 100 fresh draws is far nearer to that of others than one is
    assert np.abs(fresh[0] - kept[0]).mean() < 0.3 * np.abs(
        fresh[1] - kept[0]).mean()
    assert f"Look at {tmp_path}" in printed
