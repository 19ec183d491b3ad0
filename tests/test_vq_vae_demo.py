"""demos/vq_vae.py: its numbers are what it says, its pictures what they show.
"""
import re

import numpy as np
import pytest

from minivae import load_pretrained
from minivae.beyond.classifier import LOADERS
from minivae.beyond.quantize import perplexity
from minivae.beyond.two_levels import TwoLevels
from minivae.beyond.vqvae2 import VQVAE2
from minivae.data import load_mnist, to_float
from minivae.losses import bernoulli_logpdf
from minivae.train import evaluate

from test_demos import arguments, load
from test_plots import drawn


@pytest.fixture
def demo():
    return load("vq_vae.py")


@pytest.fixture
def images():
    return load_mnist().test_images[:30]


def tiny(K=5, rng=0):
    model = VQVAE2(K=K, D=3, filters=3, rng=rng)
    model.prior = TwoLevels(model.codec.code_shapes, K, filters=4, blocks=1,
                            rng=rng)
    return model


@pytest.fixture
def small(images):
    """A model with few codes, which are near what its encoder says."""
    model = tiny()
    for seed in range(2):
        model.codec.encode(to_float(images))
        model.codec.update_codebooks(seed)
    return model


# ---- the model -------------------------------------------------------------

def test_the_bounds_terms(small, images):
    x = to_float(images)
    log_p_x, log_p_top, log_p_bottom = small.terms(x)
    codes = small.codec.encode(x)
    np.testing.assert_allclose(log_p_x, bernoulli_logpdf(
        x, small.codec.decode(*codes))[0], rtol=1e-6)
    np.testing.assert_allclose(log_p_top, small.prior.top.log_prob(codes[0]))
    np.testing.assert_allclose(log_p_top + log_p_bottom,
                               small.prior.log_prob(*codes), rtol=1e-5)
    np.testing.assert_allclose(small.bound(x), log_p_x + log_p_top
                               + log_p_bottom, rtol=1e-6)


def test_samples_are_decoded_draws_of_the_prior(small):
    made = small.sample(3, rng=1)
    assert made.shape == (3, 28, 28, 1) and made.dtype == np.float32
    np.testing.assert_array_equal(made, small.codec.decode(
        *small.prior.sample(3, 1), apply_sigmoid=True))
    assert (made != small.sample(3, rng=2)).any()


def test_its_params_are_all_that_decides(small, images):
    other = tiny(rng=1)
    assert (other.bound(to_float(images)) != small.bound(
        to_float(images))).all()
    for name, p in other.params.items():
        p[...] = small.params[name]
    np.testing.assert_array_equal(other.bound(to_float(images)),
                                  small.bound(to_float(images)))
    np.testing.assert_array_equal(other.sample(2, 0), small.sample(2, 0))


@pytest.mark.parametrize("name, bound", [("mnist", -154.1),
                                         ("fashion", -204.6)])
def test_what_ships_has_the_bound_that_is_told(name, bound):
    model, data = load_pretrained(name, "vqvae"), LOADERS[name]()
    x = to_float(data.test_images[:1000])
    assert model.bound(x).mean() == pytest.approx(bound, abs=0.1)
    # and it sees far more than two numbers do
    two = load_pretrained(name)
    reconstruction, _ = evaluate(two, x, two.noise(1000, 0))
    assert model.terms(x)[0].mean() > reconstruction + 100


# ---- the demo --------------------------------------------------------------

def test_codes_and_terms_are_of_all_images(demo, small):
    many = load_mnist().test_images[:600]
    top, bottom = demo.encode(small, many)
    assert top.shape == (600, 4, 4) and bottom.shape == (600, 7, 7)
    for codes, want in zip((top, bottom), small.codec.encode(
            to_float(many[550:]))):
        np.testing.assert_array_equal(codes[550:], want)
    np.testing.assert_allclose(demo.terms(small, many)[:, 550:],
                               small.terms(to_float(many[550:])), rtol=1e-4)


