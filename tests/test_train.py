"""Training learns, repeats itself exactly, and keeps what it has."""
import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from minivae import Adam, conv_vae
from minivae.data import load_fashion_mnist
from minivae.train import epoch, evaluate, train_step


@pytest.fixture(scope="module")
def images():
    return load_fashion_mnist().train_images[:64]


def train(images, steps, learning_rate=1e-3, filters=32):
    """Train the tutorial's network for some steps; return it and losses."""
    rng = np.random.default_rng(0)
    vae = conv_vae(filters=filters, rng=rng)
    adam, losses = Adam(vae.params, learning_rate), []
    while len(losses) < steps:
        for x, eps in epoch(vae, images, 16, rng):
            losses.append(float(train_step(vae, adam, x, eps)))
    return vae, adam, losses


def test_sixteen_images_can_be_learnt_by_heart(images):
    few = images[:16]
    vae, _, losses = train(few, 600, learning_rate=5e-3, filters=8)
    mu, _ = vae.encode(vae.asarray(few))
    wrong = (vae.decode(mu, apply_sigmoid=True) > 0.5) != few
    assert losses[0] > 500 and np.mean(losses[-20:]) < 120
    assert wrong.mean() < 0.04


def test_training_stays_in_float32(images):
    vae, adam, _ = train(images, 4)
    arrays = [*vae.params.values(), *vae.grads.values(), *adam.m.values(),
              *adam.v.values()]
    assert {a.dtype for a in arrays} == {np.dtype("float32")}


def test_an_epoch_is_every_image_once_with_its_noise(images):
    vae = conv_vae(filters=2, rng=0)
    state = np.random.default_rng(1).bit_generator.state
    runs = []
    for size in 20, 64:                       # the same order and the same eps
        rng = np.random.default_rng()
        rng.bit_generator.state = state
        pairs = list(epoch(vae, images, size, rng))
        assert [len(x) for x, _ in pairs][-1] == (4 if size == 20 else 64)
        runs.append([np.concatenate(a) for a in zip(*pairs)])
    for a, b in zip(*runs):
        np.testing.assert_array_equal(a, b)
    x, eps = runs[0]
    again = [a for rng in [np.random.default_rng(1)] for _ in range(2)
             for a, _ in epoch(vae, images, 64, rng)]
    np.testing.assert_array_equal(again[0], x)
    assert not np.array_equal(again[1], x)          # another order every time
    assert eps.shape == (64, 2) and eps.dtype == x.dtype == np.float32
    assert len(np.unique(eps)) == 128
    assert not np.array_equal(x, images)
    np.testing.assert_array_equal(np.sort(x.sum(axis=(1, 2, 3))),
                                  np.sort(images.sum(axis=(1, 2, 3))))


@pytest.mark.parametrize("size", [0, -1, 65])
def test_batch_sizes_that_cannot_be(images, size):
    with pytest.raises(ValueError, match=f"batch size is {size}, but .* 64"):
        next(epoch(conv_vae(filters=2), images, size,
                   np.random.default_rng(0)))


def test_a_step_takes_beta(images):
    vae = conv_vae(filters=2, rng=0)
    x, eps = vae.asarray(images[:4]), vae.noise(4, 0)
    want, _ = vae.loss_and_grads(x, eps, beta=7)
    assert train_step(vae, Adam(vae.params), x, eps, 7) == want


def test_the_same_seed_gives_the_same_bits_in_another_process(tmp_path):
    code = (
        "import hashlib, numpy as np\n"
        "from minivae import Adam, conv_vae\n"
        "from minivae.data import load_fashion_mnist\n"
        "from minivae.train import epoch, train_step\n"
        "rng = np.random.default_rng(3)\n"
        "vae = conv_vae(rng=rng)\n"
        "adam = Adam(vae.params)\n"
        "images = load_fashion_mnist().test_images[:640]\n"
        "for x, eps in epoch(vae, images, 32, rng):\n"
        "    train_step(vae, adam, x, eps)\n"
        "bits = b''.join(p.tobytes() for p in vae.params.values())\n"
        "print(hashlib.sha256(bits).hexdigest())\n")
    a, b = (subprocess.run([sys.executable, "-c", code], check=True,
                           capture_output=True, text=True).stdout
            for _ in range(2))
    assert a == b and len(a.strip()) == len(hashlib.sha256().hexdigest())


