"""demos/convolution.py: its numbers, and where its pictures put them."""
import imageio.v3 as imageio
import numpy as np
import pytest

from minivae import Conv2D, Conv2DTranspose
from minivae.plots import pixels

from common.drawing import cells, paper
from common.one_channel import apply, with_kernel
from test_demos import arguments, load

demo = load("convolution.py")


def windows_of(a):
    """All windows of 3 x 3, in reading order, as views: {k: window}."""
    return {3 * i + j: a[i:i + 3, j:j + 3] for i in range(3) for j in range(3)}


def test_numbers_are_where_they_are_in_the_matrix():
    figure, ax = paper(6, 4, side=20)
    a = np.array([[0, 0, 0, 9], [0, -9, np.nan, 0]])
    cells(ax, 1, 1, a)
    image = pixels(figure)
    # just below each cell's upper side, where there is no digit
    seen = image[20 * np.array([1, 2])[:, None] + 3,
                 20 * np.arange(1, 5) + 3].astype(int)           # (2, 4, 3)
    assert (seen[0, 3] < 70).all()                               # ink is dark
    assert seen[1, 1, 0] == 255 and (seen[1, 1, 1:] < 70).all()        # red
    rest = np.delete(seen.reshape(8, 3), [3, 5], axis=0)
    assert (rest == 255).all()
    # of the white ones, those with a 0 have a grey digit
    cell = image[40:60, 60:80], image[40:60, 80:100]
    assert [(part[3:-3, 3:-3] < 200).any() for part in cell] == [False, True]


def test_zeros_can_be_left_out():
    figure, ax = paper(3, 3)
    cells(ax, 0, 1, np.array([[0.0, 2]]), "name", zeros=False)
    assert [text.get_text() for text in ax.texts] == ["2", "name"]


def test_rows_of_cols_are_windows():
    cols, y = demo.product()
    for k, window in windows_of(demo.SEVEN).items():
        assert cols[k].tolist() == window.ravel().tolist()
        assert y[k] == (window * demo.KERNEL).sum()


@pytest.mark.parametrize("done", [0, 1, 6, 9])
def test_col2im_adds_row_by_row(done):
    dcols, dx = demo.sums(done)
    want = np.zeros((5, 5))
    for k, window in windows_of(want).items():
        assert (dcols[k] == demo.DY.flat[k] * demo.KERNEL.ravel()).all()
        if k < done:
            window += demo.DY.flat[k] * demo.KERNEL
    assert (dx == want).all()


def test_what_is_drawn_when_six_windows_are_done():
    for draw, matrices in ((demo.draw_forward, "x cols w y y"),
                           (demo.draw_backward, "dx dcols w dy dy")):
        figure, ax = paper(30.8, 13.6)
        draw(ax, 3, 6, {})
        at = {text.get_position(): text.get_text() for text in ax.texts}
        cols = np.array([[at.get((demo.COLS + j + 0.5, i + 3.5), "")
                          for j in range(9)] for i in range(9)])
        if draw is demo.draw_forward:
            assert (cols[6:] == "").all()
            assert (cols[:6] == np.char.mod("%g", demo.product()[0][:6])).all()
            assert at[demo.Y + 0.5, 8.5] == "60"             # the sixth y
            assert at[demo.IMAGE + 2.5, 7.5] == "60"         # as an image
            assert at[demo.X + 3.5, 5.5] == "9"              # x, row 0
        else:
            assert (cols != "").all()
            dx = demo.sums(6)[1]
            assert at[demo.X + 3.5, 6.5] == f"{dx[1, 3]:g}"
            assert at[demo.IMAGE + 1.5, 6.5] == "2"          # dy, row 0
        for name in set(matrices.split()):
            assert name in "".join(at.values()), name


def test_a_window_its_row_and_its_number_are_outlined():
    _, ax = paper(30.8, 13.6)
    demo.draw_outlines(ax, 3, {5: {}})
    found = [(p.get_x(), p.get_y(), p.get_width(), p.get_height())
             for p in ax.patches]
    assert found == [(demo.X + 2, 6, 3, 3), (demo.COLS, 8, 9, 1),
                     (demo.Y, 8, 1, 1), (demo.IMAGE + 2, 7, 1, 1)]


def test_stamps_lie_a_stride_apart_and_add_up():
    layer = with_kernel(Conv2DTranspose, demo.KERNEL, 2)
    found = demo.stamps(layer, demo.FOUR)
    for (i, j), value, stamp in zip(np.ndindex(2, 2), demo.FOUR.flat, found,
                                    strict=True):
        want = np.zeros((5, 5))
        want[2 * i:2 * i + 3, 2 * j:2 * j + 3] = value * demo.KERNEL
        assert (stamp == want).all()
    assert (sum(found) == apply(layer.forward, demo.FOUR)).all()


@pytest.mark.parametrize("strides, padding", [
    (1, "valid"), (2, "same"), ((1, 3), "same")])
def test_a_matrix_is_the_convolution_and_its_transpose_the_gradient(
        strides, padding):
    rng = np.random.default_rng(0)
    layer = with_kernel(Conv2D, rng.standard_normal((3, 2)), strides, padding)
    A = demo.matrix(layer, 5, 6)
    x = rng.standard_normal((5, 6))
    y = apply(layer.forward, x)
    np.testing.assert_allclose(A @ x.ravel(), y.ravel())
    dy = rng.standard_normal(y.shape)
    np.testing.assert_allclose(A.T @ dy.ravel(),
                               apply(layer.backward, dy).ravel())


def test_convolution_draws_and_finds_no_difference(monkeypatch, tmp_path,
                                                   capsys):
    demo.main(arguments(demo, monkeypatch, "--out", tmp_path))
    pictures = {"im2col.png", "im2col.gif", "stamps.png", "matrix.png"}
    assert {p.name for p in tmp_path.iterdir()} == pictures
    for name in pictures:
        assert imageio.imread(tmp_path / name, index=0).std() > 5
    frames = imageio.imread(tmp_path / "im2col.gif", index=None)
    assert len(frames) == 18
    # the last row of cols, and the pixel of dx that the last window adds to
    row, pixel = ((slice(310, 320), slice(240, 460)),
                  (slice(260, 280), slice(131, 145)))
    assert [(frame[row] < 100).any() for frame in frames] == (
        [False] * 8 + [True] * 10)
    assert [(frame[pixel] < 100).any() for frame in frames[9:]] == (
        [False] * 8 + [True])
    printed = capsys.readouterr().out
    assert printed.count("largest difference 0\n") == 6
    assert "in the middle lies in 9 windows" in printed
    assert "one in a corner, in 1." in printed
    assert "has 225 numbers, of which\n81 are not 0" in printed
    for name in pictures:
        assert name in printed
