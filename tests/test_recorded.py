"""What a GPU does in minivae/extras/gpu: kernels, and a step that is recorded.

Here the kernels run on the CPU, thread by thread (cuda_on_cpu.py), so images
are few and small. test_cupy.py's last part does the same on a real GPU.
"""
import copy
import pickle

import numpy as np
import pytest

from minivae import (VAE, Adam, Conv2D, Conv2DTranspose, Dense, Flatten, Layer,
                     ReLU, Reshape, Sequential, Sigmoid, conv)
from minivae.backend import move, to_numpy
from minivae.extras.gpu import kernels
from minivae.extras.gpu.layers import Fused, fuse
from minivae.extras.gpu.recorded import Recorded
from minivae.train import train_step

import cuda_on_cpu
import strict_cupy

pytestmark = pytest.mark.skipif(not cuda_on_cpu.AVAILABLE,
                                reason="g++ is not installed")


@pytest.fixture
def cupy(monkeypatch):
    return strict_cupy.install(monkeypatch)


def close(got, want, digits):
    got, scale = to_numpy(got), abs(want).max() + 1e-30
    np.testing.assert_allclose(got, want, rtol=0, atol=scale * 10 ** -digits)


# images (H, W), channels, filters, kernel, strides, padding: odd sizes, that
# strides do not divide, and windows that leave pixels out
CASES = [((7, 8), 1, 5, (3, 3), (2, 2), "same"),
         ((6, 6), 3, 70, (3, 3), (2, 2), "valid"),
         ((9, 10), 4, 2, (4, 3), (3, 2), "same"),
         ((10, 9), 3, 5, (2, 3), (3, 1), "valid"),
         ((7, 6), 2, 3, (5, 2), (1, 2), "same"),
         ((8, 8), 36, 1, (3, 3), (1, 1), "same"),
         ((1, 1), 66, 4, (1, 1), (1, 1), "valid")]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype, digits", [("float32", 5), ("float64", 13)])
def test_kernels_compute_the_trio(cupy, case, dtype, digits):
    size, C, F, kernel, strides, padding = case
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)
    x, w, b = draw(3, *size, C), draw(*kernel, C, F), draw(F)
    sizes = kernels.sizes_of(x.shape, w.shape, strides, padding)
    y = conv.correlate.plain(x, w, strides, padding)
    dy = draw(*y.shape)
    gx, gw, gb, gdy = (move(a, cupy) for a in (x, w, b, dy))

    close(kernels.correlate(gx, gw, sizes, bias=gb, relu=True),
          np.maximum(y + b, 0), digits)
    close(kernels.correlate_dx(gdy, gw, sizes, mask=gx),
          conv.correlate_dx.plain(dy, w, size, strides, padding) * (x > 0),
          digits)
    for parts in 1, 5:
        dw, db = (cupy.full((parts, n), np.nan, dtype) for n in (w.size, F))
        kernels.correlate_dw(gx, gdy, sizes, dw)
        kernels.sum_rows(gdy, db)
        close(dw.sum(axis=0), conv.correlate_dw.plain(
            x, dy, kernel, strides, padding).ravel(), digits)
        close(db.sum(axis=0), dy.sum(axis=(0, 1, 2)), digits)


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 9, 32, 33, 64, 1568])
def test_a_tile_is_as_wide_as_the_result_and_has_128_threads(columns):
    tile = kernels.choose_tile(columns)
    assert tile.TILE_N == 64 or columns <= tile.TILE_N < 2 * columns
    assert (tile.TILE_M // tile.EACH_M) * (tile.TILE_N // tile.EACH_N) == 128
    assert tile.TILE_M % tile.EACH_M == tile.TILE_N % tile.EACH_N == 0


def test_a_product_in_parts_is_the_same(cupy):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 1, 1, 300)), rng.standard_normal((300, 3))
    product = kernels.Product("correlate", kernels.sizes_of(
        x.shape, (1, 1, 300, 3), (1, 1), "valid"), 2, 3, 300)
    assert product.parts(cupy) == 4                 # of 64 terms, or more
    got = product.finished(move(x, cupy), move(w, cupy), (2, 3),
                           bias=move(w[0], cupy), relu=True)
    close(got, np.maximum(x[:, 0, 0] @ w + w[0], 0), 13)


