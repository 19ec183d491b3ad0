"""The shorter demos of the course: what they compute, and what they write."""
import functools
import re

import imageio.v3 as imageio
import numpy as np
import pytest

from minivae import check_layer, conv_vae, load_pretrained
from minivae.data import load_fashion_mnist, load_mnist
from minivae.plots import decode

from common import fit
from test_demos import arguments, load
from test_plots import compass


@pytest.fixture
def small(monkeypatch, tmp_path, capsys):
    """Run a demo on few images and in one process; return what it printed.

    All pictures that it names must be there, and no others.
    """
    monkeypatch.setattr(fit, "cores", lambda: 1)

    def few(full):
        data = full()
        return data._replace(
            train_images=data.train_images[:640],
            train_labels=data.train_labels[:640],
            test_images=data.test_images[:400],
            test_labels=data.test_labels[:400],
            grey_index=data.grey_index % 400)

    def small_run(demo, pictures, *args):
        for name, full in (("load_mnist", load_mnist),
                           ("load_fashion_mnist", load_fashion_mnist)):
            if hasattr(demo, name):
                monkeypatch.setattr(demo, name, functools.partial(few, full))
        demo.main(arguments(demo, monkeypatch, *args, "--out", tmp_path))
        assert {p.name for p in tmp_path.iterdir()} == set(pictures)
        for name in pictures:
            assert imageio.imread(tmp_path / name, index=0).std() > 5
        printed = capsys.readouterr().out
        assert f"Look at {tmp_path}" in printed
        return printed
    return small_run


# ---- autoencoder.py --------------------------------------------------------

def test_autoencoder_compares(small):
    printed = small(load("autoencoder.py"), [
        f"{data}_{what}.png" for data in ("mnist", "fashion")
        for what in ("planes", "reconstructions")], "--limit", 320)
    for title in "MNIST", "Fashion-MNIST":
        table = printed.split(f"\n{title} ")[1].split("\nPCA would")[0]
        rows = {row[:44].strip(): [float(n) for n in row[44:].split()]
                for row in table.splitlines()[2:]}
        assert [len(numbers) for numbers in rows.values()] == [
            1, 1, 1, 3, 3, 2]
        assert rows["PCA"] < rows["random projection"]


def test_autoencoders_square_is_the_right_way_up():
    image = load("autoencoder.py").decode_square(compass(), -3, 1, 0, 4, n=4)
    cells = image.reshape(4, 2, 4, 2).swapaxes(1, 2)
    z = [[(x, y) for x in (-2.5, -1.5, -0.5, 0.5)]
         for y in (3.5, 2.5, 1.5, 0.5)]
    want = decode(compass(), np.reshape(z, (16, 2)))
    np.testing.assert_allclose(cells, want.reshape(4, 4, 2, 2))


