"""demos/strides.py: which pixels are read, and how often they are written."""
import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.patches import Polygon

from minivae import load_pretrained

from common.drawing import paper
from test_demos import arguments, load
from test_plots import drawn

demo = load("strides.py")


@pytest.mark.parametrize("padding, stride, y, first, zeros, title", [
    ("valid", 1, "6 9 12 15", 0, [], "zeros: 0 before, 0 after"),
    ("same", 1, "3 6 9 12 15 11", -1, [0, 7], "zeros: 1 before, 1 after"),
    ("valid", 2, "6 12", 0, [], "nothing reads the last pixel"),
    ("same", 2, "6 12 11", 0, [7], "zeros: 0 before, 1 after")])
def test_each_window_is_drawn_over_what_it_reads(padding, stride, y, first,
                                                 zeros, title):
    _, ax = paper(8, 6)
    demo.draw_row(ax, 0, 0, stride, padding)
    at = {text.get_position(): text.get_text() for text in ax.texts}
    assert [at[i + 1.5, 3.7] for i in range(6)] == list("123456")
    assert [x for x in (0, 7) if at.get((x + 0.5, 3.7)) == "0"] == zeros
    windows = [p for p in ax.patches if isinstance(p, Polygon)]
    for k, (value, window) in enumerate(zip(y.split(), windows, strict=True)):
        left = first + 1 + k * stride               # of the pixels it reads
        assert at[left + 1.5, 1.3] == value
        assert window.get_xy()[:, 0].min() == pytest.approx(left + 0.05)
        assert window.get_xy()[:, 0].max() == pytest.approx(left + 2.95)
    assert at[4, 0.2] == f"'{padding}', stride {stride}: {title}"


@pytest.mark.parametrize("kernel, inside", [(3, {1, 2, 4}), (4, {4})])
def test_a_stride_of_2_adds_unevenly_with_kernel_3_only(kernel, inside):
    before = (kernel - 2) // 2               # zeros that 'same' puts there
    want = np.zeros((20, 20))
    for i in range(6):
        for j in range(6):
            row, column = 4 + 2 * i - before, 4 + 2 * j - before
            want[row:row + kernel, column:column + kernel] += 1
    found = demo.additions(kernel)
    assert (found == want[4:16, 4:16]).all()
    assert set(found[2:-2, 2:-2].flat) == inside


def test_upsampling_treats_all_pixels_alike():
    found = demo.additions(3, upsampling=True)
    assert found.shape == (12, 12) and (found[1:-1, 1:-1] == 9).all()
    assert (found[0, 1:-1] == 6).all() and found[0, 0] == found[-1, -1] == 4


def test_the_features_are_those_that_the_decoder_uses():
    vae = load_pretrained("fashion")
    z = vae.noise(3, 0)
    features, logits = demo.last_features(vae, z)
    np.testing.assert_array_equal(logits, vae.decode(z))
    np.testing.assert_array_equal(features, vae.decoder.layers[-2].forward(
        vae.decoder.layers[-2].cache))
    assert features.min() == 0                       # they are after a ReLU


def test_phases_are_rows_and_columns():
    a = np.ones((2, 6, 4, 3))
    a[:, 1::2, ::2] = -5
    a[0, ::2, ::2] = 7                               # a root mean square of 5
    np.testing.assert_allclose(demo.phases(a), [[5, 1], [5, 1]])


def test_the_decoders_pictures_are_below_the_three_counts(monkeypatch,
                                                          tmp_path):
    rng = np.random.default_rng(0)
    features = rng.random((1, 8, 8, 3)) * [1, 2, 1]
    logits = rng.standard_normal((1, 8, 8, 1))
    ax, = drawn(monkeypatch, demo.draw_checkerboard, tmp_path / "a.png",
                features, logits)
    want = (features[0, ..., 1],                         # the busiest one
            np.sqrt((features[0] ** 2).mean(axis=-1)),
            logits[0, ..., 0] - logits.min())
    for left, image, pixels in zip((1, 14.5, 28), ax.images, want,
                                   strict=True):
        assert [*image.get_extent()] == [left, left + 12, 30, 18]
        np.testing.assert_allclose(image.get_array(), pixels)
    numbers = {text.get_position(): text.get_text() for text in ax.texts}
    for left, says in zip((1, 14.5, 28), ("one feature", "root mean square",
                                          "almost none of it")):
        assert says in numbers[left + 6, 16.6]
    for left, counts in zip((1, 14.5, 28), demo.LAYERS.values()):
        assert numbers[left + 0.5 + 3, 3 + 0.5 + 2] == f"{counts[2, 3]:g}"


def test_strides_finds_the_checkerboard(monkeypatch, tmp_path, capsys):
    demo.main(arguments(demo, monkeypatch, "--out", tmp_path))
    pictures = {"padding.png", "checkerboard.png"}
    assert {p.name for p in tmp_path.iterdir()} == pictures
    for name in pictures:
        assert imageio.imread(tmp_path / name).std() > 5
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert ["kernel", "3,", "stride", "2", "1,", "2,", "4"] in rows
    assert ["kernel", "4,", "stride", "2", "4"] in rows
    assert ["upsampling,", "then", "kernel", "3", "9"] in rows
    (a, b), (c, d) = ([float(n) for n in row[2:]] for row in rows
                      if row[1:2] == ["rows"])
    assert a > 2 and min(b, c) > 1.3 and d == 1
    assert float(printed.split("at most ")[1].split()[0]) < 1.1
