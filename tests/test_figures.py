"""Figures of images, codes and curves show what they should."""
import time
from types import SimpleNamespace

import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm
from test_plots import compass, drawn

from minivae import conv_vae
from minivae.data import load_fashion_mnist
from minivae.extras.figures import codes, names, rows
from minivae.extras.figures.codes import save_scatter, scatter
from minivae.extras.figures.curves import save_curves
from minivae.extras.figures.frames import bare_landscape
from minivae.extras.figures.names import (colour, font_with, literal,
                                          save_figure)
from minivae.extras.figures.rows import (save_binarization, save_images,
                                         save_reconstructions, save_samples)
from minivae.plots import MARGINS, draw_landscape, save_frame


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
def test_every_picture_is_written(tmp_path, latent_dim):
    data, vae = load_fashion_mnist(), conv_vae(latent_dim=latent_dim)
    few, labels = data.test_images[:230], data.test_labels[:230]
    row = {"epoch": 1, "train_loss": 250.0, "test_elbo": -220.0}
    save_binarization(tmp_path / "a.png", data)
    save_reconstructions(tmp_path / "b.png", vae, few[:5], "abcde")
    save_samples(tmp_path / "c.png", vae, np.random.default_rng(0))
    save_scatter(tmp_path / "d.png", vae, few, labels, data.class_names)
    save_curves(tmp_path / "e.png", [row])
    save_frame(tmp_path / "f.png", draw_landscape(vae, "a title"))
    for name in "abcdef":
        picture = imageio.imread(tmp_path / f"{name}.png")
        assert min(picture.shape[:2]) > 100 or latent_dim == 1
        assert picture.std() > 5                     # not blank


def test_reconstructions_come_from_the_mean(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(rows, "save_images",
                        lambda path, rows, names, title: seen.update(rows))
    images = np.array([[[[0], [1]], [[1], [0]]]], bool)
    save_reconstructions(tmp_path / "a.png", compass(), images, ["a"])
    np.testing.assert_array_equal(seen["test image"], images)
    np.testing.assert_array_equal(seen["decoded"].round(), images)


def test_a_scatters_colours_are_its_labels():
    ax, points = Figure().subplots(), np.random.default_rng(0).random((30, 2))
    labels = (points[:, 0] > 0.5).astype(int)
    scatter(ax, points, labels, ["left", "right"])
    drawn = ax.collections[0]
    right = drawn.get_facecolor()[:, 0] > 0.5           # C1: orange, C0: blue
    np.testing.assert_array_equal(drawn.get_offsets()[:, 0] > 0.5, right)
    assert ax.get_legend_handles_labels()[1] == ["left", "right"]


def test_the_scatter_has_z0_to_the_right_and_z1_upwards(monkeypatch, tmp_path):
    images = np.array([[[[0], [1]], [[0], [0]]], [[[0], [0]], [[0], [1]]]],
                      bool)                    # codes right of 0, and above
    ax, = drawn(monkeypatch, save_scatter, tmp_path / "a.png",
                compass(), images, np.array([0, 1], "u1"), ("right", "up"))
    points, *keys = ax.collections
    assert sorted(points.get_offsets().tolist()) == [[0, 1], [1, 0]]
    for low, high in ax.get_xlim(), ax.get_ylim():
        assert low < 0 < high
    assert ax.get_xlabel() == "mu[0]" and ax.get_ylabel() == "mu[1]"
    for key, place in zip(keys, ([1, 0], [0, 1]), strict=True):
        i = points.get_offsets().tolist().index(place)
        assert key.get_facecolor()[0, :3].tolist() == (
            points.get_facecolor()[i, :3].tolist())
    box = ax.lines[0].get_xdata()                    # the landscape's place
    assert (min(box), max(box)) == pytest.approx(norm.ppf([0.05, 0.95]))


def test_curves_are_elbos(monkeypatch, tmp_path):
    row = {"epoch": 1, "train_loss": 250.0, "test_elbo": -220.0}
    ax, = drawn(monkeypatch, save_curves, tmp_path / "a.png", [row])
    assert {line.get_label().split()[0]: line.get_ydata()[0]
            for line in ax.lines} == {"training": -250, "test": -220}
    legend, = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        line.get_label() for line in ax.lines]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch",
                                                  "ELBO, nats per image")
    assert imageio.imread(tmp_path / "a.png").shape[:2] == (450, 700)


