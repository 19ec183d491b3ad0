"""Every layer keeps the contract, and its gradients are right.

The layers are discovered, not listed: a new one is checked, or fails here.
"""
import copy
import pickle

import numpy as np
import pytest

from minivae import (Conv2D, Conv2DTranspose, Dense, Flatten, Layer, ReLU,
                     Reshape, Sequential, Sigmoid, check_layer, conv_vae)
from minivae.layers import glorot_uniform

from examples import all_layers, examples

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
    with pytest.raises(ValueError, match="12 numbers for each of N"):
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


@pytest.mark.parametrize("shape, fans", [
    ((3, 2, 50, 70), 6 * 50 + 6 * 70), ((150, 210), 150 + 210)])
def test_glorot_keeps_the_size_of_signals(shape, fans):
    w = glorot_uniform(shape, np.random.default_rng(0))
    assert abs(w).max() <= np.sqrt(6 / fans)
    # a uniform draw in ±a has the standard deviation a / √3
    assert w.std() == pytest.approx(np.sqrt(2 / fans), rel=0.01)
    assert abs(w.mean()) < 4 * w.std() / np.sqrt(w.size)
    assert w.dtype == np.float32


def test_the_same_seed_gives_the_same_weights_in_any_dtype():
    a, b = (Conv2D(2, 3, 3, rng=np.random.default_rng(7), dtype=dtype)
            for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(a.params["w"],
                                  b.params["w"].astype("float32"))
    assert (Flatten().params, Flatten().grads) == ({}, {})


class Residual(Layer):
    """A container of somebody else's: y = x + f(x)."""

    def __init__(self, inner):
        self.layers = [inner]

    def forward(self, x):
        return x + self.layers[0].forward(x)

    def backward(self, dy):
        return dy + self.layers[0].backward(dy)


def test_one_layer_in_two_places_is_refused_by_name():
    relu, dense = ReLU(), Dense(3, 3)
    net = Sequential([dense])
    for layers, places in [
            ([relu, dense, relu], "0 and 2 are one and the same ReLU"),
            ([dense, relu, dense], "0 and 2 are one and the same Dense"),
            ([relu, Sequential([dense, relu])], "0 and 1.1 are .* ReLU"),
            ([net, net], "0 and 1 are .* Sequential"),
            ([net, Sequential([net])], "0 and 1.0 are .* Sequential"),
            ([net, Sequential([dense])], "0.0 and 1.0 are .* Dense"),
            ([Residual(relu), Sequential([relu])], "0.0 and 1.0 are .* ReLU")]:
        with pytest.raises(ValueError, match=f"Sequential: {places}.*; make "
                           "a layer for each place"):
            Sequential(layers)
    Sequential([ReLU(), Residual(ReLU()), Sequential([ReLU()])])
    with pytest.raises(TypeError, match="1 is <class .*ReLU'>, but a layer, "
                       r"such as ReLU\(\), was expected"):
        Sequential([dense, ReLU])


@pytest.mark.parametrize("dtype", ["float16", "int32", "bool", ">f4", object,
                                   "longdouble"])
def test_other_dtypes_are_refused_at_construction(dtype):
    for make in (lambda: Dense(3, 2, dtype=dtype),
                 lambda: Conv2D(1, 2, 3, dtype=dtype),
                 lambda: Conv2DTranspose(1, 2, 3, dtype=dtype),
                 lambda: conv_vae(dtype=dtype)):
        with pytest.raises(TypeError, match="w is .*, but an array of float32 "
                           "or float64 was expected"):
            make()


def test_parameters_of_a_layer_of_ones_own_are_arrays_of_floats():
    for w, what in ([1.0, 2.0], "a list"), (np.ones(2, int), "int64"), (
            np.float64(2), "float64"):
        with pytest.raises(TypeError, match=f"Layer: w is {what}, but an arr"):
            Layer(w=w)


def test_a_layer_needs_no_init_of_ours():
    class Shift(Layer):
        def __init__(self, size):
            self.params["b"] = np.ones(size)

        def forward(self, x):
            return x + self.params["b"]

        def backward(self, dy):
            self.grads["b"] = dy.sum(axis=0)
            return dy

    one, other = Shift(2), Shift(3)
    assert one.params["b"].shape == (2,) and other.grads == {}
    assert Residual(ReLU()).params == {}
    x = np.zeros((4, 3))
    assert check_layer(other, x, verbose=False).ok
    net = Sequential([Residual(ReLU()), other])
    net.backward(net.forward(x))
    assert list(net.params) == list(net.grads) == ["1.b"]
    assert list(net.to(np).params) == ["1.b"]


def test_gradients_stay_what_they_were():
    net = Sequential([Dense(3, 2, dtype="float64")])
    net.backward(net.forward(np.ones((4, 3))))
    first = net.grads
    net.backward(net.forward(np.zeros((4, 3))))
    assert first["0.w"].any() and not net.grads["0.w"].any()
    for other in pickle.loads(pickle.dumps(first)), copy.deepcopy(first):
        assert type(other) is dict and list(other) == list(first)


@layers
def test_a_pickle_or_copy_holds_no_cache_and_a_layer_can_forget(cls):
    for layer, x in examples(cls):
        y = layer.forward(x)
        for other in pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer):
            if layer.params or cls is not Sequential:
                with pytest.raises(RuntimeError, match="before forward"):
                    other.backward(y)
            np.testing.assert_array_equal(other.forward(x), y)
        layer.backward(y)                        # it has kept its own
        layer.forget()
        if layer.params or cls is not Sequential:
            with pytest.raises(RuntimeError, match="before forward"):
                layer.backward(y)