def test_training_learns_codes_and_then_their_prior(demo):
    images = load_mnist().train_images[:320]
    model = tiny(K=8)
    demo.train(model, images, 1, np.random.default_rng(0))
    before = demo.terms(model, images).mean(axis=1)
    model = tiny(K=8)
    demo.train(model, images, 80, np.random.default_rng(0))
    after = demo.terms(model, images).mean(axis=1)
    assert after[0] > before[0] + 100
    # places of 8 codes cost log 8 each, if nothing can be foreseen
    assert after[1] > -16 * np.log(8) + 3 and after[2] > -49 * np.log(8) + 5


def test_codes_are_trained_before_their_prior(demo, monkeypatch):
    asked, rng = [], np.random.default_rng(0)
    monkeypatch.setattr(demo, "descend", lambda *args, **settings: (
        asked.append((args[2:], settings))))
    demo.train(tiny(), load_mnist().train_images[:40], 7, rng)
    assert asked == [((40, 7), {"rng": rng, "name": "codes"}),
                     ((40, 7), {"rng": rng, "name": "their prior"})]


def test_a_completion_keeps_the_upper_halfs_codes(demo, small, images):
    covered, *completed = demo.complete(small, images, 2,
                                        np.random.default_rng(0))
    np.testing.assert_array_equal(covered[:, :14], images[:, :14])
    assert not covered[:, 14:].any() and len(completed) == 2
    assert (completed[0] != completed[1]).any()
    # codes of the lower half cannot be seen: the image below is another
    other = images.copy()
    other[:, 14:] = ~other[:, 14:]
    np.testing.assert_array_equal(
        demo.complete(small, other, 2, np.random.default_rng(0)),
        [covered, *completed])
    # and the first draw is one of the prior, from rows that are known
    known = [codes[:, :rows] for codes, rows in zip(
        small.codec.encode(covered), (2, 3))]
    np.testing.assert_array_equal(completed[0], small.sample(
        len(images), np.random.default_rng(0), known))


def test_many_draws_are_black_or_white(demo, small):
    many = demo.draw_many(small, 210, np.random.default_rng(0))
    assert many.shape == (210, 28, 28, 1) and many.dtype == bool
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(many, np.concatenate(
        [small.sample(200, rng), small.sample(10, rng)]) > 0.5)


def test_steps_and_draws(demo, monkeypatch):
    assert (demo.QUICK, demo.FEW, demo.MANY) == (500, 1000, 10000)
    assert arguments(demo, monkeypatch).steps == 3000
    assert arguments(demo, monkeypatch, "--quick").steps == 500


def test_the_table_is_right(demo, small, images, capsys):
    demo.print_bound(small, images, "mnist")
    printed = capsys.readouterr().out
    numbers = [[float(n) for n in line.split()[-3:]]
               for line in printed.splitlines()[2:4]]
    two = load_pretrained("mnist")
    reconstruction, kl = evaluate(two, images, two.noise(30, 0))
    log_p_x, log_p_top, log_p_bottom = small.terms(to_float(images))
    cost = -(log_p_top + log_p_bottom).mean()
    np.testing.assert_allclose(numbers, [
        [reconstruction - kl, reconstruction, kl],
        [log_p_x.mean() - cost, log_p_x.mean(), cost]], atol=0.006)
    for codes, log_p, found in zip(
            small.codec.encode(to_float(images)), (log_p_top, log_p_bottom),
            re.findall(r"there were (\d+), .*\ncosts (.*) nats, not log 5 = "
                       r"1\.61", printed), strict=True):
        assert float(found[0]) == round(perplexity(codes, 5))
        assert float(found[1]) == pytest.approx(
            -log_p.mean() / codes[0].size, abs=0.006)
    gained = re.search(r"It reconstructs (.*) nats better, for codes that "
                       r"cost (.*) nats more", printed)
    assert [float(nats) for nats in gained.groups()] == pytest.approx(
        [log_p_x.mean() - reconstruction, cost - kl], abs=0.06)


