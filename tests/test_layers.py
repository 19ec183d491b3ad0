"""Every layer keeps the contract, and its gradients are right.

The layers are discovered, not listed: a new one is checked, or fails here.
"""
import numpy as np
import pytest
from examples import all_layers, examples

from minivae import (Conv2D, Conv2DTranspose, Dense, Flatten, ReLU, Reshape,
                     Sequential, Sigmoid, check_layer)
from minivae.layers import glorot_uniform

layers = pytest.mark.parametrize("cls", all_layers(), ids=lambda c: c.__name__)


def upstream(layer, x):
    y = layer.forward(x)
    return np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype)


def run(layer, x, dy):
    """Forward and backward: y, dx and the gradients, all copied."""
    y = layer.forward(x).copy()
    dx = layer.backward(dy).copy()
    return [y, dx, *(g.copy() for g in layer.grads.values())]


def test_the_search_finds_layers():
    assert {Dense, Conv2D, ReLU, Sequential} <= set(all_layers())


@layers
def test_gradients(cls, prove):
    for layer, x in examples(cls):
        prove(check_layer(layer, x, verbose=False))


@pytest.mark.parametrize("cls", [Dense, Conv2D, Conv2DTranspose],
                         ids=lambda c: c.__name__)
def test_complex_step(cls):
    # f(a + ih) = f(a) + ih·f'(a) + …: no difference is taken, so nothing is
    # lost to rounding, and h can be tiny
    h = 1e-200
    for layer, x in examples(cls, "complex128"):
        dy = upstream(layer, x).real.astype(x.dtype)
        layer.forward(x)
        dx = layer.backward(dy)
        for a, da in [(x, dx)] + [(p, layer.grads[name])
                                  for name, p in layer.params.items()]:
            for i in np.ndindex(a.shape):
                a_i = a[i]
                a[i] = a_i + 1j * h
                slope = (dy * layer.forward(x)).sum().imag / h
                a[i] = a_i
                assert abs(slope - da[i].real) <= 1e-13 * abs(da).max()


def test_a_layer_without_an_example_fails_by_name():
    class Mystery(ReLU):
        pass
    with pytest.raises(LookupError, match="the layer Mystery has no example"):
        examples(Mystery)


@layers
def test_keeps_its_inputs(cls):
    for layer, x in examples(cls):
        dy = upstream(layer, x)
        kept = [x, dy, *layer.params.values()]
        before = [a.tobytes() for a in kept]
        run(layer, x, dy)
        assert [a.tobytes() for a in kept] == before


@layers
def test_backward_overwrites(cls):
    for layer, x in examples(cls):
        dy = upstream(layer, x)
        first = run(layer, x, dy)
        run(layer, x[::-1].copy(), 2 * dy)
        again = run(layer, x, dy)
        again_dx = layer.backward(dy)             # backward twice in a row
        assert all(map(np.array_equal, first, again))
        assert np.array_equal(first[1], again_dx)


@layers
@pytest.mark.parametrize("layout", ["fortran", "reversed", "every second"])
def test_any_memory_layout(cls, layout):
    def laid_out(a):
        if layout == "fortran":
            return np.asfortranarray(a)
        if layout == "reversed":
            return a[::-1, ..., ::-1].copy()[::-1, ..., ::-1]
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]

    for layer, x in examples(cls):
        dy = upstream(layer, x)
        expected = run(layer, x, dy)
        for got, want in zip(run(layer, laid_out(x), laid_out(dy)), expected):
            np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


@layers
def test_batches_of_none_and_one(cls):
    for layer, x in examples(cls):
        dy = upstream(layer, x)
        y, dx, *grads = run(layer, x[:0], dy[:0])
        assert y.shape == dy[:0].shape and dx.shape == x[:0].shape
        assert all((g == 0).all() for g in grads)
        # Images do not see each other: one at a time gives the same
        whole = run(layer, x, dy)
        ones = [run(layer, x[n:n + 1], dy[n:n + 1]) for n in range(len(x))]
        for i, want in enumerate(whole):
            parts = [one[i] for one in ones]
            got = np.concatenate(parts) if i < 2 else sum(parts)
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@layers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keeps_the_dtype(cls, dtype):
    for layer, x in examples(cls, dtype):
        results = run(layer, x, upstream(layer, x))
        assert {a.dtype for a in results} == {np.dtype(dtype)}


@layers
def test_float32_agrees_with_float64(cls):
    for (single, x32), (double, x64) in zip(examples(cls, "float32"),
                                            examples(cls, "float64")):
        dy = upstream(double, x64)
        for got, want in zip(run(single, x32, dy.astype("float32")),
                             run(double, x64, dy)):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@layers
def test_no_upstream_no_gradient(cls):
    for layer, x in examples(cls):
        _, *gradients = run(layer, x, 0 * upstream(layer, x))
        assert all((g == 0).all() for g in gradients)


@layers
def test_params_and_grads_have_the_same_names_and_shapes(cls):
    for layer, x in examples(cls):
        for _ in range(2):                        # before and after a run
            assert list(layer.params) == list(layer.grads)
            for name, p in layer.params.items():
                assert layer.grads[name].shape == p.shape
                assert layer.grads[name].dtype == p.dtype
            run(layer, x, upstream(layer, x))


