"""The relatives run on CuPy: on its strict stand-in, to the same numbers.

Their layers are in test_cupy.py, with all others.
"""
import numpy as np
import pytest

from minivae import Adam
from minivae.backend import get_xp, move, to_numpy
from minivae.beyond.conv_gan import conv_gan
from minivae.beyond.descend import descend
from minivae.beyond.discrete import discrete_vae
from minivae.beyond.pixelcnn import PixelCNN
from minivae.beyond.two_levels import TwoLevels
from minivae.beyond.vqvae import VQVAE
from minivae.beyond.vqvae2 import VQVAE2

import strict_cupy

SHAPE = 8, 8, 1


@pytest.fixture
def cupy(monkeypatch):
    return strict_cupy.install(monkeypatch)


def pixels(xp):
    return move(np.random.default_rng(0).integers(2, size=(6, *SHAPE)), xp)


def trained_discrete(xp):
    vae = discrete_vae(SHAPE, 4, filters=2, rng=0, dtype="float64").to(xp)
    rng, x = np.random.default_rng(1), vae.asarray(pixels(xp))
    descend(vae.params, lambda some: vae.loss_and_grads(
        x[some], vae.noise(len(some), rng)), 6, 3, batch_size=2, rng=rng)
    return [*vae.params.values(), vae.sample(3, rng),
            *vae.elbo_terms(x, vae.noise(6, rng))]


def trained_pixelcnn(xp):
    codes = pixels(xp)[..., 0]
    net = PixelCNN(2, 4, 1, reach=3, places=True, rng=0,
                   dtype="float64").to(xp)
    descend(net.params, lambda some: net.loss_and_grads(codes[some]), 6, 3,
            batch_size=2, rng=1)
    return [*net.params.values(), net.sample(2, 4, 5, rng=2),
            net.sample(2, 8, 8, rng=2, known=codes[:2, :3]),
            net.log_prob(codes)]


def trained_gan(xp):
    gan = conv_gan(SHAPE, 3, filters=2, rng=0, dtype="float64").to(xp)
    x = pixels(xp).astype("float64")
    noise = move(np.random.default_rng(3).standard_normal((11, *SHAPE)), xp)
    _, grads = gan.discriminator_loss_and_grads(x, gan.noise(5, 1), noise, 2)
    Adam(gan.discriminator.params).step(grads)
    _, grads = gan.generator_loss_and_grads(gan.noise(4, 2), noise[:4])
    Adam(gan.generator.params).step(grads)
    return [*gan.generator.params.values(),
            *gan.discriminator.params.values(), gan.sample(3, 1)]


def trained_vqvae(xp):
    vae = VQVAE(SHAPE, 4, D=3, filters=2, rng=0, dtype="float64").to(xp)
    x = pixels(xp).astype("float64")
    _, grads = vae.loss_and_grads(x)
    Adam(vae.params).step(grads)
    vae.update_codebooks(1)
    return [*vae.params.values(), vae.top.vectors, vae.bottom.counts,
            *vae.encode(x), vae.decode(*vae.encode(x))]


def trained_prior(xp):
    prior = TwoLevels(((1, 1), (2, 2)), 3, filters=4, blocks=1, rng=0,
                      dtype="float64").to(xp)
    top, bottom = (move(np.random.default_rng(0).integers(
        3, size=(5, side, side)), xp) for side in (1, 2))
    _, grads = prior.loss_and_grads(top, bottom)
    Adam(prior.params).step(grads)
    return [*prior.params.values(), prior.log_prob(top, bottom),
            *prior.sample(4, 1)]


def whole_vqvae2(xp):
    model = VQVAE2(SHAPE, 4, D=3, filters=2, rng=0, dtype="float64").to(xp)
    return [*model.params.values(), model.sample(2, 1),
            *model.terms(pixels(xp).astype("float64"))]


@pytest.mark.parametrize("train", [
    trained_discrete, trained_pixelcnn, trained_gan, trained_vqvae,
    trained_prior, whole_vqvae2])
def test_a_gpu_computes_the_same(train, cupy):
    for got, want in zip(train(cupy), train(np), strict=True):
        assert get_xp(got) is cupy
        np.testing.assert_allclose(to_numpy(got), want, 1e-9, 1e-12)
