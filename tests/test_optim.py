"""Adam takes the steps of Kingma & Ba's algorithm 1, with Keras' epsilon."""
import copy
import math
import pickle

import numpy as np
import pytest

from minivae import Adam, Dense, Sequential


def test_the_algorithm_as_printed():
    # algorithm 1, one number at a time, its corrections written out; Keras
    # differs in where epsilon stands: sqrt(v) + ε, before the correction
    rng = np.random.default_rng(0)
    p = {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}
    adam = Adam(p, learning_rate=0.01, epsilon=1e-3)
    mine = {name: a.copy().ravel().tolist() for name, a in p.items()}
    m = {name: [0.0] * len(a) for name, a in mine.items()}
    v = {name: [0.0] * len(a) for name, a in mine.items()}
    for t in range(1, 101):
        grads = {name: rng.standard_normal(a.shape) for name, a in p.items()}
        adam.step(dict(reversed(grads.items())))      # names count, not order
        for name, g in grads.items():
            for i, g_i in enumerate(g.ravel().tolist()):
                m[name][i] = 0.9 * m[name][i] + 0.1 * g_i
                v[name][i] = 0.999 * v[name][i] + 0.001 * g_i ** 2
                m_hat = m[name][i] / (1 - 0.9 ** t)
                v_hat = v[name][i] / (1 - 0.999 ** t)
                epsilon = 1e-3 / math.sqrt(1 - 0.999 ** t)
                mine[name][i] -= 0.01 * m_hat / (math.sqrt(v_hat) + epsilon)
    for name, a in p.items():
        np.testing.assert_allclose(a.ravel(), mine[name], rtol=1e-12)


def test_the_first_step_is_the_learning_rate():
    p = {"w": np.array([1.0, 1.0, 1.0])}
    Adam(p, learning_rate=0.1).step({"w": np.array([5.0, -1e-3, 0.0])})
    np.testing.assert_allclose(p["w"], [0.9, 1.1, 1.0], rtol=1e-3)


def test_finds_a_minimum():
    p = {"w": np.array([3.0, -2.0])}
    adam = Adam(p, learning_rate=0.05)
    for _ in range(500):
        adam.step({"w": 2 * (p["w"] - [1.0, 4.0])})
    np.testing.assert_allclose(p["w"], [1, 4], atol=1e-3)


def test_works_in_place_and_keeps_float32():
    w = np.ones(3, "float32")
    g = np.ones(3, "float32")
    adam = Adam({"w": w})
    adam.step({"w": g})
    assert adam.params["w"] is w and w.dtype == np.float32 and (w < 1).all()
    assert adam.m["w"].dtype == adam.v["w"].dtype == np.float32
    assert (g == 1).all()


def test_bad_inputs_get_a_sentence():
    p = {"w": np.ones(3), "b": np.ones(1)}
    adam = Adam(p)
    with pytest.raises(ValueError, match="differ in name, shape, "
                       "dtype or device from .*: b$"):
        adam.step({"w": np.ones(3)})
    with pytest.raises(ValueError, match="differ in name, shape, "
                       "dtype or device from .*: w$"):
        adam.step({"w": np.ones(1), "b": np.ones(1)})
    assert adam.t == 0 and (p["w"] == 1).all()
    for bad in 0, -1, math.nan, math.inf:
        with pytest.raises(ValueError, match="learning_rate is"):
            Adam(p, bad)
        with pytest.raises(ValueError, match="epsilon is"):
            Adam(p, epsilon=bad)
    for bad in -0.1, 1, math.nan:
        for name in "beta_1", "beta_2":
            with pytest.raises(ValueError, match=f"{name} is"):
                Adam(p, **{name: bad})


def test_the_defaults_are_the_tutorials():
    adam = Adam({"w": np.ones(1)})
    assert (adam.learning_rate, adam.epsilon) == (1e-4, 1e-7)
    assert (adam.beta_1, adam.beta_2) == (0.9, 0.999)


def network():
    return Sequential([Dense(3, 2, rng=0, dtype="float64")])


def replaced(net, w):
    net.layers[0].params["w"] = w


def all_replaced(net, w):
    net.layers[0].params = {"w": w, "b": np.zeros(2)}


def another_layer(net, w):
    net.layers[0] = Dense(3, 2, dtype="float64")
    net.layers[0].params["w"] = w