@layers
def test_refuses_a_wrong_upstream(cls):
    for layer, x in examples(cls):
        if layer.params or cls is not Sequential:    # one without layers: x
            dy = upstream(layer, x)
            with pytest.raises(ValueError, match="dy has shape"):
                layer.backward(dy[..., None])
            with pytest.raises(ValueError, match="dy has shape"):
                layer.backward(dy[:-1])
            with pytest.raises(TypeError, match="dy is float32"):
                layer.backward(dy.astype("float32"))


@layers
def test_refuses_an_input_that_is_no_float(cls):
    for layer, x in examples(cls):
        if layer.params or cls is not Sequential:
            with pytest.raises(TypeError, match="x is int64, but float"):
                layer.forward(x.astype("int64"))
            with pytest.raises(TypeError, match="x is a list, but a numpy"):
                layer.forward(x.tolist())


@layers
def test_backward_needs_a_forward(cls):
    for layer, x in examples(cls):
        if layer.params or cls is not Sequential:
            with pytest.raises(RuntimeError, match="called before forward"):
                layer.backward(x)


def test_sizes_may_be_numpys():
    reshape = Reshape(np.array([2, 3]))
    reshape.forward(np.zeros((4, 6)))
    with pytest.raises(ValueError, match="dy has shape"):
        reshape.backward(np.zeros((4, 3, 2)))
    with pytest.raises(ValueError, match="x has shape"):
        Dense(np.int64(3), 2).forward(np.zeros((4, 2), "float32"))


def test_a_seed_will_do():
    for seed in 0, 1:
        a, b = (Dense(3, 2, rng=seed).params["w"] for _ in range(2))
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, Dense(3, 2, rng=0).params["w"])


def test_bad_inputs_get_a_sentence():
    dense = Dense(4, 3)
    x = np.zeros((2, 5), "float32")
    with pytest.raises(ValueError, match=r"Dense\(4, 3\): x has shape "
                       r"\(2, 5\), but \(N, 4\) was expected"):
        dense.forward(x)
    with pytest.raises(ValueError, match=r"\(N, 4\) was expected"):
        dense.forward(np.zeros(4, "float32"))
    with pytest.raises(TypeError, match=r"x is float64, but float32 was "
                       r"expected; convert it with \.astype\('float32'\)"):
        dense.forward(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="12 numbers an image"):
        Reshape((3, 4)).forward(np.zeros((2, 5)))
    for bad in 0, -1, 2.5, "3", None:
        with pytest.raises(ValueError, match="units is .*at least 1"):
            Dense(3, bad)
    with pytest.raises(ValueError, match=r"shape\[1\] is 0"):
        Reshape((2, 0))


def test_sequential_shares_its_layers_arrays():
    inner, outer = Dense(3, 2), Dense(2, 1)
    net = Sequential([Sequential([inner]), ReLU(), outer])
    assert list(net.params) == ["0.0.w", "0.0.b", "2.w", "2.b"]
    assert net.params["0.0.w"] is inner.params["w"]
    assert net.params["2.b"] is outer.params["b"]


def test_relu_is_zero_at_and_below_its_kink():
    relu, x = ReLU(), np.array([[-1.0, -0.0, 0.0, 2.0, np.inf, np.nan]])
    np.testing.assert_array_equal(relu.forward(x), [[0, 0, 0, 2, np.inf,
                                                     np.nan]])
    np.testing.assert_array_equal(relu.backward(np.ones_like(x)),
                                  [[0, 0, 0, 1, 1, 0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_at_its_ends(dtype):
    # Overflow would be a warning, and every warning is an error here
    x = np.array([[-1e4, -100, -20, 0, 20, 100, 1e4]], dtype)
    exact = [[0, 3.720075976020836e-44, 2.061153618190204e-09, 0.5,
              0.9999999979388463, 1, 1]]
    # (float32 keeps e^-100 as a subnormal number, in steps of 1.4e-45)
    np.testing.assert_allclose(Sigmoid().forward(x), exact, atol=1.4e-45,
                               rtol={"float32": 3e-7, "float64": 1e-15}[dtype])


def test_glorot_keeps_the_size_of_signals():
    rng = np.random.default_rng(0)
    w = glorot_uniform((3, 2, 50, 70), rng)       # fans 6·50 and 6·70
    assert abs(w).max() <= np.sqrt(6 / (6 * 120))
    # a uniform draw in ±a has the standard deviation a / √3
    assert w.std() == pytest.approx(np.sqrt(2 / (6 * 120)), rel=0.01)
    assert abs(w.mean()) < 4 * w.std() / np.sqrt(w.size)
    assert w.dtype == np.float32


def test_the_same_seed_gives_the_same_weights_in_any_dtype():
    a, b = (Conv2D(2, 3, 3, rng=np.random.default_rng(7), dtype=dtype)
            for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(a.params["w"],
                                  b.params["w"].astype("float32"))
    assert (Flatten().params, Flatten().grads) == ({}, {})
