"""demos/pixelcnn.py: its numbers are what it says."""
import time
from pathlib import Path

import numpy as np
import pytest

from minivae.beyond.pixelcnn import PixelCNN
from minivae.data import load_mnist

from test_demos import arguments, load
from test_plots import drawn


@pytest.fixture
def demo(monkeypatch):
    demo = load("pixelcnn.py")
    monkeypatch.setattr(demo, "pixel_cnn", lambda rng: PixelCNN(
        2, 4, 1, reach=3, rng=rng))
    return demo


def test_seen_is_the_derivative_of_a_pixels_log_odds(demo):
    net = PixelCNN(2, 4, 2, reach=5, places=True, rng=0, dtype="float64")
    image = np.random.default_rng(0).integers(2, size=(6, 7))
    got = demo.seen(net, image, 3, 4)
    x, want = net._input(image[None], None), np.zeros((6, 7))
    for i, j in np.ndindex(6, 7):
        odds = []
        for step in 1e-6, -1e-6:
            darker = x.copy()
            darker[0, i, j, :2] += -step, step           # white to black
            white, black = net.forward(darker)[0, 3, 4]
            odds.append(black - white)
        want[i, j] = abs(odds[0] - odds[1]) / 2e-6
    np.testing.assert_allclose(got, want, atol=1e-8)
    assert got[3, 4:].max() == 0 and got[4:].max() == 0 < got[3, 3]


def test_what_is_seen_is_shown_with_its_pixel(demo, monkeypatch, tmp_path):
    net = PixelCNN(2, 4, 1, reach=5, rng=0)
    image = np.random.default_rng(0).integers(2, size=(9, 12))
    given, *axes = drawn(monkeypatch, demo.draw_seen, tmp_path / "a.png", net,
                         image)
    np.testing.assert_array_equal(given.images[0].get_array(), image)
    marks = [[line.get_xydata().tolist() for line in ax.lines]
             for ax in (given, *axes)]
    assert marks == [[[[6, 4]], [[3, 3]]], [[[6, 4]]], [[[3, 3]]]]
    for ax, (row, column) in zip(axes, ((4, 6), (3, 3)), strict=True):
        assert ax.get_title() == f"row {row}, column {column} depends on"
        moves = demo.seen(net, image, row, column)
        np.testing.assert_allclose(ax.images[0].get_array(),
                                   np.sqrt(moves / moves.max()), rtol=1e-6)


def test_log_probs_are_of_all_images(demo):
    net = PixelCNN(2, 4, 1, reach=3, rng=0)
    images = load_mnist().test_images[:130, ..., 0].astype(int)
    got = demo.log_probs(net, images)
    np.testing.assert_allclose(got, np.concatenate(
        [net.log_prob(images[:70]), net.log_prob(images[70:])]), rtol=1e-4)


def test_training_learns(demo):
    net = PixelCNN(2, 4, 1, reach=3, rng=0)
    images = load_mnist().train_images[:64, ..., 0].astype(int)
    before = demo.log_probs(net, images).mean()
    demo.train(net, images, 60, np.random.default_rng(0))
    assert demo.log_probs(net, images).mean() > before + 100
    again = PixelCNN(2, 4, 1, reach=3, rng=0)          # the seed decides
    demo.train(again, images, 60, np.random.default_rng(0))
    np.testing.assert_array_equal(again.params["0.w"], net.params["0.w"])


@pytest.mark.parametrize("name, steps, few", [
    ("pixelcnn.py", 14000, 1000), ("discrete.py", 12000, 1000),
    ("gan.py", 4000, 500), ("vq_vae.py", 3000, 500)])
def test_steps_of_the_relatives(name, steps, few, monkeypatch):
    demo = load(name)
    for options, want in ((), steps), (["--quick"], few), (
            ["--steps", 77], 77), (["--quick", "--steps", 77], 77):
        args = arguments(demo, monkeypatch, *options)
        assert (args.steps, args.images, args.shipped, args.limit) == (
            want, "fashion", False, 60000)
    assert args.out == Path("runs", name[:-3])
    for option, value in ("--images", "cifar"), ("--steps", 0), (
            "--steps", 1000001):
        with pytest.raises(SystemExit):
            arguments(demo, monkeypatch, option, value)
    assert arguments(demo, monkeypatch, "--steps", 10 ** 6).steps == 10 ** 6


def test_it_prints_and_completes(demo, few_images, monkeypatch, tmp_path,
                                 capsys):
    drawn, rows, data = [], {}, few_images["mnist"]()

    def sample(net, n, H, W, rng, known=None):
        drawn.append((n, H, W, None if known is None else known.copy()))
        return np.arange(n)[:, None, None] * np.ones((1, H, W), int) % 2
    monkeypatch.setattr(PixelCNN, "sample", sample)
    monkeypatch.setattr(demo, "save_images", lambda path, images, names,
                        title: rows.update(images))
    demo.main(arguments(demo, monkeypatch, "--images", "mnist", "--steps", 2,
                        "--limit", 320, "--out", tmp_path))
    (n, H, W, known), (m, _, _, upper) = drawn
    assert (n, H, W, known) == (100, 28, 28, None) and m == len(upper)
    given = data.test_images[data.grey_index[5::10]]
    np.testing.assert_array_equal(upper, np.repeat(
        given[:, :14, :, 0], 4, axis=0))
    # one row for each of the four times, a column for each image
    assert list(rows)[1:] == [f"completed, {i}" for i in (1, 2, 3, 4)]
    for i in range(4):
        assert (rows[f"completed, {i + 1}"] == i % 2).all()
    assert {path.name for path in tmp_path.iterdir()} - {".lock"} == {
        "samples.png", "seen.png", "pixelcnn.npz"}
    printed = capsys.readouterr().out
    assert "300 test images" in printed and "784 steps" in printed
    np.testing.assert_array_equal(rows["test image"], given)
    # what it has trained is what it writes, and it has trained something
    net = PixelCNN(2, 4, 1, reach=3, rng=np.random.default_rng(0))
    with np.load(tmp_path / "pixelcnn.npz") as file:
        assert abs(file["0.w"] - net.params["0.w"]).max() > 1e-3
        for name, p in net.params.items():
            p[...] = file[name]
    log_p = net.log_prob(data.test_images[..., 0].astype(int))
    assert (f"log p(x): {log_p.mean():.2f} ± {log_p.std() / 300 ** 0.5:.2f} "
            "nats per image") in printed


def test_seconds_are_those_of_the_draw(demo):
    assert 0.05 <= demo.seconds(lambda: time.sleep(0.05)) < 5


def test_draws_stand_in_rows_of_ten(demo, monkeypatch, tmp_path):
    images = np.random.default_rng(0).random((100, 2, 3, 1))
    ax, = drawn(monkeypatch, demo.draw_samples, tmp_path / "a.png", images)
    assert ax.get_title() == "100 draws"
    np.testing.assert_array_equal(ax.images[0].get_array(), np.block(
        [list(row) for row in images[..., 0].reshape(10, 10, 2, 3)]))


def test_training_takes_small_batches_fast(demo, monkeypatch):
    asked, rng = [], np.random.default_rng(0)
    monkeypatch.setattr(demo, "descend", lambda *args, **settings: (
        asked.append((args[2:], settings))))
    net, images = PixelCNN(2, 4, 1, rng=0), np.zeros((20, 5, 5), int)
    demo.train(net, images, 7, rng)
    assert asked == [((20, 7), {"batch_size": 8, "learning_rate": 5e-3,
                                "rng": rng})]
