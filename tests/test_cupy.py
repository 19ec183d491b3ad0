"""Everything that touches arrays runs on CuPy, with no implicit conversion.

Without a GPU a strict stand-in plays CuPy; the numbers must then be NumPy's,
bit for bit, because it computes with NumPy.
"""
import functools
import math
import multiprocessing
import re
import sys
import threading

import imageio.v3 as imageio
import numpy as np
import pytest

from minivae import (Adam, bernoulli_logpdf, check_layer, choose_device,
                     conv_vae, gaussian_kl, gaussian_pixels_logpdf, load_model,
                     save_model)
from minivae.backend import fused, get_xp, move, to_numpy
from minivae.extras.gpu import recorded
from minivae.extras.gpu.recorded import Recorded
from minivae.extras.likelihood import log_likelihood
from minivae.extras.runs.diagnosis import check_finite
from minivae.layers import sigmoid
from minivae.train import epoch, evaluate, train_step

import strict_cupy
from common import fit, training_run
from examples import all_layers, examples
from small_runs import few
from test_demos import PICTURES, arguments, load


@pytest.fixture
def cupy(monkeypatch):
    # kernels that run on a CPU are too slow for demos; see test_recorded.py
    for module in training_run, fit, recorded:
        monkeypatch.setattr(module, "Recorded", lambda vae: vae)
    return strict_cupy.install(monkeypatch)


# ---- the stand-in is strict ------------------------------------------------

@pytest.mark.parametrize("mistake", [
    lambda cp, g, n: np.exp(g),
    lambda cp, g, n: np.asarray(g),
    lambda cp, g, n: g + n,
    lambda cp, g, n: n + g,
    lambda cp, g, n: n @ g,
    lambda cp, g, n: cp.exp(n),
    lambda cp, g, n: cp.concatenate([g, n]),
    lambda cp, g, n: g.__setitem__(0, n[0]),
    lambda cp, g, n: g[np.array([0, 1])],
    lambda cp, g, n: n.__setitem__(slice(None), g),
    lambda cp, g, n: g.tobytes_of,
    lambda cp, g, n: cp.random_of,
    lambda cp, g, n: g.itemset(0, 1),
])
def test_mixing_and_converting_are_refused(cupy, mistake):
    n = np.ones((3, 3))
    with pytest.raises((TypeError, AttributeError, ValueError)):
        mistake(cupy, cupy.asarray(n), n)


def test_reductions_give_arrays(cupy):
    g = cupy.asarray(np.arange(3.0))
    assert type(g.sum()) is type(g) and g.sum().shape == ()
    assert float(g.sum()) == 3.0


def no_abs(a):
    return abs(a)


def no_method(a):
    return a.sum()


def no_index(a):
    return a[0]


@pytest.mark.parametrize("function", [no_abs, no_method, no_index])
def test_a_fused_function_may_not_do_everything(cupy, function):
    with pytest.raises((TypeError, NotImplementedError), match="cupy.fuse"):
        fused(function)(cupy.asarray(np.ones(3)))


def test_a_fused_function_is_one_kernel(cupy):
    @fused
    def change(a, b):
        a += get_xp(a).exp(b)
        return sigmoid(a) * a                       # a fused one in it
    a, b = np.ones(3), np.arange(3.0)
    gpu_a, gpu_b = move(a, cupy), move(b, cupy)
    before = cupy.launched
    got = change(gpu_a, gpu_b)
    assert cupy.launched == before + 1
    for gpu, want in (got, change(a, b)), (gpu_a, a):
        np.testing.assert_array_equal(to_numpy(gpu), want)


def test_the_stand_in_has_only_the_names_of_the_original():
    real = pytest.importorskip("cupy", reason="CuPy is not installed")
    if isinstance(real, strict_cupy.StrictCupy):
        pytest.skip("CuPy is not installed")
    assert strict_cupy.MODULE_NAMES <= set(dir(real))
    assert strict_cupy.ARRAY_NAMES <= set(dir(real.ndarray))
    assert callable(real.lib.stride_tricks.as_strided)
    assert callable(real.cuda.Event) and callable(real.cuda.get_elapsed_time)