def test_binarization_shows_an_image_of_each_class_twice(monkeypatch,
                                                         tmp_path):
    data = load_fashion_mnist()
    ax, = drawn(monkeypatch, save_binarization, tmp_path / "a.png", data)
    grey, bits = (image.get_array() for image in ax.images)
    np.testing.assert_array_equal(grey > 0.5, bits == 1)
    cells = bits.reshape(30, 10, 30).swapaxes(0, 1)[:, 1:-1, 1:-1]
    np.testing.assert_array_equal(
        cells[..., None], data.test_images[data.grey_index[::10]])
    assert [text.get_text() for text in ax.texts][:10] == list(
        data.class_names)
    for name in ax.texts[10:12]:               # of a row: it ends before it
        right = name.get_window_extent().x1
        strip = ax.images[0].get_window_extent().x0
        assert strip - 20 < right < strip


def test_a_bare_landscape_is_what_lies_between_the_margins():
    left, right, bottom, top = MARGINS
    frame = np.zeros((top + 5 + bottom, left + 7 + right), "u1")
    frame[top:top + 5, left:left + 7] = 1
    assert bare_landscape(frame).shape == (5, 7)
    assert bare_landscape(frame).all()


def test_labels_that_do_not_fit_get_a_sentence(tmp_path):
    images = np.zeros((5, 2, 2, 1), bool)
    for labels in np.zeros(4, int), np.zeros((5, 1), int):
        with pytest.raises(ValueError, match="but one for each of 5 images"):
            save_scatter(tmp_path / "a.png", compass(), images, labels, ["a"])
    for label in 3, -1:
        with pytest.raises(ValueError, match="labels are (0 to 3|-1 to 0), "
                           "but there are 3 names, for 0 to 2"):
            save_scatter(tmp_path / "a.png", compass(), images,
                         np.array([0, 0, 0, 0, label]), "abc")


# ---- names -----------------------------------------------------------------

NAMES = ("$x^2$", "_hidden", "{a}\\b^c_d", "a$b", r"\$5", "two\nlines", "",
         "naïve café", "مرحبا", "中文", "हिन्दी", "\udcff\x07odd", "😀",
         "__init__", "x" * 99, "中" * 99, "'\"<b>&amp;")


@pytest.mark.parametrize("save", [save_scatter, save_reconstructions])
def test_names_are_drawn_as_they_are(monkeypatch, tmp_path, save):
    images, args = np.zeros((len(NAMES), 2, 2, 1), bool), [NAMES]
    if save is save_scatter:
        args.insert(0, np.arange(len(NAMES)))
    ax, = drawn(monkeypatch, save, tmp_path / "a.png",         # no warning
                compass(), images, *args)
    texts = (ax.figure.legends[0].get_texts() if save is save_scatter else
             ax.texts)[:len(NAMES)]
    shown = [text._preprocess_math(text.get_text()) for text in texts]
    assert not any(is_math for _, is_math in shown)
    shown = [text.strip() for text, _ in shown]
    assert shown[6] == "(no name)"
    for name, text in zip(NAMES, shown, strict=True):
        assert len(text) <= 24 and "\n" not in text
        if name.isascii() and 0 < len(name) < 13:
            assert text == name.replace("\n", " ")
        if len(name) == 99:
            assert text.endswith("...")


