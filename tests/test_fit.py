"""Training in one call learns what the written-out loop learns."""
import numpy as np
import pytest

from minivae import Adam, conv_vae
from minivae.data import load_mnist
from minivae.extras import fit as module
from minivae.extras.fit import fit
from minivae.train import epoch, train_step


@pytest.fixture(scope="module")
def images():
    return load_mnist().train_images[:100]


@pytest.mark.parametrize("cores", [1, 2])
def test_it_is_the_loop_of_train(images, monkeypatch, cores):
    monkeypatch.setattr(module, "cores", lambda: cores)
    vae, by_hand = (conv_vae(filters=2, rng=0)
                    for _ in range(2))
    steps = []
    assert fit(vae, images, epochs=2, batch_size=40, beta=3.0, warmup=2,
               seed=5, watch=steps.append) is vae
    assert steps == [1, 2, 3, 4, 5, 6]

    rng, adam = np.random.default_rng(5), Adam(by_hand.params)
    for _ in range(2):
        for x, eps in epoch(by_hand, images, 40, rng):
            adam.learning_rate = 4e-3 * (1 - adam.t / 6)
            train_step(by_hand, adam, x, eps, min(adam.t + 1, 3))
    for name, p in by_hand.params.items():
        # a share of a sum is rounded otherwise, and Adam divides by its size
        np.testing.assert_allclose(vae.params[name], p, rtol=0,
                                   atol=0 if cores == 1 else 1e-4)


def test_without_noise_it_trains_an_autoencoder(images):
    vae, other = (conv_vae(filters=2, rng=0) for _ in range(2))
    for network, seed in (vae, 1), (other, 1):
        fit(network, images, batch_size=10, beta=0, noise=False, seed=seed)
    before = conv_vae(filters=2, rng=0).params["encoder.5.w"]
    after = vae.params["encoder.5.w"]
    np.testing.assert_array_equal(after, other.params["encoder.5.w"])
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])     # logvar
    assert (after[:, :2] != before[:, :2]).any()
