"""Adam takes the steps of Kingma & Ba's algorithm 1, with Keras' epsilon."""
import math

import numpy as np
import pytest

from minivae import Adam


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
    with pytest.raises(ValueError, match="differ in name or shape: b$"):
        adam.step({"w": np.ones(3)})
    with pytest.raises(ValueError, match="differ in name or shape: w$"):
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
