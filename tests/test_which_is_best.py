"""demos/which_is_best.py: each number of the table is what it says."""
import re

import numpy as np
import pytest

from minivae import conv_vae, load_pretrained
from minivae.beyond.classifier import Classifier
from minivae.beyond.pixelcnn import load_pixelcnn
from minivae.data import load_mnist, to_float
from minivae.plots import decode, encode

from common import fit
from common.relatives import Model, of_vae, relative
from common.sample_scores import Judge
from common.yardstick import frechet
from test_demos import arguments, load


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setattr(fit, "cores", lambda: 1)
    return load("which_is_best.py")


def test_draws(demo, monkeypatch):
    for options, want in (([], (10000, 5)), (["--quick"], (1000, 1)),
                          (["--draws", 1000], (1000, 5)),
                          (["--draws", 60000], (60000, 5))):
        args = arguments(demo, monkeypatch, *options)
        assert (args.draws, args.epochs) == want
    for draws in 999, 60001:
        with pytest.raises(SystemExit):
            arguments(demo, monkeypatch, "--draws", draws)


def test_a_pixelcnn_draws_and_its_bound_is_exact():
    x, net = load_mnist().test_images[:2], load_pixelcnn("mnist")
    model = relative("mnist", "pixelcnn")
    np.testing.assert_array_equal(model.bound(to_float(x), None),
                                  net.log_prob(x[..., 0].astype(int)))
    np.testing.assert_array_equal(model.draw(1, 5)[..., 0],
                                  net.sample(1, 28, 28, 5))


def test_conventions(demo):
    images = np.full((200, 10, 10, 1), 0.3)
    images[100:] = 0.8
    images[0, 0, 0] = 0.5                     # white: no more probably black
    seen = demo.conventions(images, np.random.default_rng(0))
    assert seen["means"] is images
    assert not seen["likelier"][:100].any() and seen["likelier"][100:].all()
    assert seen["drawn"].dtype == bool
    assert seen["drawn"][:100].mean() == pytest.approx(0.3, abs=0.02)
    assert seen["drawn"][100:].mean() == pytest.approx(0.8, abs=0.02)


def test_an_autoencoders_normal_has_its_codes_moments(demo, monkeypatch):
    args = arguments(demo, monkeypatch, "--quick")
    args.xp, kept, decoded = np, [], []

    def keep(images, args, **settings):
        kept.append(settings)
        return conv_vae(latent_dim=3, filters=2, rng=0)
    monkeypatch.setattr(demo, "trained", keep)
    monkeypatch.setattr(demo, "decode", lambda vae, z: (
        decoded.append(z), decode(vae, z))[1])
    images = load_mnist().train_images[:500]
    model = demo.autoencoder(images, args)
    made = model.draw(20_000, np.random.default_rng(0))
    assert kept == [{"noise": False, "beta": 0}] and len(made) == 20_000
    codes = encode(conv_vae(latent_dim=3, filters=2, rng=0), images)
    z, = decoded
    np.testing.assert_allclose(z.mean(axis=0), codes.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), np.cov(codes.T), rtol=0.1,
                               atol=0.02 * codes.var())


def test_what_is_trained_is_a_vae_of_16_numbers(demo, monkeypatch):
    args, asked = arguments(demo, monkeypatch, "--seed", 3), []
    args.xp, images = np, load_mnist().train_images[:5]
    monkeypatch.setattr(demo, "fit", lambda *what, **how: (
        asked.append((what, how)), what[0])[1])
    for settings, name in ({}, "VAE, 16 numbers"), (
            {"noise": False, "beta": 0}, "autoencoder"):
        vae = demo.trained(images, args, **settings)
        for key, p in conv_vae(latent_dim=16, rng=3).params.items():
            np.testing.assert_array_equal(vae.params[key], p)
        assert asked.pop() == ((vae, images), {
            "epochs": 5, "seed": 3, "xp": np, "name": name, **settings})


def test_the_bound_is_a_mean_over_all_images(demo):
    test = load_mnist().test_images[:130]
    ink = Model(None, 0, lambda x, rng: -x.sum(axis=(1, 2, 3)))
    assert float(demo.bound_of(ink, test, None)) == pytest.approx(
        -test.sum(axis=(1, 2, 3)).mean(), abs=0.06)
    assert demo.bound_of(Model(None), test, None) == ""