# ---- everything runs on it -------------------------------------------------

def test_a_gpu_is_found(cupy):
    assert choose_device("auto") == (cupy, "gpu (Stand-in)")
    assert choose_device("cpu")[0] is np


@pytest.mark.parametrize("cls", all_layers(), ids=lambda c: c.__name__)
def test_layers(cupy, cls):
    for (host, x), (device, _) in zip(examples(cls), examples(cls)):
        device.to(cupy)
        y = host.forward(x)
        gpu_y = device.forward(move(x, cupy))
        dx, gpu_dx = host.backward(y), device.backward(gpu_y)
        for got, want in zip([gpu_y, gpu_dx, *device.grads.values()],
                             [y, dx, *host.grads.values()], strict=True):
            assert get_xp(got) is cupy
            np.testing.assert_array_equal(to_numpy(got), want)
        back = device.to(np)
        assert all(get_xp(p) is np for p in back.params.values())


def test_gradient_checks(cupy, prove):
    for cls in all_layers():
        for layer, x in examples(cls)[:1]:
            prove(check_layer(layer.to(cupy), move(x, cupy), verbose=False))


def test_losses(cupy):
    rng = np.random.default_rng(0)
    x, logits = (rng.random((3, 4)) > 0.5) * 1.0, rng.standard_normal((3, 4))
    for loss in bernoulli_logpdf, gaussian_pixels_logpdf, gaussian_kl:
        got = loss(move(x, cupy), move(logits, cupy))
        for a, b in zip(got, loss(x, logits), strict=True):
            np.testing.assert_array_equal(to_numpy(a), b)


def test_training_and_evaluating(cupy):
    def train(xp):
        rng = np.random.default_rng(0)
        images = move(rng.integers(0, 2, (48, 8, 8, 1), bool), xp)
        vae = conv_vae((8, 8, 1), filters=2, rng=rng).to(xp)
        adam, losses = Adam(vae.params), []
        for x, eps in epoch(vae, images, 20, rng):
            assert get_xp(x) is get_xp(eps) is xp
            losses.append(float(train_step(vae, adam, x, eps)))
        scores = evaluate(vae, images, vae.noise(len(images), rng), 20)
        bounds = log_likelihood(vae, x, 3, rng)
        assert get_xp(bounds) is xp
        return losses, (*scores, *to_numpy(bounds)), vae
    host, gpu = train(np), train(cupy)
    assert host[:2] == gpu[:2]
    for name, p in host[2].params.items():
        assert get_xp(gpu[2].params[name]) is cupy
        np.testing.assert_array_equal(to_numpy(gpu[2].params[name]), p)


def test_a_step_waits_for_nothing(cupy):
    rng = np.random.default_rng(0)
    images = move(rng.integers(0, 2, (48, 8, 8, 1), bool), cupy)
    vae = conv_vae((8, 8, 1), filters=2, rng=rng).to(cupy)
    adam = Adam(vae.params)
    fetched, sent = cupy.ndarray.fetched, cupy.sent
    losses = [train_step(vae, adam, x, eps)
              for x, eps in epoch(vae, images, 20, rng)]
    assert cupy.ndarray.fetched == fetched
    assert cupy.sent == sent + 2            # the epoch's order, and its noise
    check_finite(adam)
    assert cupy.ndarray.fetched == fetched + 1
    assert len(losses) == 3 and math.isfinite(losses[-1])


def test_a_step_asks_for_few_kernels(cupy):
    vae = conv_vae(rng=0).to(cupy)
    adam, rng = Adam(vae.params), np.random.default_rng(0)
    x, eps = vae.asarray(rng.random((2, 28, 28, 1))), vae.noise(2, rng)
    before = cupy.launched
    train_step(vae, adam, x, eps)
    assert cupy.launched == before + 161               # README has it, too


def test_on_a_gpu_too_what_is_not_finite_is_named(cupy):
    vae = conv_vae((8, 8, 1), filters=2).to(cupy)
    vae.params["encoder.2.w"][...] = math.inf
    with pytest.raises(FloatingPointError, match="encoder.2.w is no longer"):
        check_finite(Adam(vae.params))


