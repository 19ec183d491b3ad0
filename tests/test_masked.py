"""Masked layers see what comes before, and nothing else."""
import itertools

import numpy as np
import pytest

from minivae import Conv2D
from minivae.beyond.masked import Beside, Gate, MaskedConv2D
from minivae.layers import sigmoid


def seen(layer, shape, place):
    """The places (i, j) of an input that move the output at a place."""
    x = np.random.default_rng(0).standard_normal((1, *shape))
    y = layer.forward(x)[0][place].copy()
    found = set()
    for i, j in itertools.product(range(shape[0]), range(shape[1])):
        changed = x.copy()
        changed[0, i, j] += 1
        if (layer.forward(changed)[0][place] != y).any():
            found.add((i, j))
    return found


@pytest.mark.parametrize("strict", [True, False])
def test_a_kernel_of_five_sees_two_rows_above_and_what_is_on_its_left(strict):
    layer = MaskedConv2D(2, 3, 5, strict=strict, rng=0, dtype="float64")
    want = {*itertools.product((1, 2), range(1, 6)), (3, 1), (3, 2)}
    if not strict:
        want.add((3, 3))
    assert seen(layer, (6, 7, 2), (3, 3)) == want


def test_it_is_a_convolution_whose_kernel_is_partly_zero():
    masked = MaskedConv2D(2, 3, 3, rng=0, dtype="float64")
    masked.params["b"] += [1, 2, 3]
    plain = Conv2D(2, 3, 3, padding="same", dtype="float64")
    w = np.zeros((3, 3, 2, 3))
    w[:2] = masked.params["w"]
    w[1, 2] = 0
    plain.params.update(w=w, b=masked.params["b"])
    x = np.random.default_rng(1).standard_normal((2, 4, 5, 2))
    np.testing.assert_allclose(masked.forward(x), plain.forward(x),
                               rtol=1e-12)


def test_masked_weights_have_no_gradient():
    layer = MaskedConv2D(1, 1, 3, strict=True, rng=0, dtype="float64")
    y = layer.forward(np.ones((1, 4, 4, 1)))
    layer.backward(np.ones_like(y))
    np.testing.assert_array_equal(layer.grads["w"][..., 0, 0] != 0,
                                  [[True, True, True], [True, False, False]])


@pytest.mark.parametrize("size", [4, 2.5, 0, "3"])
def test_sizes_that_are_not_odd_are_refused(size):
    with pytest.raises(ValueError, match="MaskedConv2D: size is"):
        MaskedConv2D(1, 1, size)


def test_gate():
    x = np.array([[0.5, -1.0, 2.0, 0.0]])
    np.testing.assert_allclose(
        Gate().forward(x), np.tanh(x[:, :2]) * sigmoid(x[:, 2:]))
    with pytest.raises(ValueError, match="x has 3 channels, but an even"):
        Gate().forward(np.zeros((1, 3)))


def test_beside():
    masked = MaskedConv2D(2, 3, 3, strict=True, rng=0, dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 5))
    np.testing.assert_array_equal(Beside(masked).forward(x), masked.forward(
        x[..., :2]) + x[..., 2:])
    with pytest.raises(ValueError, match=r"\(N, H, W, 5\) was expected"):
        Beside(masked).forward(x[..., :2])
