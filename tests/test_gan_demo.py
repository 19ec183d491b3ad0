"""gan.py: its scores are the yardstick's, and its words follow from them."""
import re

import imageio.v3 as imageio
import numpy as np
import pytest

from minivae.beyond.classifier import load_classifier
from minivae.beyond.conv_gan import conv_gan, load_gan
from minivae.data import load_fashion_mnist, load_mnist
from minivae.datasets.embedded import DATASETS

from common.sample_scores import Judge, Scores
from common.yardstick import frechet, precision_recall
from test_demos import arguments, load
from test_plots import drawn

PICTURES = {"samples.png", "scores.png", "generator.npz"}


@pytest.fixture(scope="module")
def mnist():
    return load_mnist()


@pytest.fixture(scope="module")
def judge(mnist):
    return Judge(load_classifier("mnist"), mnist.test_images[:1000])


# ---- the scores ------------------------------------------------------------

def test_scores_are_the_yardsticks(mnist, judge):
    made = mnist.train_images[:500]
    scores = judge.look(made)
    see = load_classifier("mnist").features
    real, features = see(mnist.test_images[:1000]), see(made)
    assert scores.distance == frechet(real, features)
    assert (scores.precision, scores.recall) == precision_recall(
        real[:500], features)
    labels = np.bincount(mnist.train_labels[:500], minlength=10) / 500
    np.testing.assert_allclose(scores.shares, labels, atol=0.01)
    assert scores.shares.sum() == pytest.approx(1)
    assert scores.missing(judge.shares) == []


def test_a_class_that_is_left_out_is_found_missing(mnist, judge):
    some = mnist.train_images[:2000]
    without = some[~np.isin(mnist.train_labels[:2000], [3, 8])]
    full, scores = judge.look(some), judge.look(without)
    assert scores.missing(judge.shares) == [3, 8]
    assert scores.distance > 2 * full.distance
    assert scores.recall < full.recall and scores.precision > 0.7


def test_a_class_with_less_than_a_quarter_of_its_share_is_missing():
    real = np.array([0.4, 0.4, 0.2])
    made = Scores(1.0, 0.5, 0.5, np.array([0.11, 0.09, 0.8]))
    assert made.missing(real) == [1]


# ---- what the demo says ----------------------------------------------------

def scores(distance, shares=(0.5, 0.5)):
    return Scores(distance, 0.8, 0.7, np.array(shares))


class Two:
    shares = np.array([0.5, 0.5])


def test_the_conclusion_follows_from_the_numbers():
    say = load("gan.py").conclusion
    log = [(100, scores(50.0)), (200, scores(20.0)), (300, scores(90.0))]
    names = "cats", "dogs"
    assert say(log, scores(1), Two, names) == (
        "No class is missing.\nThe distance was smallest, 20.0, after 200 of "
        "300 steps, and 90.0 in the end.")
    assert say(log[:2], scores(1, [0.9, 0.1]), Two, names) == (
        "Missing, or nearly so: dogs.\nThe distance was smallest, 20.0, after "
        "200 of 200 steps: the end.")
    assert say([], scores(1), Two, names) == "No class is missing."


@pytest.fixture
def ran(monkeypatch, tmp_path, capsys):
    """Run the demo on few images; returns what it printed."""
    def ran(*args):
        demo = load("gan.py")
        for name, value in {"LOOKS": 2, "FEW": 100, "MANY": 500}.items():
            monkeypatch.setattr(demo, name, value)
        demo.main(arguments(demo, monkeypatch, *args, "--out", tmp_path))
        return capsys.readouterr().out
    return ran


def test_it_trains_prints_and_draws(ran, tmp_path):
    printed = ran("--images", "mnist", "--steps", 20, "--limit", 320)
    rows = re.findall(r"^ +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) +[\d.]+ +"
                      r"[\d.]+$", printed, re.M)
    assert [row[0] for row in rows] == ["10", "20"]
    (last,) = re.findall(r"^ +draws +([\d.]+)", printed, re.M)
    (real,) = re.findall(r"^ +real +([\d.]+)", printed, re.M)
    assert float(last) > 3 * float(real)       # twenty steps are not enough
    assert len(re.findall(r"real +[\d.]+   drawn", printed)) == 10
    assert {p.name for p in tmp_path.iterdir()} == PICTURES
    assert f"Look at {tmp_path}" in printed

    # what is left is the generator of the same steps, from the seed
    demo = load("gan.py")
    rng, data, looks = np.random.default_rng(0), load_mnist(), []
    images = data.train_images[:320]
    gan = conv_gan(rng=rng)
    demo.train(gan, images, 20, 0.3, 10.0, rng,
               lambda *seen: looks.append(seen))
    with np.load(tmp_path / "generator.npz") as file:
        for name, p in gan.generator.params.items():
            np.testing.assert_array_equal(file[name], p.astype(np.float16))
    assert [step for step, *_ in looks] == list(range(1, 21))


def test_both_networks_are_trained_with_dcgans_adam(monkeypatch, mnist):
    demo, made = load("gan.py"), []

    class Spy(demo.Adam):
        def __init__(self, params, rate, **settings):
            made.append(settings)
            super().__init__(params, rate, **settings)
    monkeypatch.setattr(demo, "Adam", Spy)
    gan = conv_gan(latent_dim=3, filters=2, rng=0)
    before = [p.copy() for p in (*gan.generator.params.values(),
                                 *gan.discriminator.params.values())]
    demo.train(gan, mnist.train_images[:64], 20, 0.3, 0.0,
               np.random.default_rng(0), lambda *_: None)
    assert made == [{"beta_1": 0.5, "beta_2": 0.99}] * 2
    after = [*gan.generator.params.values(),
             *gan.discriminator.params.values()]
    assert all((p != q).any() for p, q in zip(before, after))


def test_without_training_there_are_only_the_classes(monkeypatch, tmp_path,
                                                     judge, mnist):
    scores = judge.look(mnist.train_images[:100])
    for log, count in ([], 1), ([(1, scores), (2, scores)], 3):
        *curves, classes = drawn(
            monkeypatch, load("gan.py").draw_scores, tmp_path / "a.png", log,
            scores, judge, mnist.class_names)
        assert len(curves) + 1 == count
        bars = {bars.get_label(): bars for bars in classes.containers}
        for name, shares in ("real", judge.shares), ("drawn", scores.shares):
            assert [bar.get_height() for bar in bars[name]] == list(shares)
        assert [text.get_text() for text in classes.get_xticklabels()] == list(
            "0123456789")
        highest = max(*judge.shares, *scores.shares)
        assert classes.get_ylim()[1] > 1.1 * highest     # below the legend


def test_what_ships_is_looked_at_without_training(ran, tmp_path):
    printed = ran("--shipped", "--images", "mnist")
    assert {p.name for p in tmp_path.iterdir()} == PICTURES - {"generator.npz"}
    assert "No class is missing." in printed
    picture = imageio.imread(tmp_path / "samples.png")
    assert picture.shape[1] == 1000


@pytest.mark.parametrize("name, load_data, most", [
    ("mnist", load_mnist, 15), ("fashion", load_fashion_mnist, 6)])
def test_the_generators_that_ship_are_as_good_as_said(name, load_data, most):
    judge = Judge(load_classifier(name), load_data().test_images[:2000])
    scores = judge.look(load_gan(name).sample(2000, 5))
    assert scores.distance < most
    assert (DATASETS / f"{name}_gan.npz").stat().st_size < 200e3


def test_there_is_no_gan_of_another_name():
    with pytest.raises(ValueError, match="no gan 'cifar' that ships"):
        load_gan("cifar")