def test_a_gpus_model_can_be_loaded_on_a_cpu(cupy, tmp_path):
    vae = conv_vae((8, 8, 1), filters=2)
    z = vae.noise(3)
    want = vae.decode(z)
    save_model(tmp_path / "model.npz", vae.to(cupy), (8, 8, 1))
    np.testing.assert_array_equal(
        load_model(tmp_path / "model.npz").decode(z), want)


def test_an_array_on_the_wrong_device_gets_a_sentence(cupy):
    layer, x = examples(all_layers()[0])[0]
    with pytest.raises(TypeError, match="x is a numpy ndarray, but a .* was "
                       "expected"):
        layer.to(cupy).forward(x)


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
def test_the_main_demo(cupy, monkeypatch, tmp_path, capsys, latent_dim):
    assert sys.modules["cupy"] is cupy
    demo = load("train_fashion.py")
    real = demo.load_fashion_mnist()
    few = real._replace(test_images=real.test_images[:300],
                        test_labels=real.test_labels[:300],
                        grey_index=real.grey_index % 300)
    args = arguments(demo, monkeypatch, "--device", "gpu", "--limit", 64,
                     "--epochs", 1, "--latent-dim", latent_dim, "--out",
                     tmp_path)
    args.load = lambda: few
    assert demo.main(args) == 0
    assert PICTURES <= {p.name for p in tmp_path.iterdir()}
    assert "gpu (Stand-in)" in capsys.readouterr().out


def test_a_diverged_run_keeps_the_better_model(cupy, monkeypatch, tmp_path):
    demo = load("train_fashion.py")
    monkeypatch.setattr(training_run, "draw_landscape",
                        lambda *_: np.eye(9, dtype="uint8"))

    def train(*more):
        args = arguments(demo, monkeypatch, "--device", "gpu", "--limit", 64,
                         "--epochs", 1, "--out", tmp_path, *more)
        args.load = functools.partial(few, demo.load_fashion_mnist)
        return demo.main(args)
    assert train() == 0
    before = (tmp_path / "model.npz").read_bytes()
    real_step = demo.train_step

    def diverge(vae, adam, *batch):
        vae.params["encoder.0.w"][...] = math.nan
        return real_step(vae, adam, *batch)
    monkeypatch.setattr(demo, "train_step", diverge)
    assert train("--resume", "--epochs", 2) == 2
    assert (tmp_path / "model.npz").read_bytes() == before


@pytest.mark.parametrize("first, then", [("cpu", "gpu"), ("gpu", "cpu")])
def test_a_checkpoint_goes_on_elsewhere(cupy, monkeypatch, tmp_path, capsys,
                                        first, then):
    demo = load("train_fashion.py")
    monkeypatch.setattr(training_run, "draw_landscape",
                        lambda *_: np.eye(9, dtype="uint8"))

    def train(folder, *args):
        args = arguments(demo, monkeypatch, "--workers", 1, "--epochs", 2,
                         "--limit", 64, "--out", tmp_path / folder, *args)
        args.load = functools.partial(few, demo.load_fashion_mnist, test=50)
        return demo.main(args)
    train("whole", "--device", first)
    train("run", "--device", first, "--epochs", 1)
    capsys.readouterr()
    assert train("run", "--device", then, "--resume") == 0
    assert "note      device was " in capsys.readouterr().out
    models = [load_model(tmp_path / folder / "model.npz").params
              for folder in ("whole", "run")]
    for name, p in models[0].items():          # a CPU sums tile by tile
        np.testing.assert_allclose(p, models[1][name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name, args", [
    ("autoencoder", []), ("training_on_a_six", []), ("edit", []),
    ("elbo", ["--images", 2]), ("conditional", [])])
