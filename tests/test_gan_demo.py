"""gan.py: its scores are the yardstick's, and its words follow from them."""
import imageio.v3 as imageio
import numpy as np
import pytest

from minivae.beyond.classifier import load_classifier
from minivae.beyond.conv_gan import conv_gan, load_gan
from minivae.beyond.weights import round_weights
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


def test_options(monkeypatch):
    demo = load("gan.py")
    assert (demo.LOOKS, demo.FEW, demo.MANY) == (20, 2000, 10000)
    args = arguments(demo, monkeypatch)
    assert (args.noise, args.r1, args.steps) == (0.3, 10, 4000)
    assert arguments(demo, monkeypatch, "--quick").steps == 500
    assert arguments(demo, monkeypatch, "--noise", 0, "--r1", 0).r1 == 0
    for option, least in ("--noise", -1), ("--r1", -1), ("--steps", 19):
        with pytest.raises(SystemExit):
            arguments(demo, monkeypatch, option, least)


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
def ran(monkeypatch, tmp_path, capsys, few_images):
    """Run the demo on few images; returns what it printed.

    ran.drawn is what draw_samples got.
    """
    def ran(*args):
        demo = load("gan.py")
        draw = demo.draw_samples
        monkeypatch.setattr(demo, "draw_samples", lambda *what: (
            setattr(ran, "drawn", what), draw(*what)))
        for name, value in {"LOOKS": 2, "FEW": 100, "MANY": 500}.items():
            monkeypatch.setattr(demo, name, value)
        demo.main(arguments(demo, monkeypatch, *args, "--out", tmp_path))
        return capsys.readouterr().out
    return ran


def row_of(when, scores, losses=""):
    return (f"{when:>9}{scores.distance:10.1f}{scores.precision:11.2f}"
            f"{scores.recall:8.2f}  {losses}".rstrip() + "\n")


def test_it_trains_prints_and_draws(ran, few_images, tmp_path):
    printed = ran("--images", "mnist", "--steps", 20, "--limit", 320)
    assert {p.name for p in tmp_path.iterdir()} == PICTURES
    assert f"Look at {tmp_path}" in printed

    # once more: its rows are of these steps, and what is left is the last's
    demo, data = load("gan.py"), few_images["mnist"]()
    judge = Judge(load_classifier("mnist"), data.test_images)
    rng, rows = np.random.default_rng(0), [
        "     step  distance  precision  recall  loss of D, of G\n"]
    gan = conv_gan(rng=rng)
    demo.train(gan, data.train_images[:320], 20, 0.3, 10.0, rng,
               lambda step, *losses: step % 10 or rows.append(row_of(
                   step, judge.look(gan.sample(100, 0)),
                   "%9.2f%6.2f" % losses)))
    assert printed.startswith("".join(rows)) and len(rows) == 3
    round_weights(gan.generator)
    with np.load(tmp_path / "generator.npz") as file:
        for name, p in gan.generator.params.items():
            np.testing.assert_array_equal(file[name], p)
    made = gan.sample(500, 1)
    for found, want in zip(ran.drawn[1:], (made, data.test_images)):
        np.testing.assert_array_equal(found, want)
    last = judge.look(made)
    assert ("\n500 draws, and as many real images from training:\n"
            + row_of("draws", last)
            + row_of("real", judge.look(data.train_images[:500]))) in printed
    assert ("share of each class, as the classifier sees them, in %:\n"
            + "".join(f"  {name:<12}real {100 * real:5.1f}   drawn "
                      f"{100 * made:5.1f}\n" for name, real, made in zip(
                          "0123456789", judge.shares, last.shares))) in printed