def test_evaluate_is_the_mean_over_all_images(images):
    vae = conv_vae(rng=np.random.default_rng(0))
    eps = vae.noise(len(images), np.random.default_rng(1))
    reconstruction, kl = evaluate(vae, images, eps)
    want = vae.elbo(vae.asarray(images), eps).mean()
    assert reconstruction - kl == pytest.approx(want, rel=1e-6)
    in_parts = evaluate(vae, images, eps, batch_size=24)     # 24, 24, 16
    assert in_parts == pytest.approx((reconstruction, kl), rel=1e-5)


def a_nan_in(name):
    def change(vae):
        vae.params[name][...] = math.nan
    return change


def a_gradient_overflows(vae):
    real = vae.decoder.layers[2].backward
    vae.decoder.layers[2].backward = lambda dy: real(dy) * math.inf


@pytest.mark.parametrize("change, what", [
    (a_nan_in("encoder.2.b"), "the loss"),
    (a_gradient_overflows, "decoder.0.b")])
def test_what_is_not_finite_is_no_step(images, change, what):
    vae, adam, _ = train(images, 4)
    change(vae)
    before = {name: p.copy() for name, p in vae.params.items()}
    with pytest.raises(FloatingPointError, match=f"^at step 5, {what} is not "
                       "finite; try a learning rate below 0.001$"):
        train_step(vae, adam, vae.asarray(images[:16]), vae.noise(16))
    for name, p in vae.params.items():
        np.testing.assert_array_equal(p, before[name])
    assert adam.t == 4


def test_evaluate_needs_noise_for_each_image(images):
    vae = conv_vae(rng=0)
    with pytest.raises(ValueError, match="64 images and 63 rows of noise"):
        evaluate(vae, images, vae.noise(63))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 255, -1])
def test_data_that_is_no_pixel_is_named_and_no_learning_rate(images, bad):
    vae = conv_vae(filters=2, rng=0)
    adam, x, eps = Adam(vae.params), images.astype("float32"), vae.noise(64, 0)
    x[40, 5, 6, 0] = bad
    before = {name: p.copy() for name, p in vae.params.items()}
    for who, work in [("VAE", lambda: train_step(vae, adam, x, eps)),
                      ("evaluate", lambda: evaluate(vae, x, eps, 10)),
                      ("epoch", lambda: next(epoch(
                          vae, x, 8, np.random.default_rng(0))))]:
        with pytest.raises(ValueError, match=rf"{who}: image 40 has {bad}.* at"
                           r" pixel \[5, 6, 0\], .*mend or rescale the data"):
            work()
    for name, p in vae.params.items():
        np.testing.assert_array_equal(p, before[name])


def test_a_step_of_another_models_adam_is_refused(images):
    vae, other = conv_vae(filters=2, rng=0), conv_vae(filters=2, rng=0)
    x, eps = vae.asarray(images[:4]), vae.noise(4, 0)
    with pytest.raises(ValueError, match="not of the parameters that Adam was "
                       "made for"):
        train_step(other, Adam(vae.params), x, eps)


def test_bytes_of_zeros_and_ones_are_no_grey_values(images):
    with pytest.raises(ValueError, match="bytes of 0 and 1.*astype.bool"):
        next(epoch(conv_vae(filters=2), images.view(np.uint8), 16,
                   np.random.default_rng(0)))


def test_what_cannot_be_evaluated_gets_a_sentence(images):
    vae = conv_vae(filters=2, rng=0)
    with pytest.raises(ValueError, match="evaluate: there are 0 images"):
        evaluate(vae, images[:0], vae.noise(1)[:0])
    with pytest.raises(TypeError, match="evaluate: the images are a list"):
        evaluate(vae, [1, 2], vae.noise(2))


def test_an_epoch_and_an_evaluation_leave_no_batch_behind(images):
    vae = conv_vae(filters=2, rng=0)

    def kept():
        return [part for part in (vae, *vae.encoder.layers)
                if part.cache is not None]
    for x, eps in epoch(vae, images, 16, np.random.default_rng(0)):
        vae.loss_and_grads(x, eps)
        assert kept()                     # the next step is quicker for it
    assert not kept()
    vae.elbo(x, eps)
    evaluate(vae, images, vae.noise(len(images), 0))
    assert not kept()