def test_autoencoders_pca():
    demo = load("autoencoder.py")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (60, 3, 3, 1), bool)
    mean, directions = demo.pca(images)
    errors = [demo.squared_error(images, demo.project(
        images, mean, directions[:k])) for k in range(1, 10)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(0, abs=1e-4)        # all nine: exact
    # the widest: what is left has the variance of all others
    others = np.linalg.eigvalsh(np.cov(demo.flat(images).T, bias=True))[:-1]
    assert errors[0] == pytest.approx(others.sum(), rel=1e-4)
    for k, error in enumerate(errors[:-1], start=1):
        assert demo.components_needed(error * 1.001, images, mean,
                                      directions) == k
        assert demo.components_needed(error * 0.999, images, mean,
                                      directions) == k + 1


# ---- training_on_a_six.py --------------------------------------------------

def test_six_is_followed_through_training(small):
    demo = load("training_on_a_six.py")
    printed = small(demo, ["moments.png", "moments.gif"], "--limit", 640)
    steps = [int(line.split()[0]) for line in printed.splitlines()[2:]
             if re.match(r" +\d", line)]
    assert steps == [0, 1, 2, 3, 4, 5, 6, 8, 11, 14, 18, 20]
    losses = [float(line.split()[3]) for line in printed.splitlines()
              if re.match(r" +(0|20) ", line)]
    assert losses[0] == 543 and losses[1] < 500


def test_sixes_pull_is_minus_the_losss_gradient():
    demo, vae = load("training_on_a_six.py"), conv_vae(rng=0)
    x = vae.asarray(load_mnist().test_images[:1])
    # 100 draws for one image are one draw for 100 of it
    many = np.repeat(x, 100, axis=0)
    _, grads = vae.loss_and_grads(many, vae.noise(100, 0))
    np.testing.assert_allclose(demo.pull(vae, x)[0],
                               -grads["encoder.5.b"][:2], rtol=1e-3)


# ---- edit.py ---------------------------------------------------------------

def test_edit_adds_features(small, monkeypatch):
    demo = load("edit.py")
    monkeypatch.setattr(demo, "fit", lambda vae, images, **rest:
                        load_pretrained("fashion"))          # two numbers
    printed = small(demo, ["features.png"], "--limit", 640)
    for feature in "long sleeves", "a high shaft", "a handle", "dark cloth":
        shares = [int(share) for share in re.findall(
            r"(\d+)%", printed.split(feature)[1].splitlines()[0])]
        assert len(shares) == 6
        assert shares[0] <= shares[1] < 25 and shares[-1] > 60


def test_edits_features_are_what_they_are_called():
    demo, data = load("edit.py"), load_fashion_mnist()
    sleeves, shaft, handle, dark = demo.FEATURES
    images, labels = data.test_images, data.test_labels
    for feature, name in (sleeves, "Pullover"), (shaft, "Ankle boot"):
        with_it, _ = demo.split(feature, images, labels)
        np.testing.assert_array_equal(
            with_it, images[labels == data.class_names.index(name)])
    bag = np.zeros((2, 28, 28, 1), bool)
    bag[0, 10:25, 4:24] = 1
    bag[1, 3, 12] = 1                       # a bit of a handle
    with_it, without = demo.split(handle, bag, np.array([8, 8]))
    np.testing.assert_array_equal(np.stack([without[0], with_it[0]]), bag)
    assert dark.has(bag, None).tolist() == [True, False]


# ---- elbo.py ---------------------------------------------------------------

def test_elbo_draws_and_counts(small, monkeypatch):
    demo = load("elbo.py")
    monkeypatch.setattr(demo, "KS", (1, 20))
    monkeypatch.setattr(demo, "exact_log_likelihood", functools.partial(
        demo.exact_log_likelihood, step=0.08, reach=4.0))
    printed = small(demo, ["bound.png", "collapse.png", "estimators.png"],
                    "--limit", 320, "--images", 5)
    assert len(re.findall(r"\d+ of 16 numbers active", printed)) == 4
    one, twenty = map(float, re.findall(r"k = .*: (-?\d+\.\d+) \+-",
                                        printed))
    assert one > twenty


def test_elbos_integral_is_the_likelihood():
    demo, vae = load("elbo.py"), conv_vae((8, 8, 1), filters=4, rng=0)
    for p in vae.decoder.params.values():
        p *= 2                              # p(x|z) depends on z, and a lot
    images = np.random.default_rng(0).integers(0, 2, (3, 8, 8, 1), bool)
    exact = demo.exact_log_likelihood(vae, images)
    np.testing.assert_allclose(
        demo.exact_log_likelihood(vae, images, step=0.1), exact, atol=1e-3)
    estimate = demo.log_likelihood(vae, vae.asarray(images), 20000, 0)
    np.testing.assert_allclose(estimate, exact, atol=0.05)
    many = vae.asarray(np.repeat(images, 500, axis=0))
    elbo = vae.elbo(many, vae.noise(1500, 1)).reshape(3, 500).mean(axis=1)
    assert (elbo < exact).all()


def test_elbos_two_estimates_agree_in_the_mean(monkeypatch):
    demo, vae = load("elbo.py"), conv_vae(latent_dim=16, rng=0)
    vae.params["encoder.5.b"][:] = 0.5
    sampled, closed = demo.estimate(vae, load_mnist().test_images[0])
    assert len(sampled) == len(closed) == 2000
    error = (sampled - closed).std() / 2000 ** 0.5
    assert abs(sampled.mean() - closed.mean()) < 4 * error
    assert error > 0


# ---- conditional.py --------------------------------------------------------

def test_conditional_writes_every_digit(small, monkeypatch):
    demo, shown = load("conditional.py"), []

    def show(ax, image, title):
        shown.append((image.shape, title.split(":")[0]))
        real(ax, image, title)
    real = demo.show
    monkeypatch.setattr(demo, "show", show)
    printed = small(demo, ["styles.png"])
    assert "Of 1,000 digits" in printed
    assert shown == [((280, 28, 1), "given"),
                     ((280, 280, 1), "in its handwriting"),
                     ((280, 280, 1), "in nobody's handwriting")]


def test_conditionals_layer_is_right():
    demo, rng = load("conditional.py"), np.random.default_rng(0)
    layer = demo.BesideLabel(3)
    layer.labels = np.array([9, 0, 4, 4])
    z = rng.standard_normal((4, 3))
    check_layer(layer, z, verbose=False)
    y = layer.forward(z)
    np.testing.assert_array_equal(y[:, :3], z)
    np.testing.assert_array_equal(y[:, 3:].argmax(axis=1), layer.labels)
    assert (y[:, 3:].sum(axis=1) == 1).all()


def test_conditionals_label_decides_and_row_is_the_style():
    demo = load("conditional.py")
    vae, label = demo.build(2, np.random.default_rng(0))
    z = vae.noise(2, 0)
    images = demo.write(vae, label, z)
    assert images.shape == (20, 28, 28, 1)
    label.labels = np.array([7])
    np.testing.assert_allclose(images[17:18], vae.decode(z[1:], True), 1e-5)