def test_complex_step_through_a_sigmoid():
    # |x| has no complex derivative: with it, the slope came out as 0 or worse
    x = np.linspace(-30, 30, 61)[None]
    e = np.exp(-abs(x))
    slope = Sigmoid().forward(x + 1e-200j).imag / 1e-200
    np.testing.assert_allclose(slope, e / (1 + e) ** 2, rtol=1e-13)


@pytest.mark.parametrize("make", [
    lambda a: np.ma.array(a), lambda a: a.view(np.matrix), lambda a: a[0, 0],
    lambda a: 1.0, lambda a: None])
def test_only_plain_arrays_are_arrays(make):
    for layer in ReLU(), Sigmoid(), Flatten(), Dense(2, 2, dtype="float64"):
        with pytest.raises(TypeError, match="a numpy ndarray was expected"):
            layer.forward(make(np.ones((2, 2))))


@pytest.mark.parametrize("cls, args", [(Conv2D, (1, 2, 3)), (Dense, (3, 4)),
                                       (Sequential, ([Dense(3, 2)],))])
def test_whoever_overrides_backward_alone_is_heard(cls, args):
    """Without dx, too: an inherited backward_params would go around it."""
    class Louder(cls):
        def backward(self, dy):
            return super().backward(10 * dy)

    layer = Louder(*args)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 5, 1) if cls is Conv2D else (2, 3))
    x = x.astype("float32")
    dy = np.ones_like(layer.forward(x))
    layer.backward(dy)
    want = {name: g.copy() for name, g in layer.grads.items()}
    for g in layer.grads.values():
        g[...] = np.nan
    layer.forward(x)
    layer.backward_params(dy)
    for name, g in layer.grads.items():
        np.testing.assert_array_equal(g, want[name])


def test_the_gradients_are_the_same_where_nobody_needs_dx():
    rng = np.random.default_rng(0)
    for layers in ([Conv2D(1, 2, 3, rng=0), ReLU(), Flatten(),
                    Dense(18, 2, rng=1)],
                   [Sequential([Conv2D(1, 2, 3, rng=0), ReLU()]), Flatten()],
                   [Flatten()], []):
        layer = Sequential(layers)
        x = rng.standard_normal((2, 5, 5, 1)).astype("float32")
        dy = rng.standard_normal(layer.forward(x).shape).astype("float32")
        layer.backward(dy)
        want = {name: g.copy() for name, g in layer.grads.items()}
        for g in layer.grads.values():
            g[...] = np.nan
        layer.forward(x)
        layer.backward_params(dy)
        assert layer.grads.keys() == want.keys()
        for name, g in layer.grads.items():
            np.testing.assert_array_equal(g, want[name])
