"""What is not finite is named, and where it began."""
import math

import numpy as np
import pytest

from minivae import VAE, Adam, Dense, conv_vae
from minivae.extras.runs.diagnosis import check_finite, diagnosis
from minivae.train import train_step


def test_parameters_that_are_not_finite_are_named():
    vae = conv_vae(filters=2, rng=0)
    adam = Adam(vae.params, 0.5)
    check_finite(adam)
    vae.params["decoder.3.b"][1] = math.inf
    with pytest.raises(FloatingPointError, match="before step 1, decoder.3.b "
                       "is no longer finite; try a learning rate below 0.5"):
        check_finite(adam)


def spoil(name, value):
    def change(vae):
        vae.params[name][...] = value
    return change


def big_logvar(vae):
    vae.params["encoder.5.b"][2:] = 500


def diagnosed(vae, x, eps):
    """Return the sentence of a step that fails."""
    with pytest.raises(FloatingPointError) as caught:
        train_step(vae, Adam(vae.params), x, eps)
    return str(diagnosis(caught.value, vae, x, eps))


@pytest.mark.parametrize("change, culprit", [
    (spoil("encoder.2.b", math.nan), "the output of encoder.2, Conv2D(2, 4,"),
    (spoil("decoder.7.b", math.inf), "the output of decoder.7, Conv2DTransp"),
    (big_logvar, "z, whose log-variance is too large")])
def test_where_it_began_is_named(change, culprit):
    vae = conv_vae(filters=2, rng=0)
    change(vae)
    x = np.ones((4, 28, 28, 1), "float32")
    sentence = diagnosed(vae, x, vae.noise(4, 0))
    assert sentence.startswith("at step 1, the loss is not finite; try a lear")
    assert f"; the first number that is not finite is in {culprit}" in sentence


def test_noise_that_is_not_finite_is_to_blame_itself():
    vae, x = conv_vae(filters=2, rng=0), np.ones((4, 28, 28, 1), "float32")
    assert diagnosed(vae, x, vae.noise(4, 0) * np.float32(math.nan)).endswith(
        "is in eps; draw it with vae.noise")


def test_networks_of_one_layer():
    vae = VAE(Dense(4, 4, rng=0), Dense(2, 4, rng=0))
    vae.decoder.params["b"][0] = math.nan
    assert "output of decoder.0, Dense(2, 4)" in diagnosed(
        vae, np.ones((3, 4), "float32"), vae.noise(3, 0))