def test_sizes_that_overflow_get_a_sentence(cupy):
    class Large:
        size, dtype = 2 ** 31, np.dtype("f")

        def __len__(self):
            return 10 ** 6
    product = kernels.Product("correlate", kernels.ANY, 1, 1, 1)
    with pytest.raises(ValueError, match="a batch of 1,000,000 images is too "
                       "large"):
        product.run(Large(), Large(), Large())


def test_relus_go_into_the_layers_beside_them():
    conv2d, dense = Conv2D(1, 2, 3), Dense(8, 4)
    twin = fuse(Sequential([
        Sequential([conv2d, ReLU()]), Flatten(), dense, ReLU(), ReLU(),
        Dense(4, 3), Sigmoid(), ReLU(), Dense(3, 2), ReLU()]))
    assert [(layer.layer if isinstance(layer, Fused) else type(layer),
             getattr(layer, "relu", None), getattr(layer, "masked", None))
            for layer in twin.layers][:5] == [
        (conv2d, True, False), (Flatten, None, None), (dense, False, True),
        (ReLU, None, None), (ReLU, None, None)]
    assert [type(layer) for layer in twin.layers[6:]] == [
        Sigmoid, ReLU, *map(type, twin.layers[8:])]
    assert twin.layers[-1].__class__ is ReLU      # nobody could go back there
    assert twin.layers[0].params["w"] is conv2d.params["w"]


def test_only_what_comes_out_of_a_relu_is_masked():
    twin = fuse(Sequential([Conv2D(1, 2, 3), Flatten(), Dense(8, 4)]))
    assert [twin.layers[i].masked for i in (0, 2)] == [False, False]


def small_vae(dtype="float64", likelihood="bernoulli"):
    """A VAE with one of each layer, and one that has no kernel."""
    rng = {"rng": np.random.default_rng(0), "dtype": dtype}
    vae = VAE(Sequential([Conv2D(1, 3, 3, strides=2, **rng), ReLU(), Flatten(),
                          Dense(12, 4, **rng)]),
              Sequential([Dense(2, 8, **rng), ReLU(), Reshape((2, 2, 2)),
                          Conv2DTranspose(2, 3, 3, strides=3, padding="same",
                                          **rng), Sigmoid(),
                          Conv2D(3, 1, 3, padding="same", **rng)]), likelihood)
    for p in vae.params.values():
        p += 0.1 * rng["rng"].standard_normal(p.shape).astype(dtype)
    return vae


def draw_batches(vae, count):
    rng = np.random.default_rng(1)
    for _ in range(count):
        x = (rng.random((3, 6, 6, 1)) > 0.5).astype("float64")
        yield vae.asarray(x), vae.noise(3, rng)


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous"])
def test_a_recorded_step_is_the_plain_one(cupy, likelihood):
    host, gpu = (small_vae(likelihood=likelihood) for _ in range(2))
    gpu.to(cupy)
    model, host_adam, adam = Recorded(gpu), Adam(host.params), Adam(gpu.params)
    assert len(model.recordings) == 0
    for beta, (x, eps) in zip((1, 0.5, 0.5, 2), draw_batches(host, 4)):
        want = train_step(host, host_adam, x, eps, beta)
        got = train_step(model, adam, move(x, cupy), move(eps, cupy), beta)
        assert float(got) == pytest.approx(float(want), rel=1e-12)
        _, grads = model.loss_and_grads(move(x, cupy), move(eps, cupy), beta)
        for name, g in host.loss_and_grads(x, eps, beta)[1].items():
            close(grads[name], g, 10)
    assert len(model.recordings) == 1 and adam.t == 4
    for name, p in host.params.items():
        close(gpu.params[name], p, 12)
        close(adam.m[name], host_adam.m[name], 10)
        close(adam.v[name], host_adam.v[name], 10)