def test_a_row_has_what_the_header_says(demo, monkeypatch, capsys):
    args = arguments(demo, monkeypatch, "--draws", 1100, "--seed", 5)
    data = load_mnist()
    judge = Judge(Classifier(rng=0), data.test_images[:300])

    def draw(n, rng):
        asked.append(n)
        return 0.9 * to_float(data.train_images[rng.choice(60000, n)])
    asked = []
    first = demo.measure("a model", Model(draw, 1234), judge,
                         data.test_images[:300], args)
    row = capsys.readouterr().out
    assert asked == [500, 500, 100]
    assert row.startswith("a model ") and row.endswith("1,234\n")
    numbers = [float(n) for n in re.findall(r"\d+\.\d+", row)]
    rng = np.random.default_rng(5)
    made = np.concatenate([draw(n, rng) for n in (500, 500, 100)])
    scores = judge.look(made > 0.5)
    drawn = rng.random(made.shape) < made
    want = [scores.distance, *(frechet(
        judge.features, judge.classifier.features(x)) for x in (drawn, made)),
        scores.precision, scores.recall]
    assert numbers[:5] == pytest.approx(want, abs=0.06)
    assert 0 <= numbers[5] < 10         # seconds
    np.testing.assert_array_equal(first, made[:20] > 0.5)


def test_parameters_are_those_that_draw():
    vae, vq = (load_pretrained("mnist", kind)
               for kind in ("discrete", "vqvae"))
    assert relative("mnist", "discrete").parameters == sum(
        p.size for name, p in vae.params.items()
        if not name.startswith("encoder."))
    assert relative("mnist", "vqvae").parameters == sum(
        p.size for name, p in vq.params.items()
        if not name.startswith(("codec.encoder.", "codec.to_")))
    assert relative("mnist", "gan").parameters == 94465
    assert relative("mnist", "pixelcnn").parameters == 57954


def test_of_vae_draws_and_bounds():
    vae = conv_vae(filters=2, rng=0)
    model, x = of_vae(vae), to_float(load_mnist().test_images[:5])
    np.testing.assert_array_equal(model.draw(3, 1), vae.sample(3, 1))
    np.testing.assert_array_equal(
        model.bound(x, np.random.default_rng(2)),
        vae.elbo(x, vae.noise(5, np.random.default_rng(2))))
    assert model.parameters == sum(
        p.size for p in vae.decoder.params.values())


def test_it_compares_all_and_draws_them(demo, monkeypatch, tmp_path, capsys):
    few = load_mnist()
    few = few._replace(train_images=few.train_images[:640],
                       test_images=few.test_images[:300])
    monkeypatch.setitem(demo.LOADERS, "mnist", lambda: few)
    monkeypatch.setattr(demo, "load_classifier", lambda name: Classifier(
        rng=0))
    asked, drawn = [], {}
    monkeypatch.setattr(demo, "relative", lambda name, kind: (
        asked.append((name, kind)), Model(lambda n, rng: rng.random(
            (n, 28, 28, 1))))[1])
    monkeypatch.setattr(demo, "PART", 100)
    monkeypatch.setattr(demo, "trained", lambda images, args, **_: conv_vae(
        images.shape[1:], 16, filters=2, rng=args.seed))
    monkeypatch.setattr(demo, "save_images", lambda path, rows, names, title: (
        drawn.update(rows)))
    args = arguments(demo, monkeypatch, "--images", "mnist", "--quick",
                     "--out", tmp_path)
    args.draws = 200
    demo.main(args)
    printed, bars = capsys.readouterr()
    assert f"\nLook at {tmp_path / 'draws.png'}.\n" in printed and not bars
    assert asked == [("mnist", kind) for kind in (
        "discrete", "vqvae", "pixelcnn", "gan")]
    assert list(drawn) == ["real, of training", "autoencoder, 16", "VAE, 2",
                           "VAE, 16", "discrete VAE", "VQ-VAE-2", "PixelCNN",
                           "GAN"]
    assert all(f"\n{name} " in printed for name in drawn)
    assert re.search(r"\nreal, of training .* 0\n", printed)    # parameters
    assert {len(images) for images in drawn.values()} == {20}
    real = to_float(few.train_images)
    assert all((image == real).all(axis=(1, 2, 3)).any()
               for image in drawn["real, of training"])