def test_a_letter_comes_from_a_font_that_has_it(tmp_path):
    assert font_with("a") == font_with("é") == "DejaVu Sans"
    assert font_with("\U000e1234") is None               # no letter yet
    assert literal("a\U000e1234b") == "a?b"
    # STIX has a letter that DejaVu has not: as Chinese fonts have theirs
    letter = next(chr(c) for c in range(0x2100, 0x10000)
                  if font_with(chr(c)) not in (None, "DejaVu Sans"))
    figure = Figure()
    text = figure.text(0.5, 0.5, literal(f"a {letter}"))
    save_figure(tmp_path / "a.png", figure)       # without a warning
    assert imageio.imread(tmp_path / "a.png").min() < 128
    assert text.get_fontfamily()[-1] == font_with(letter) or (
        font_with(letter) in text.get_fontfamily())


def test_only_upright_fonts_are_taken(monkeypatch):
    real = next(font.fname for font in names.fontManager.ttflist
                if font.name == "DejaVu Sans")
    fonts = [SimpleNamespace(name=name, style=style, weight=weight, fname=real)
             for name, style, weight in (
                 ("A", "italic", 400), ("B", "normal", 700),
                 ("Last Resort", "normal", 400), ("M", "normal", 400))]
    monkeypatch.setattr(names, "fontManager", SimpleNamespace(ttflist=fonts))
    assert font_with.__wrapped__("a") == "M"


def test_long_names_end_in_dots():
    assert literal("x" * 24) == "x" * 24
    assert literal("x" * 25) == "x" * 21 + "..."
    assert literal("x" * 100_000, 13) == "x" * 10 + "..."
    wide = literal("中" * 30)                    # each as wide as two
    assert len(wide) == 13 and wide.endswith("...")


def test_classes_have_colours_of_their_own():
    colours = [tuple(colour(c).round(3)) for c in range(256)]
    assert len(set(colours)) == 256
    first = Figure().subplots()
    for c in range(10):                    # C0 ... C9, as matplotlib has them
        dots = first.scatter([0], [0], color=f"C{c}")
        np.testing.assert_allclose(colour(c), dots.get_facecolor()[0, :3])
    twenty = np.array(colours[:20])
    apart = abs(twenty[:, None] - twenty).sum(-1) + 9 * np.eye(20)
    assert apart.min() > 0.2


@pytest.mark.parametrize("n", [1, 10, 20, 62])
def test_each_class_stands_in_the_legend(monkeypatch, tmp_path, n):
    ax, = drawn(monkeypatch, save_scatter, tmp_path / "a.png", compass(),
                np.zeros((n, 2, 2, 1), bool), np.arange(n),
                [f"class {c}" for c in range(n)])
    figure = ax.figure
    legend, = figure.legends
    assert len(legend.get_texts()) == n + 1                # and the landscape
    box = legend.get_window_extent()
    assert box.y0 >= 0 and box.y1 <= figure.bbox.y1        # none cut off
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    for a, b in zip(boxes, boxes[1:]):                     # none over another
        assert a.y0 >= b.y1 - 4 or a.x1 < b.x0


# ---- few and many ----------------------------------------------------------