def test_a_step_is_what_the_demo_says(monkeypatch, mnist):
    demo, adams, calls, looks = load("gan.py"), [], [], []

    class Spy(demo.Adam):
        def __init__(self, params, rate, **settings):
            adams.append((settings, []))
            super().__init__(params, rate, **settings)
            self.rates = adams[-1][1]

        def step(self, grads):
            self.rates.append(self.learning_rate)
            super().step(grads)
    monkeypatch.setattr(demo, "Adam", Spy)
    gan = conv_gan(latent_dim=3, filters=2, rng=0)
    for name in "discriminator", "generator":
        method = f"{name}_loss_and_grads"
        monkeypatch.setattr(gan, method, lambda *args, really=getattr(
            gan, method): (calls.append(args), really(*args))[1])
    before = [p.copy() for p in (*gan.generator.params.values(),
                                 *gan.discriminator.params.values())]
    demo.train(gan, mnist.train_images[:64], 40, 0.3, 10.0,
               np.random.default_rng(0), lambda *seen: looks.append(seen))
    after = [*gan.generator.params.values(),
             *gan.discriminator.params.values()]
    assert all((p != q).any() for p, q in zip(before, after))

    dcgan = {"beta_1": 0.5, "beta_2": 0.99}
    left = 1 - np.arange(40) / 40
    assert [settings for settings, _ in adams] == [dcgan] * 2
    np.testing.assert_allclose(adams[0][1], 3e-4 * left)
    np.testing.assert_allclose(adams[1][1], 8e-4 * left)
    assert [step for step, *_ in looks] == list(range(2, 41, 2))
    assert [r1 for *_, r1 in calls[::2]] == [10, 0, 0, 0] * 10
    for x, z, noise, _ in calls[::2]:
        assert (x.shape, z.shape) == ((64, 28, 28, 1), (64, 3))
        assert noise.shape == (128, 28, 28, 1) and noise.dtype == np.float32
        assert noise.std() == pytest.approx(0.3, abs=0.01)
    for z, noise in calls[1::2]:
        assert z.shape == (64, 3) and noise.shape == (64, 28, 28, 1)
        assert noise.std() == pytest.approx(0.3, abs=0.01)


def test_scores_are_drawn_over_time(monkeypatch, tmp_path):
    log = [(7, Scores(50.0, 0.8, 0.3, None)),
           (9, Scores(20.0, 0.7, 0.6, None))]
    distance, balls, classes = drawn(
        monkeypatch, load("gan.py").draw_scores, tmp_path / "a.png", log,
        scores(20.0), Two, ("cats", "dogs"))
    line, = distance.lines
    assert line.get_xydata().tolist() == [[7, 50], [9, 20]]
    assert {line.get_label(): line.get_xydata().tolist()
            for line in balls.lines} == {"precision": [[7, 0.8], [9, 0.7]],
                                         "recall": [[7, 0.3], [9, 0.6]]}
    assert [text.get_text() for text in balls.get_legend().texts] == [
        "precision", "recall"]
    assert distance.get_ylim()[0] == 0 and balls.get_ylim() == (0, 1)
    assert distance.get_xlabel() == balls.get_xlabel() == "step"
    assert [ax.get_title() for ax in (distance, balls, classes)] == [
        "Fréchet distance: less is better", "precision and recall",
        "the share of each class, to a classifier"]
    real, made = ([bar.get_center()[0] for bar in bars]
                  for bars in classes.containers)     # side by side
    np.testing.assert_allclose([real, made], [[-0.2, 0.8], [0.2, 1.2]])
    assert {round(bar.get_width(), 9) for bars in classes.containers
            for bar in bars} == {0.4}
    assert classes.get_legend() and classes.get_ylim()[0] == 0


def test_draws_stand_beside_real_images(monkeypatch, tmp_path):
    images = np.random.default_rng(0).random((2, 120, 2, 3, 1))
    axes = drawn(monkeypatch, load("gan.py").draw_samples, tmp_path / "a.png",
                 *images)
    assert [ax.get_title() for ax in axes] == ["the first 100 draws",
                                               "100 real images"]
    for ax, some in zip(axes, images, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), np.block(
            [list(row) for row in some[:100, ..., 0].reshape(10, 10, 2, 3)]))


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
        assert 1.1 < classes.get_ylim()[1] / highest < 1.3    # a legend fits


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
