"""The discrete VAE's bound is a bound, unbiased; its gradient is what it says.

On a model of four places and three codes, all 81 codes can be summed over.
"""
import itertools

import numpy as np
import pytest

from minivae import Conv2D, Conv2DTranspose, Sequential, check_function
from minivae.beyond import discrete
from minivae.beyond.categorical import (categorical_kl, log_softmax, one_hot)
from minivae.beyond.discrete import DiscreteVAE, discrete_vae
from minivae.beyond.pixelcnn import PixelCNN
from minivae.layers import Sigmoid
from minivae.losses import bernoulli_logpdf

CODES = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)


@pytest.fixture
def vae():
    settings = {"dtype": "float64", "rng": np.random.default_rng(0)}
    return DiscreteVAE(
        Sequential([Conv2D(1, 4, 2, strides=2, **settings), Sigmoid(),
                    Conv2D(4, 3, 1, **settings)]),
        Sequential([Conv2DTranspose(3, 4, 2, strides=2, **settings),
                    Sigmoid(), Conv2D(4, 1, 1, **settings)]),
        PixelCNN(3, 4, blocks=1, reach=3, **settings), (2, 2))


@pytest.fixture
def x():
    return np.random.default_rng(1).integers(2, size=(2, 4, 4, 1)).astype(
        "float64")


def all_terms(vae, x):
    """For all 81 codes: log q, log p of the codes, and log p(x | codes)."""
    log_q = log_softmax(vae.encode(x))
    log_q = (one_hot(CODES, 3, "float64")[:, None] * log_q).sum((2, 3, 4))
    log_p_x = [bernoulli_logpdf(x, np.repeat(vae.decode(codes[None]), len(x),
                                             axis=0))[0] for codes in CODES]
    return log_q, vae.prior.log_prob(CODES)[:, None], np.array(log_p_x)


def test_the_bound_is_below_log_p_and_its_estimate_is_unbiased(vae, x):
    log_q, log_p, log_p_x = all_terms(vae, x)                   # (81, N)
    q = np.exp(log_q)
    np.testing.assert_allclose(q.sum(axis=0), 1, rtol=1e-12)
    elbo = (q * (log_p_x + log_p - log_q)).sum(axis=0)
    evidence = np.log(np.exp(log_p + log_p_x).sum(axis=0))
    assert (elbo < evidence - 1e-3).all()
    # the estimate has the KL of each place in closed form, given the codes
    # before it; its mean, over all codes, must be the bound
    estimates = []
    for codes, likelihood in zip(CODES, log_p_x):
        p = vae.prior.logits(np.repeat(codes[None], len(x), axis=0))
        estimates.append(likelihood - categorical_kl(vae.encode(x), p)[0])
    np.testing.assert_allclose((q * estimates).sum(axis=0), elbo, rtol=1e-10)


def test_elbo_terms_are_those_of_the_codes_drawn(vae, x):
    # so much noise for one code that it must be drawn
    noise = 1e6 * one_hot(CODES[[5, 70]], 3, "float64")
    reconstruction, kl = vae.elbo_terms(x, noise)
    _, _, log_p_x = all_terms(vae, x)
    np.testing.assert_allclose(reconstruction, [log_p_x[5, 0], log_p_x[70, 1]])
    p = vae.prior.logits(CODES[[5, 70]])
    np.testing.assert_allclose(kl, categorical_kl(vae.encode(x), p)[0])


def test_noise_is_gumbel(vae):
    noise = vae.noise(20_000, rng=0)
    assert noise.shape == (20_000, 2, 2, 3)
    # mean: Euler's constant; deviation: π/√6
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.01)
    assert noise.std() == pytest.approx(np.pi / 6 ** 0.5, abs=0.01)


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_gradients_are_those_of_the_surrogate(vae, x, beta, monkeypatch,
                                              prove):
    gumbel = vae.noise(2, rng=3)
    loss, grads = vae.loss_and_grads(x, gumbel, beta)
    pairs = {name: (p, grads[name].copy()) for name, p in vae.params.items()}
    # forward as the surrogate has it: soft, and what is missing, frozen here

    def soft(logits):
        return np.exp(log_softmax((logits + gumbel) / vae.temperature))
    q = vae.encode(x)
    constant = discrete.gumbel_one_hot(q, gumbel) - soft(q)
    monkeypatch.setattr(discrete, "gumbel_one_hot",
                        lambda logits, _: soft(logits) + constant)

    # of (reconstruction, kl), in the mean over two images
    weights = np.array([[-0.5, -0.5], [0.5 * beta, 0.5 * beta]])

    def terms():
        return np.array(vae.elbo_terms(x, gumbel))
    assert (weights * terms()).sum() == pytest.approx(loss, rel=1e-14)
    prove(check_function("discrete VAE", terms, weights, pairs,
                         verbose=False))


def test_the_decoder_and_the_prior_have_true_gradients(vae, x, prove):
    gumbel = vae.noise(2, rng=3)
    _, grads = vae.loss_and_grads(x, gumbel)
    pairs = {name: (p, grads[name].copy()) for name, p in vae.params.items()
             if not name.startswith("encoder")}
    prove(check_function(
        "decoder, prior", lambda: np.array(vae.elbo_terms(x, gumbel)),
        np.array([[-0.5, -0.5], [0.5, 0.5]]), pairs, verbose=False))


def test_samples_are_decoded_draws_of_the_prior(vae):
    images = vae.sample(3, rng=0)
    codes = vae.prior.sample(3, 2, 2, rng=0)
    np.testing.assert_array_equal(images, vae.decode(codes, True))
    assert images.shape == (3, 4, 4, 1)
    assert 0 < images.min() < images.max() < 1


def test_discrete_vae_has_codes_of_a_fourth_of_the_size():
    vae = discrete_vae((8, 12, 3), 5, filters=4, rng=0)
    x = np.zeros((2, 8, 12, 3), np.float32)
    assert vae.encode(x).shape == (2, 2, 3, 5)
    loss, grads = vae.loss_and_grads(x, vae.noise(2, rng=0))
    assert loss.dtype == np.float32 and grads.keys() == vae.params.keys()
    assert vae.sample(2, rng=0).shape == x.shape
    assert sum(p.size for p in discrete_vae(rng=0).params.values()) == 299297


@pytest.mark.parametrize("settings, message", [
    ({"K": 0}, "discrete_vae: K is 0"),
    ({"filters": 2.5}, "discrete_vae: filters is 2.5"),
    ({"image_shape": (30, 28, 1)}, "multiple"),
])
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        discrete_vae(**settings)


def test_noise_for_no_images_is_refused(vae):
    for n in 0, -1, 1.5:
        with pytest.raises(ValueError, match=f"noise: n is {n}, but"):
            vae.noise(n)


def test_a_batch_of_none_is_refused(vae, x):
    with pytest.raises(ValueError, match="DiscreteVAE: the batch has no "):
        vae.loss_and_grads(x[:0], vae.noise(2)[:0])


@pytest.mark.parametrize("pixel", [np.nan, -1, 255])
def test_pixels_that_are_none_are_refused(vae, x, pixel):
    x[1, 2, 3] = pixel
    with pytest.raises(ValueError, match=r"DiscreteVAE: image 1 has \S+ at "
                                         r"pixel \[2, 3, 0\]"):
        vae.elbo_terms(x, vae.noise(2))


def test_an_encoder_that_does_not_fit_is_refused(vae, x):
    vae.encoder = Conv2D(1, 3, 1, dtype="float64")
    with pytest.raises(ValueError, match="the encoder's output has shape"):
        vae.elbo_terms(x, vae.noise(2))
