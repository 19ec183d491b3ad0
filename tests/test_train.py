"""Training learns, repeats itself exactly, and keeps what it has."""
import csv
import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from minivae import VAE, Adam, Dense, conv_vae
from minivae.data import load_fashion_mnist
from minivae.train import (LOG_COLUMNS, check_finite, epoch, evaluate, summary,
                           train_step, write_log)


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


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_shares_of_an_epoch_are_its_batches(images, n):
    vae = conv_vae(filters=2, rng=0)
    parts = [list(epoch(vae, images, 30, np.random.default_rng(1), (i, n)))
             for i in range(n)]
    whole = epoch(vae, images, 30, np.random.default_rng(1))
    for batch, *shares in zip(whole, *parts, strict=True):
        for a, *pieces in zip(batch, *shares):
            np.testing.assert_array_equal(np.concatenate(pieces), a)
            sizes = [len(piece) for piece in pieces]
            assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("size", [0, -1, 65])
def test_batch_sizes_that_cannot_be(images, size):
    with pytest.raises(ValueError, match=f"batch size is {size}, but .* 64"):
        next(epoch(conv_vae(filters=2), images, size,
                   np.random.default_rng(0)))


def test_parameters_that_are_not_finite_are_named(images):
    vae = conv_vae(filters=2, rng=0)
    adam = Adam(vae.params, 0.5)
    check_finite(adam)
    vae.params["decoder.3.b"][1] = math.inf
    with pytest.raises(FloatingPointError, match="before step 1, decoder.3.b "
                       "is no longer finite; try a learning rate below 0.5"):
        check_finite(adam)


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


def spoil(name, value):
    def change(vae):
        vae.params[name][...] = value
    return change


def big_logvar(vae):
    vae.params["encoder.5.b"][2:] = 500


def a_gradient_overflows(vae):
    real = vae.decoder.layers[2].backward
    vae.decoder.layers[2].backward = lambda dy: real(dy) * math.inf


@pytest.mark.filterwarnings("ignore:invalid value")      # inf · 0
@pytest.mark.parametrize("change, problem", [
    (spoil("encoder.2.b", math.nan),
     "the loss became nan, first in the output of encoder.2, Conv2D(32, 64,"),
    (spoil("decoder.7.b", math.inf), "the loss became nan, first in the "
     "output of decoder.7, Conv2DTranspose(32, 1,"),
    (big_logvar, "first in z, whose log-variance is too large"),
    (a_gradient_overflows, "the gradient of decoder.0.b is not finite")])
def test_what_is_not_finite_is_named_before_the_step(images, change, problem):
    vae, adam, _ = train(images, 4)
    change(vae)
    before = {name: p.copy() for name, p in vae.params.items()}
    with pytest.raises(FloatingPointError) as error:
        train_step(vae, adam, vae.asarray(images[:16]), vae.noise(16))
    assert str(error.value).startswith("at step 5 ")
    assert problem in str(error.value)
    assert "try a learning rate below 0.001" in str(error.value)
    for name, p in vae.params.items():
        np.testing.assert_array_equal(p, before[name])
    assert adam.t == 4


def test_evaluate_needs_noise_for_each_image(images):
    vae = conv_vae(rng=0)
    with pytest.raises(ValueError, match="64 images, but 63 rows of noise"):
        evaluate(vae, images, vae.noise(63))


def test_the_log_is_a_csv_file(tmp_path):
    row = dict(zip(LOG_COLUMNS, (1, 1875, 250.5, -224.25, 30.125)))
    write_log(str(tmp_path / "log.csv"), [row, row])
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,train_loss,test_elbo,seconds"
    with open(tmp_path / "log.csv", newline="") as file:
        back = [{k: float(v) for k, v in r.items()}
                for r in csv.DictReader(file)]
    assert back == [row, row]


def test_summary_names_every_layer_and_counts():
    text = summary(conv_vae(), (28, 28, 1))
    assert "Dense(2304, 4)" in text and "69,989" in text
    assert "13 x 13 x 32" in text and "28 x 28 x 1 " in text
    assert max(map(len, text.splitlines())) < 80


@pytest.mark.parametrize("bad", [math.nan, math.inf, 255, -1])
def test_data_that_is_no_pixel_is_named_and_no_learning_rate(images, bad):
    vae = conv_vae(filters=2, rng=0)
    adam, x, eps = Adam(vae.params), images.astype("float32"), vae.noise(64, 0)
    x[40, 5, 6, 0] = bad
    before = {name: p.copy() for name, p in vae.params.items()}
    for who, work in [("train_step", lambda: train_step(vae, adam, x, eps)),
                      ("evaluate", lambda: evaluate(vae, x, eps, 10)),
                      ("epoch", lambda: next(epoch(
                          vae, x, 8, np.random.default_rng(0))))]:
        with pytest.raises(ValueError, match=rf"{who}: image 40 has {bad}.* at"
                           r" pixel \[5, 6, 0\], .*mend or rescale the data"):
            work()
    for name, p in vae.params.items():
        np.testing.assert_array_equal(p, before[name])


def test_noise_or_beta_that_is_not_finite_is_no_learning_rate(images):
    vae = conv_vae(filters=2, rng=0)
    adam, x = Adam(vae.params), vae.asarray(images[:4])
    eps = vae.noise(4, 0)
    for beta, noise in (math.nan, eps), (1, eps * math.nan):
        with pytest.raises(ValueError, match="beta or eps is not finite"):
            train_step(vae, adam, x, noise, beta)
    assert adam.t == 0


def test_a_step_of_another_models_adam_is_refused(images):
    vae, other = conv_vae(filters=2, rng=0), conv_vae(filters=2, rng=0)
    x, eps = vae.asarray(images[:4]), vae.noise(4, 0)

    class Elsewhere:                # as Workers: gradients in a plain dict
        params = other.params

        def loss_and_grads(self, *args):
            loss, grads = other.loss_and_grads(*args)
            return loss, dict(grads)
    for stranger in other, Elsewhere():
        with pytest.raises(ValueError, match="not of the parameters that Adam "
                           "was made for"):
            train_step(stranger, Adam(vae.params), x, eps)
    train_step(Elsewhere(), Adam(other.params), x, eps)


def test_what_cannot_be_evaluated_gets_a_sentence(images):
    vae = conv_vae(filters=2, rng=0)
    with pytest.raises(ValueError, match="evaluate: there is no image"):
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


def test_networks_of_one_layer_are_trained_and_summed_up():
    vae = VAE(Dense(4, 4, rng=0), Dense(2, 4, rng=0))
    x = np.ones((3, 4), "float32")
    train_step(vae, Adam(vae.params), x, vae.noise(3))
    assert "Dense(2, 4)" in summary(vae, (4,))
    vae.params["decoder.b"][0] = math.nan
    with pytest.raises(FloatingPointError, match="output of decoder.0, Dense"):
        train_step(vae, Adam(vae.params), x, vae.noise(3))
