"""The profile counts the arithmetic exactly and leaves the layers alone."""
import re

import numpy as np
import pytest

from minivae import VAE, Dense, Flatten, Sequential, conv, conv_vae

from common.profile import (FORMS, TECHNIQUES, flop, layer_table, layers,
                            technique_table, timing, traffic, without)

# products in one image's forward pass: windows · weights of one window
TUTORIAL = {"encoder.0": 13 * 13 * 9 * 32, "encoder.2": 6 * 6 * 9 * 32 * 64,
            "encoder.5": 2304 * 4, "decoder.0": 2 * 1568,
            "decoder.3": 7 * 7 * 9 * 32 * 64,
            "decoder.5": 14 * 14 * 9 * 64 * 32,
            "decoder.7": 28 * 28 * 9 * 32}


@pytest.mark.parametrize("N", [1, 3])
def test_the_tutorials_network_needs_33_million_operations_an_image(N):
    vae = conv_vae(rng=0)
    counted = flop(vae, np.zeros((N, 28, 28, 1), "float32"))
    assert {name: n for name, n in counted.items() if n} == {
        name: (3 - (name == "encoder.0")) * 2 * N * n
        for name, n in TUTORIAL.items()}
    assert sum(counted.values()) == N * 32_699_904


def test_traffic_counts_each_array_once_in_a_direction():
    dense = Dense(3, 2), Dense(1, 3)
    vae = VAE(Sequential([dense[0], Flatten()]), Sequential([dense[1]]))
    forward = (3 + 2) + (1 + 3)              # x and y of both, for an image
    backward = forward + (3 + 1)             # dy and x; and dx
    w_and_b = (3 * 2 + 2) + (1 * 3 + 3)      # w twice, dw; and Adam's seven
    x = np.zeros((4, 3), "float32")
    assert traffic(vae, x) == (4 * 10 * w_and_b,
                               4 * 4 * (forward + backward))


def test_timing_leaves_the_layers_as_they_were():
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    x, eps = np.zeros((2, 8, 8, 1), "float32"), vae.noise(2, 0)
    want, _ = vae.loss_and_grads(x, eps)
    with pytest.raises(KeyError), timing(vae) as calls:
        assert vae.loss_and_grads(x, eps)[0] == want
        assert all(len(call.forward) == len(call.backward) == 1
                   and min(call.forward + call.backward) > 0
                   for call in calls.values())
        raise KeyError
    for layer in layers(vae).values():
        assert "forward" not in vars(layer) and "backward" not in vars(layer)


def test_the_table_has_a_line_for_each_layer_and_a_sum():
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    x = np.zeros((2, 8, 8, 1), "float32")
    table = layer_table(vae, x, vae.noise(2, 0), times=3)
    head, names, *lines, rest, together, product = table.splitlines()
    assert [line[:54].strip() for line in lines] == [
        repr(layer) for layer in layers(vae).values()]
    milliseconds = [sum(map(float, line[54:71].split())) for line in lines]
    loss = float(rest.split()[-1])
    whole, speed = map(float, together.split()[-2:])
    assert sum(milliseconds) + loss == pytest.approx(whole, abs=0.5)
    assert 0 <= speed < float(product.split()[-1])
    assert max(len(line) for line in table.splitlines()) < 100
    assert re.search(r"forward +backward", names) and "GFLOP/s" in head


def test_plain_forms_stand_in_for_a_while_only():
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    x, eps = np.ones((2, 8, 8, 1), "float32"), vae.noise(2, 0)
    quick = conv.correlate.quick
    with pytest.raises(ZeroDivisionError), without(FORMS):
        assert conv.correlate.quick is conv.correlate.plain
        1 / 0
    assert conv.correlate.quick is quick
    table = technique_table(vae, x, eps, turns=1)
    for name in *TECHNIQUES, "all quick forms":
        assert re.search(rf"  {name} +-?\d+\.\d%", table)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_technique_that_is_taken_out_changes_the_way_not_the_result(name):
    vae = conv_vae((8, 8, 1), filters=4, rng=0, dtype="float64")
    x, eps = np.ones((5, 8, 8, 1)), vae.noise(5, 0)
    loss, grads = vae.loss_and_grads(x, eps)
    grads = {key: g.copy() for key, g in grads.items()}
    for owner, attribute, other in TECHNIQUES[name]:
        assert getattr(owner, attribute) is not other
    with without(TECHNIQUES[name]):
        assert vae.loss_and_grads(x, eps)[0] == pytest.approx(loss, rel=1e-13)
        for key, g in vae.grads.items():
            np.testing.assert_allclose(g, grads[key], rtol=1e-10, atol=1e-12)