@pytest.mark.parametrize("closer, dearer, said", [
    (120, 150.5, "120.0 nats better, for codes that cost 150.5 nats more: the "
     "bound is 30.5 nats lower"),
    (50, 20, "50.0 nats better, for codes that cost 20.0 nats more: the bound "
     "is 30.0 nats higher")])
def test_its_conclusion_follows_from_the_numbers(demo, closer, dearer, said):
    assert said in demo.conclusion(closer, dearer).replace("\n", " ")


@pytest.mark.parametrize("name, shipped", [("mnist", False),
                                           ("fashion", True)])
def test_it_prints_and_draws(demo, small, name, shipped, few_images,
                             monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(demo, "VQVAE2", tiny)
    monkeypatch.setattr(demo, "load_vqvae", lambda name: (
        asked.append(name), small)[1])
    options = ["--shipped"] * shipped or ["--steps", 2, "--limit", 320]
    args = arguments(demo, monkeypatch, "--images", name, *options,
                     "--out", tmp_path)
    demo.FEW, demo.MANY = 200, 300
    demo.main(args)
    made = {path.name for path in tmp_path.iterdir()} - {".lock"}
    assert made == {"samples.png", "levels.png", "completion.png"} | (
        set() if shipped else {"vqvae.npz"})
    assert asked == [name] * shipped
    printed = capsys.readouterr().out
    assert f"\n{300 if shipped else 200} draws" in printed
    assert "300 test images" in printed
    assert f"\nLook at {tmp_path / 'levels.png'}: " in printed
    distance = float(re.search(r"distance ([\d.]+)", printed)[1])
    assert distance > 50
    if not shipped:       # what it says is of the weights that it has written
        with np.load(tmp_path / "vqvae.npz") as file:
            assert {file[key].dtype for key in file} == {np.dtype("float16")}
            untrained = tiny(rng=np.random.default_rng(0)).codec.params
            assert max(abs(file[f"codec.{key}"] - p).max()
                       for key, p in untrained.items()) > 1e-3


def test_blocks_are_drawn_side_by_side(demo, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    blocks = {"left": rng.random((10, 2, 3, 4, 1)),
              "right": rng.random((10, 3, 3, 4, 1))}
    axes = drawn(monkeypatch, demo.draw_blocks, tmp_path / "a.png", blocks)
    assert [ax.get_title() for ax in axes] == ["left", "right"]
    for ax, images in zip(axes, blocks.values()):
        np.testing.assert_array_equal(ax.images[0].get_array(), np.block(
            [list(row) for row in images[..., 0]]))


def test_pictures_show_what_their_titles_say(demo, small, monkeypatch,
                                             tmp_path):
    seen, data = {}, load_mnist()
    monkeypatch.setattr(demo, "draw_blocks", lambda path, blocks: (
        seen.update({path.name: blocks})))
    args = arguments(demo, monkeypatch, "--out", tmp_path)
    demo.draw(args, small, data, np.random.default_rng(0))
    few = to_float(data.test_images[data.grey_index[5::10]])
    assert data.test_labels[data.grey_index[5::10]].tolist() == list(range(10))
    pair, again = seen["levels.png"].values()
    codes = small.codec.encode(few)
    np.testing.assert_array_equal(pair[:, 0], few)
    np.testing.assert_array_equal(pair[:, 1],
                                  small.codec.decode(*codes, True))
    np.testing.assert_array_equal(again[:, 0], small.sample(
        10, np.random.default_rng(0), (codes[0], None)))
    assert again.shape == (10, 6, 28, 28, 1)
    pair, completed = seen["completion.png"].values()
    np.testing.assert_array_equal(pair[:, 0], few)
    np.testing.assert_array_equal(pair[:, 1, :14], few[:, :14])
    assert not pair[:, 1, 14:].any() and completed.shape == again.shape
    draws, real = seen["samples.png"].values()
    assert draws.shape == real.shape == (10, 10, 28, 28, 1)
    np.testing.assert_array_equal(real[0], data.test_images[:10])