def test_a_recorded_vae_evaluates_and_decodes_as_ever(cupy):
    vae = small_vae()
    (x, eps), (y, other) = draw_batches(vae, 2)
    want = *vae.elbo_terms(x, eps), vae.decode(eps), vae.decode(eps, True)
    model = Recorded(vae.to(cupy))
    model.elbo_terms(move(y, cupy), move(other, cupy))     # records others
    model.decode(move(other, cupy))
    eps = move(eps, cupy)
    got = (*model.elbo_terms(move(x, cupy), eps), model.decode(eps),
           model.decode(eps, True))
    model.elbo_terms(move(y, cupy), move(other, cupy))     # got is a copy
    model.decode(move(other, cupy))
    for a, b in zip(got, want, strict=True):
        close(a, b, 12)
    assert model.latent_dim == 2 and model.likelihood == "bernoulli"


def test_a_step_is_one_request_and_adam_one_kernel(cupy):
    vae = small_vae().to(cupy)
    model, adam = Recorded(vae), Adam(vae.params)
    (x, eps), = draw_batches(vae, 1)
    train_step(model, adam, x, eps)
    fetched, before = cupy.ndarray.fetched, strict_cupy.StrictCupy.launched
    count = len(model.recordings)
    graph, = (recording.graph for recording in model.recordings.values())
    played, graph.launch = [], lambda: played.append(1)
    train_step(model, adam, x, eps)
    # two copies into the graph's memory, one of the loss, and Adam
    assert strict_cupy.StrictCupy.launched - before == 4
    assert len(played) == 1 and len(model.recordings) == count
    assert cupy.ndarray.fetched == fetched


def test_a_vae_that_changed_is_recorded_anew(cupy):
    vae = small_vae().to(cupy)
    model = Recorded(vae)
    (x, eps), = draw_batches(vae, 1)
    before = float(model.loss_and_grads(x, eps)[0])
    w = vae.encoder.layers[-1].params["w"]
    w *= 2                                           # in place: no need to
    recording, = model.recordings.values()
    changed = float(model.loss_and_grads(x, eps)[0])
    assert changed == pytest.approx(float(vae.loss_and_grads(x, eps)[0]),
                                    rel=1e-12)
    assert changed != pytest.approx(before, rel=1e-6)
    assert recording in model.recordings.values()
    vae.encoder.layers[-1].params["w"] = w * 2
    assert float(model.loss_and_grads(x, eps)[0]) == pytest.approx(
        float(vae.loss_and_grads(x, eps)[0]), rel=1e-12)
    assert recording not in model.recordings.values()


class OfOnesOwn(Layer):
    """y = x, which takes a product of matrices nevertheless."""

    def forward(self, x):
        return x + 0 * (x @ x.T).sum()

    def backward(self, dy):
        return dy


def test_what_cannot_be_recorded_gets_a_sentence(cupy):
    vae = small_vae()
    vae.encoder.layers.append(OfOnesOwn())
    (x, eps), = draw_batches(vae, 1)
    with pytest.raises(TypeError, match="the VAE is on the CPU, .*vae.to"):
        Recorded(vae).loss_and_grads(x, eps)
    model = Recorded(vae.to(cupy))
    gpu_x, gpu_eps = move(x, cupy), move(eps, cupy)
    for work in (lambda: model.loss_and_grads(gpu_x, gpu_eps),
                 lambda: model.elbo_terms(gpu_x, gpu_eps)):
        with pytest.raises(RuntimeError, match="this VAE cannot be recorded "
                           r"\(calling cuBLAS .*; compute with"):
            work()
    assert strict_cupy.StrictCupy.graph is None
    vae.encoder.layers.pop()
    model.loss_and_grads(gpu_x, gpu_eps)
    with pytest.raises(TypeError, match="x is a numpy ndarray|an input is a "
                       "numpy ndarray"):
        model.loss_and_grads(x, gpu_eps)
    with pytest.raises(ValueError, match=r"\(3, 6, 6, 1\) was expected"):
        model.loss_and_grads(gpu_x[:, :5], gpu_eps)
    for bad in gpu_x[:2, :5], gpu_x[:0]:
        with pytest.raises(ValueError, match="expected|no image"):
            model.loss_and_grads(bad, gpu_eps[:len(bad)])
    for work in copy.copy, pickle.dumps:
        with pytest.raises(TypeError, match="make a new Recorded"):
            work(model)
    model.close()
    assert not model.recordings