def test_the_demos_that_train(cupy, monkeypatch, tmp_path, name, args):
    demo = load(f"{name}.py")
    for loader in "load_mnist", "load_fashion_mnist":
        if hasattr(demo, loader):
            monkeypatch.setattr(demo, loader, functools.partial(
                few, getattr(demo, loader), test=100))
    for constant, value in ("KS", (1, 5)), ("DRAWS", 200), ("SAMPLES", 20):
        if hasattr(demo, constant):
            monkeypatch.setattr(demo, constant, value)
    if name == "training_on_a_six":        # its frames are drawn elsewhere
        monkeypatch.setattr(demo, "frame",
                            lambda *_: np.eye(9, dtype="uint8"))
        monkeypatch.setattr(demo, "pull", functools.partial(demo.pull,
                                                            draws=1))
    if name == "elbo":
        monkeypatch.setattr(demo, "exact_log_likelihood", functools.partial(
            demo.exact_log_likelihood, step=0.5))
    sent = cupy.sent
    demo.main(arguments(demo, monkeypatch, "--device", "gpu", "--limit", 320,
                        "--out", tmp_path, *args))
    assert cupy.sent > sent
    for path in tmp_path.glob("*.png"):
        assert imageio.imread(path).std() > 5


def test_the_gradient_check(cupy, monkeypatch, capsys):
    demo, before = load("gradient_check.py"), cupy.launched
    assert demo.main(arguments(demo, monkeypatch, "--device", "gpu")) == 0
    assert cupy.launched > before + 1e4
    assert "All of them are right." in capsys.readouterr().out


def start_here(work, *args):
    """As benchmark.start, in a thread: a process would have no stand-in."""
    ours, theirs = multiprocessing.Pipe()

    def live():
        try:
            work(*args, theirs)
        except EOFError:
            pass
        except Exception as error:
            theirs.send(RuntimeError(str(error)))
    threading.Thread(target=live, daemon=True).start()
    return ours


def test_the_benchmark(cupy, monkeypatch, tmp_path, capsys):
    demo = load("benchmark.py")
    for name in "JAX_PLATFORMS", "XLA_PYTHON_CLIENT_PREALLOCATE":
        monkeypatch.setenv(name, "")             # it sets them; we set back
    monkeypatch.setattr(demo, "SECONDS_A_TURN", 0)
    full = demo.load_fashion_mnist
    monkeypatch.setattr(demo, "load_fashion_mnist", lambda: few(full))
    monkeypatch.setattr(demo, "gpu_ceilings", functools.partial(
        demo.gpu_ceilings, n=64))
    monkeypatch.setitem(demo.FRAMEWORKS, "gpu", [
        ("json", "no_such_file")])     # as where it finds no GPU

    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(demo, "start", start_here)
    demo.main(arguments(demo, monkeypatch, "--device", "gpu", "--rounds", 1,
                        "--batch-sizes", 2, 3, "--out", tmp_path))
    out = capsys.readouterr().out
    assert "gpu (Stand-in), CuPy 14" in out
    assert "Without no_such_file: " in out
    for n in 2, 3:
        ms, rate = re.search(
            rf"step, batch of {n}\n  minivae +(\S+) .* (\S+) images/s +\S+ "
            r"TFLOP/s +\S+ GB/s", out).groups()
        assert float(rate.replace(",", "")) == pytest.approx(
            1e3 * n / float(ms), rel=0.2)
    assert imageio.imread(tmp_path / "comparison.png").std() > 5


def test_a_model_that_moved_after_adam_was_made_gets_a_sentence(cupy):
    vae = conv_vae((8, 8, 1), filters=2)
    adam = Adam(vae.params)
    vae.to(cupy)
    x, eps = vae.asarray(np.ones((2, 8, 8, 1))), vae.noise(2)
    with pytest.raises(ValueError, match="of others that replaced them .*"
                       r"after vae.to\(...\)"):
        train_step(vae, adam, x, eps)
    assert adam.t == 0
    train_step(vae, Adam(vae.params), x, eps)
    with pytest.raises(ValueError, match="a and b share memory"):
        Adam({"a": x, "b": x[:1]})