@pytest.mark.parametrize("replace", [replaced, all_replaced, another_layer])
def test_a_parameter_that_was_replaced_is_refused(replace):
    net, w = network(), np.ones((3, 2))
    adam = Adam(net.params, 0.1)
    replace(net, w)
    net.backward(net.forward(np.ones((4, 3))))
    with pytest.raises(ValueError, match="of others that replaced them or of "
                       r"another model; make a new Adam\(vae.params\)"):
        adam.step(net.grads)
    assert adam.t == 0 and (net.layers[0].params["w"] == 1).all()


def test_one_of_a_layer_alone_is_trained():
    layer = Dense(3, 2, dtype="float64")
    adam, layer.params["w"] = Adam(layer.params, 0.1), np.ones((3, 2))
    layer.backward(layer.forward(np.ones((4, 3))))
    adam.step(layer.grads)
    np.testing.assert_allclose(layer.params["w"], 0.9, rtol=1e-4)


def test_a_networks_params_cannot_be_replaced_in_a_copy():
    net = network()
    with pytest.raises(TypeError, match="0.w would be replaced in this dict "
                       "only; write into it"):
        net.params["0.w"] = np.ones((3, 2))
    net.params["0.w"] -= net.params["0.w"]                       # in place
    assert (net.layers[0].params["w"] == 0).all()


@pytest.mark.parametrize("w", [np.ones((2, 3)), np.ones((3, 3)),
                               np.ones((3, 2), "float32"), np.float64(1)])
def test_one_of_another_kind_is_refused(w):
    layer = Dense(3, 2, rng=0, dtype="float64")
    adam, b = Adam(layer.params), layer.params["b"].copy()
    layer.params["w"] = w
    with pytest.raises(ValueError, match="(gradients|params) differ in name, "
                       "shape, dtype or device from .*: w$"):
        adam.step({"w": w, "b": b})
    assert adam.t == 0 and np.array_equal(b, layer.params["b"])


def test_gradients_of_another_network_are_refused():
    net, other = network(), network()
    other.backward(other.forward(np.ones((4, 3))))
    for params in net.params, {**net.params}:
        with pytest.raises(ValueError, match="not of the parameters that Adam "
                           "was made for.*make a new Adam"):
            Adam(params).step(other.grads)
    Adam(net.params).step({**other.grads})   # somebody computed them elsewhere
    snapshot = Adam({**other.params})
    replaced(other, np.ones((3, 2)))
    with pytest.raises(ValueError, match="others that replaced them"):
        snapshot.step(other.grads)


def test_a_copy_of_a_pair_is_a_pair():
    net = network()
    pair = net, Adam(net.params, 0.1)
    for net, adam in copy.deepcopy(pair), pickle.loads(pickle.dumps(pair)):
        before = net.params["0.w"].copy()
        net.backward(net.forward(np.ones((4, 3))))
        adam.step(net.grads)
        assert (net.params["0.w"] != before).all()


def test_one_array_under_two_names_is_refused():
    w = np.ones((2, 2))
    for tied in w, w.T, w[:1], w.reshape(4):
        with pytest.raises(ValueError, match="Adam: a and c share memory, and "
                           "would be stepped twice"):
            Adam({"a": w, "b": np.ones(1), "c": tied})
    encoder, decoder = Dense(2, 2), Dense(2, 2)
    decoder.params["w"] = encoder.params["w"].T
    with pytest.raises(ValueError, match="0.w and 1.w share memory"):
        Adam(Sequential([encoder, decoder]).params)
    Adam({"left": w[:, :1], "right": w[:, 1:]})              # side by side


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ValueError, match="no parameter to train"):
        Adam({})
    with pytest.raises(TypeError, match="Adam: w is int64, but float"):
        Adam({"w": np.arange(3)})
    with pytest.raises(TypeError, match="Adam: w is a list, but"):
        Adam({"w": [1.0]})
    with pytest.raises(TypeError, match="Adam: w is a numpy float64, but"):
        Adam({"w": np.float64(1)})
    with pytest.raises(TypeError, match="Adam: b is float32, but float64"):
        Adam({"w": np.ones(1), "b": np.ones(1, "float32")})
    with pytest.raises(ValueError, match="differ in name, shape, dtype or "
                       "device from .*: w$"):
        Adam({"w": np.ones(1)}).step({"w": [1.0]})


def test_a_rate_is_looked_at_at_every_step():
    adam = Adam({"w": np.ones(1)})
    for bad in math.nan, -1, 0:
        adam.learning_rate = bad
        with pytest.raises(ValueError, match=f"learning_rate is {bad}, but"):
            adam.step({"w": np.ones(1)})
    assert adam.t == 0