@pytest.mark.parametrize("n", [1, 2, 20, 21, 50])
@pytest.mark.parametrize("shape", [(8, 8, 1), (4, 9, 3)])
def test_rows_of_any_number_of_images(monkeypatch, tmp_path, n, shape):
    rng = np.random.default_rng(n)
    rows = {name: rng.random((n, *shape)) for name in "ab"}
    ax, = drawn(monkeypatch, save_images, tmp_path / "a.png", rows,
                list(map(str, range(n))), "title")
    blocks = -(-n // 20)
    assert len(ax.images) == 2 * blocks
    right, bottom = ax.get_xlim()[1], ax.get_ylim()[0]
    for strip in ax.images:
        left, end, low, high = strip.get_extent()
        assert 0 < left < end <= right and 0 < high < low <= bottom
    heights = sorted(strip.get_extent()[2] for strip in ax.images)
    assert min(np.diff(heights)) >= 90                # none over another
    # the last image of row b, in its cell
    size = max(shape) + 2
    strip = np.asarray(ax.images[-1].get_array()).reshape(size, -1, size,
                                                          shape[-1])
    row, column = (size - shape[0]) // 2, (size - shape[1]) // 2
    np.testing.assert_array_equal(
        strip[row:row + shape[0], -1, column:column + shape[1]],
        rows["b"][-1])
    texts = [text.get_text() for text in ax.texts]
    assert texts[:n] == list(map(str, range(n)))
    assert texts[n:] == ["a", "b"] * blocks + ["title"]


def test_many_images_are_drawn_soon(tmp_path):
    images = np.zeros((700, 2, 2, 1), bool)
    start = time.process_time()
    save_reconstructions(tmp_path / "a.png", compass(), images, ["x"] * 700)
    assert time.process_time() - start < 20       # one by one, it was minutes
    assert imageio.imread(tmp_path / "a.png").shape[:2] == pytest.approx(
        (40 + 35 * 204, 140 + 20 * 90), abs=1)


@pytest.mark.parametrize("n, names", [(0, []), (2, ["a"]), (1, ["a", "b"])])
def test_images_and_names_that_do_not_fit(tmp_path, n, names):
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="as many images as names, at least "
                       f"1, were expected, but there are {len(names)} names "
                       f"and {n} of 'test image', {n} of 'decoded'"):
        save_reconstructions(path, compass(), np.zeros((n, 2, 2, 1), bool),
                             names)
    assert not path.exists()


@pytest.mark.parametrize("n", [1, 2, 4, 10])
def test_few_dots_say_their_values(monkeypatch, tmp_path, n):
    log = [{"epoch": i + 1, "train_loss": 250.0 - i, "test_elbo": -220.5 + i}
           for i in range(n)]
    ax, = drawn(monkeypatch, save_curves, tmp_path / "a.png", log)
    said = [text.get_text() for text in ax.texts]
    shown = log if n < 5 else log[-1:]
    assert said == [f"{-row['train_loss']:.1f}" for row in shown] + [
        f"{row['test_elbo']:.1f}" for row in shown]
    assert all(line.get_marker() in "os" for line in ax.lines)
    low, high = ax.get_ylim()
    for line in ax.lines:                       # no dot on the frame
        assert low < min(line.get_ydata()) and max(line.get_ydata()) < high


@pytest.mark.parametrize("latent_dim", [1, 2, 16])
@pytest.mark.parametrize("n", [0, 1, 30])
def test_a_scatter_of_few_and_of_many_classes(monkeypatch, tmp_path, n,
                                              latent_dim):
    vae = conv_vae((8, 8, 1), latent_dim, filters=2, rng=0)
    images = np.random.default_rng(0).integers(0, 2, (n, 8, 8, 1), bool)
    names = [f"_{c}" for c in range(max(1, n))]
    ax, = drawn(monkeypatch, save_scatter, tmp_path / "a.png", vae,
                images, np.arange(n, dtype="u1"), names)
    assert len(ax.collections[0].get_offsets()) == n
    if latent_dim == 1:
        assert [t.get_text() for t in ax.get_yticklabels()] == [
            f" {name}" for name in names]


def test_codes_that_are_not_finite_are_counted(monkeypatch, tmp_path):
    vae = compass()
    monkeypatch.setattr(codes, "encode", lambda vae, images: np.array(
        [[0, 1], [np.nan, 0], [0, np.inf], [1, 1]]))
    ax, = drawn(monkeypatch, save_scatter, tmp_path / "a.png", vae,
                np.zeros((4, 2, 2, 1), bool), np.arange(4), "abcd")
    assert "(2 of 4 have no finite code)" in ax.get_title()
    assert sorted(ax.collections[0].get_offsets().tolist()) == [[0, 1], [1, 1]]