def test_data_on_a_gpu_is_looked_at_once(cupy):
    images = np.zeros((6, 8, 8, 1), "float32")
    images[4, 3, 2, 0] = math.nan
    vae = conv_vae((8, 8, 1), filters=2).to(cupy)
    on_gpu, eps = move(images, cupy), vae.noise(6)
    for work in (lambda: next(epoch(vae, on_gpu, 2,
                                    np.random.default_rng(0))),
                 lambda: evaluate(vae, on_gpu, eps),
                 lambda: log_likelihood(vae, on_gpu, 1)):
        with pytest.raises(ValueError, match=r"image 4 has nan at pixel "
                           r"\[3, 2, 0\]"):
            work()


def test_samples_are_on_the_gpu(cupy):
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    want = vae.sample(130, 1)
    got = vae.to(cupy).sample(130, 1)
    assert get_xp(got) is cupy
    np.testing.assert_array_equal(to_numpy(got), want)


# ---- where there is a GPU --------------------------------------------------

@pytest.fixture
def gpu():
    """The real CuPy, if it works here."""
    xp, why = choose_device("auto")
    return pytest.skip(why) if xp is np else xp


def train_there(xp, steps, stand_in):
    """Train a little on xp; return the parameters' bytes, and memory used."""
    rng, memory = np.random.default_rng(0), []
    images = move(rng.integers(0, 2, (320, 28, 28, 1), bool), xp)
    vae = conv_vae(rng=rng).to(xp)
    adam, model = Adam(vae.params), stand_in(vae)
    while adam.t < steps:
        for x, eps in epoch(vae, images, 32, rng):
            train_step(model, adam, x, eps)
            memory.append(sum(pool.total_bytes() for pool in [
                xp.get_default_memory_pool(), *(
                    recording.memory for recording in getattr(
                        model, "recordings", {}).values())]))
    return [to_numpy(p).tobytes() for p in vae.params.values()], memory


@pytest.mark.parametrize("dtype, error", [("float32", 1e-5),
                                          ("float64", 1e-12)])
def test_layers_agree_on_a_gpu(gpu, dtype, error):
    for cls in all_layers():
        for (host, x), (device, _) in zip(examples(cls, dtype),
                                          examples(cls, dtype)):
            y, gpu_y = host.forward(x), device.to(gpu).forward(move(x, gpu))
            dx, gpu_dx = host.backward(y), device.backward(move(y, gpu))
            for got, want in zip([gpu_y, gpu_dx, *device.grads.values()],
                                 [y, dx, *host.grads.values()], strict=True):
                np.testing.assert_allclose(to_numpy(got), want, error,
                                           error * abs(want).max())


@pytest.mark.parametrize("dtype, error", [("float32", 1e-5),
                                          ("float64", 1e-12)])
def test_a_step_agrees_on_a_gpu(gpu, dtype, error):
    host, eager, taped = (conv_vae(rng=0, dtype=dtype) for _ in range(3))
    rng = np.random.default_rng(1)
    x = host.asarray(rng.integers(0, 2, (32, 28, 28, 1)))
    eps = host.noise(32, rng)
    loss, grads = host.loss_and_grads(x, eps, 0.5)
    for model in eager.to(gpu), Recorded(taped.to(gpu)):
        got, gpu_grads = model.loss_and_grads(move(x, gpu), move(eps, gpu),
                                              0.5)
        assert float(got) == pytest.approx(float(loss), rel=error)
        for name, g in grads.items():
            np.testing.assert_allclose(to_numpy(gpu_grads[name]), g, error,
                                       error * abs(g).max())


def test_gradient_checks_on_a_gpu(gpu, prove):
    for cls in all_layers():
        for layer, x in examples(cls):
            prove(check_layer(layer.to(gpu), move(x, gpu), verbose=False))


@pytest.mark.parametrize("stand_in", [lambda vae: vae, Recorded],
                         ids=["eager", "recorded"])
def test_a_gpu_repeats_itself_and_takes_no_more_memory(gpu, stand_in):
    bits, memory = train_there(gpu, 200, stand_in)
    assert bits == train_there(gpu, 200, stand_in)[0]
    assert memory[20] == memory[-1]
