"""The GAN's losses, and R1, as PyTorch computes them (oracle/gan.npz)."""
import numpy as np
import pytest
from test_oracle import agree, load

from minivae import Conv2D, Dense, Flatten, Sequential, Sigmoid
from minivae.beyond.categorical import categorical_logpdf
from minivae.beyond.gan import discriminator_loss, generator_loss
from minivae.beyond.r1 import r1_penalty

CASES = load("gan.npz")


def test_the_two_losses():
    a = CASES["discriminator"]
    value, dreal, dmade = discriminator_loss(a["real"], a["made"])
    agree(value, a["y"])
    agree(dreal, a["dreal"])
    agree(dmade, a["dmade"])
    a = CASES["generator"]
    value, dmade = generator_loss(a["made"])
    agree(value, a["y"])
    agree(dmade, a["dmade"])


def test_softmax_cross_entropy():
    a = CASES["categorical"]
    value, dlogits = categorical_logpdf(a["codes"], a["logits"])
    agree(value, a["y"])
    agree(a["dy"][:, None, None] * dlogits, a["dlogits"])


def test_r1_to_the_order_of_its_difference():
    """PyTorch differentiates twice; here the error falls with step²."""
    a = CASES["r1"]
    conv = Conv2D(1, 2, 3, padding="same", dtype="float64")
    dense = Dense(60, 1, dtype="float64")
    conv.params["w"], conv.params["b"] = a["k"], a["b"]
    dense.params["w"] = a["w"]
    D = Sequential([conv, Sigmoid(), Flatten(), dense])
    errors = []
    for step in 0.4, 0.2, 0.1, 0.001:
        value, grads = r1_penalty(D, a["x"], step)
        agree(value, a["y"])
        errors.append({name: abs(grads[key] - a[name]).max() / abs(
            a[name]).max() for key, name in (
                ("0.w", "dk"), ("0.b", "db"), ("3.w", "dw"))})
    for name in errors[0]:
        for larger, smaller in zip(errors, errors[1:3]):
            assert larger[name] / smaller[name] == pytest.approx(4, rel=0.1)
        assert errors[-1][name] < 1e-6
    assert np.abs(grads["3.b"]).max() < 1e-9
