"""The landscape shows what it should, the right way round."""
import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from scipy.stats import norm

from minivae import VAE, Dense, Reshape, Sequential, conv_vae, plots
from minivae.extras.figures.gif import save_gif


def compass():
    """A VAE whose pixels say where z is: left, right, below, above 0.

    Pixel (0, 0) is dark for z[0] < 0, (0, 1) for z[0] > 0, (1, 0) for
    z[1] < 0 and (1, 1) for z[1] > 0. Its encoder reads them back.
    """
    decoder, encoder = Dense(2, 4), Dense(4, 4)
    decoder.params["w"][...] = [[-9, 9, 0, 0], [0, 0, -9, 9]]
    encoder.params["w"][...] = 0
    encoder.params["w"][:, 0] = [-1, 1, 0, 0]
    encoder.params["w"][:, 1] = [0, 0, -1, 1]
    return VAE(Sequential([Reshape((4,)), encoder]),
               Sequential([decoder, Reshape((2, 2, 1))]))


def drawn(monkeypatch, draw, *args):
    """Return the axes of the figure that a function draws."""
    figures = []

    def canvas_and_keep(figure):
        figures.append(figure)
        figure.clear = lambda: None
        return FigureCanvasAgg(figure)
    monkeypatch.setattr(plots, "FigureCanvasAgg", canvas_and_keep)
    draw(*args)
    return figures[0].axes


def test_the_landscape_is_z_of_column_and_row():
    image, q = plots.latent_grid(compass(), n=4)
    np.testing.assert_allclose(q, norm.ppf(np.linspace(0.05, 0.95, 4)))
    assert image.shape == (8, 8, 1)
    cells = image.reshape(4, 2, 4, 2).swapaxes(1, 2)
    for r, c in np.ndindex(4, 4):               # to the right, and upwards
        np.testing.assert_array_equal(cells[r, c].round(), [
            [1, 0] if c < 2 else [0, 1], [0, 1] if r < 2 else [1, 0]])
        np.testing.assert_allclose(cells[r, c], plots.decode(
            compass(), np.array([[q[c], q[3 - r]]]))[0, ..., 0])


@pytest.mark.parametrize("latent_dim, rows", [(1, 1), (2, 20), (5, 20)])
def test_the_landscape_of_any_latent_dim(latent_dim, rows):
    vae = conv_vae((8, 12, 3), latent_dim, filters=2)
    image, _ = plots.latent_grid(vae)
    assert image.shape == (rows * 8, 20 * 12, 3)
    frame = plots.draw_landscape(vae, "title")
    assert frame.dtype == np.uint8 and frame.shape[-1] == 3


def test_tile_goes_row_by_row():
    images = np.arange(6).reshape(6, 1, 1, 1)
    assert plots.tile(images, 3)[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    tall = np.arange(8).reshape(2, 2, 2, 1)
    assert plots.tile(tall, 2)[..., 0].tolist() == [[0, 1, 4, 5],
                                                    [2, 3, 6, 7]]


def test_ink_is_dark():
    ax = plots.Figure().subplots()
    plots.show(ax, np.array([[[0.0], [1.0]]]), "a title")
    assert ax.get_title() == "a title"
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    shown, = ax.images
    white, black = shown.cmap(shown.norm([0.0, 1.0]))[:, :3]
    assert (white == 1).all() and (black == 0).all()


def test_a_gif_has_its_frames_and_holds_the_last(tmp_path):
    frames = [np.full((30, 40), 60 * i + 15 * (i > 3), "uint8")
              for i in range(5)]
    save_gif(tmp_path / "a.gif", frames)
    movie = imageio.imread(tmp_path / "a.gif", index=None)
    assert movie.shape[:3] == (5, 30, 40)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.info["loop"] == 0                         # for ever
    greys = movie[:, 0, 0, 0].astype(int)
    assert greys[0] == 0 and greys[-1] == 255          # paper stays white
    assert (abs(greys - [0, 60, 120, 180, 255]) <= 4).all()
    durations = [imageio.immeta(tmp_path / "a.gif", index=i)["duration"]
                 for i in range(5)]
    assert durations == [250] * 4 + [3000]
    colour = [np.full((8, 8, 3), (10 * i, 0, 200), "uint8") for i in range(3)]
    save_gif(tmp_path / "b.gif", colour)
    assert imageio.imread(tmp_path / "b.gif", index=None).shape[0] == 3


def test_encode_and_decode_take_any_number_of_codes():
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    images = np.random.default_rng(0).integers(0, 2, (205, 8, 8, 1), bool)
    mu, _ = vae.encode(vae.asarray(images))
    np.testing.assert_allclose(plots.encode(vae, images), mu, 1e-5, 1e-6)
    np.testing.assert_allclose(plots.decode(vae, mu),
                               vae.decode(mu, apply_sigmoid=True), 1e-5)


def test_the_landscapes_ticks_grow_to_the_right_and_upwards(monkeypatch):
    ax, = drawn(monkeypatch, plots.draw_landscape, compass(), "a title")
    for axis in ax.xaxis, ax.yaxis:
        z = [float(tick.get_text()) for tick in axis.get_ticklabels()]
        assert z == sorted(z) and len(set(z)) > 2
        low, high = axis.get_view_interval()
        places = [tick.get_loc() for tick in axis.get_major_ticks()]
        share = (np.array(places) - low) / (high - low)     # of the axis
        np.testing.assert_allclose(share * 20 - 0.5, range(2, 20, 3))
        np.testing.assert_allclose(z, norm.ppf(
            0.05 + 0.9 * np.arange(2, 20, 3) / 19), atol=0.05)


@pytest.mark.parametrize("vae", [
    compass(), conv_vae((8, 12, 1), filters=2, rng=0)], ids=["2x2", "8x12"])
def test_the_drawn_landscape_is_the_grid_pixel_by_pixel(vae):
    left, right, bottom, top = plots.MARGINS
    frame = plots.draw_landscape(vae, "title")[top:-bottom, left:-right]
    image, _ = plots.latent_grid(vae)
    larger = len(frame) // len(image)
    grid = image[..., 0].repeat(larger, 0).repeat(larger, 1)
    assert grid.shape == frame.shape
    inside = np.s_[2:-2, 2:-2]                       # of the line around it
    np.testing.assert_allclose(frame[inside], 255 * (1 - grid[inside]),
                               atol=2)


def test_the_landscape_is_as_large_as_a_screen():
    """20 × 20 cells of the tutorial's images as they are, small ones larger.
    """
    left, right, bottom, top = plots.MARGINS
    for H, W, cells, larger in ((28, 28, 20, 1), (8, 8, 20, 2),
                                (64, 64, 10, 1), (56, 8, 12, 2)):
        frame = plots.draw_landscape(conv_vae((H, W, 1), filters=2), "")
        assert frame.shape[:2] == (H * cells * larger + bottom + top,
                                   W * cells * larger + left + right)


@pytest.mark.parametrize("D, limits", [(1, (0, 1)), (2, (0, 20))])
def test_the_landscapes_axes_count_its_cells(monkeypatch, D, limits):
    ax, = drawn(monkeypatch, plots.draw_landscape,
                conv_vae((8, 8, 1), D, filters=2), "")
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 20), limits)
    assert len(ax.get_yticks()) == (6 if D == 2 else 0)
    prior = ", at quantiles of the prior"
    assert ax.get_xlabel() == f"z[0]{prior}"
    assert ax.get_ylabel() == (f"z[1]{prior}" if D == 2 else "")


def test_a_figure_that_was_drawn_keeps_nothing():
    figure = plots.Figure()
    figure.subplots().plot([1, 2])
    assert plots.pixels(figure).std() > 0
    assert not figure.axes


# ---- few and many ----------------------------------------------------------

def test_no_codes_and_no_images():
    vae = conv_vae((8, 8, 1), 3, filters=2, rng=0)
    assert plots.decode(vae, np.zeros((0, 3))).shape == (0, 8, 8, 1)
    assert plots.encode(vae, np.zeros((0, 8, 8, 1), bool)).shape == (0, 3)


def test_bits_in_bytes_are_not_encoded_as_greys():
    with pytest.raises(ValueError, match="bytes of 0 and 1, but a byte is a"):
        plots.encode(compass(), np.ones((1, 2, 2, 1), "uint8"))


def test_a_frame_is_saved_as_it_is(tmp_path):
    frame = np.arange(12, dtype="uint8").reshape(3, 4)
    plots.save_frame(tmp_path / "a.png", frame)
    np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), frame)


def test_codes_are_computed_a_part_at_a_time(monkeypatch):
    vae, sizes = conv_vae((8, 8, 1), filters=2), []
    for name in "encode", "decode":
        def part(x, *args, really=getattr(vae, name), **kwargs):
            sizes.append(len(x))
            return really(x, *args, **kwargs)
        monkeypatch.setattr(vae, name, part)
    images = np.zeros((450, 8, 8, 1), bool)
    plots.decode(vae, plots.encode(vae, images))
    assert max(sizes) <= 200 and sum(sizes) == 900


def test_the_smallest_landscape_is_the_middle():
    image, q = plots.latent_grid(compass(), n=1)
    assert q.tolist() == [0] and image.tolist() == [[[0.5], [0.5]]] * 2


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 64, 3), (64, 8, 1)])
@pytest.mark.parametrize("D", [1, 2, 16])
def test_a_landscapes_words_fit(monkeypatch, shape, D):
    ax, = drawn(monkeypatch, plots.draw_landscape,
                conv_vae(shape, D, filters=2, rng=0),
                "epoch 1, after batch 1,000")
    figure = ax.figure
    for text in ax.title, ax.xaxis.label, ax.yaxis.label:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, text


def test_channels_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="has 2 channels, but only 1 "):
        plots.show(plots.Figure().subplots(), np.zeros((4, 4, 2)))


@pytest.mark.parametrize("frames, found", [
    ([], "there are none"),
    ([np.zeros((4, 4))], r"float64 of shape \(4, 4\)"),
    ([np.zeros((4, 4, 2), "u1")], r"uint8 of shape \(4, 4, 2\)"),
    ([np.zeros((4, 4), "u1"), np.zeros((4, 5), "u1")],
     r"there are uint8 of shape \(4, 4\) and uint8 of shape \(4, 5\)"),
    ([np.zeros(4, "u1")], r"uint8 of shape \(4,\)"),
])
def test_frames_that_make_no_gif(tmp_path, frames, found):
    with pytest.raises(ValueError, match=f"save_gif: .* expected, but .*"
                       f"{found}"):
        save_gif(tmp_path / "a.gif", frames)
    assert not list(tmp_path.iterdir())


def test_a_gif_of_one_frame_and_of_equal_ones(tmp_path):
    grey, red = np.full((4, 6), 90, "u1"), np.full((4, 6, 3), (200, 0, 0),
                                                   "u1")
    for frames in [grey], [red], [grey] * 3, [grey, red], np.stack([grey]):
        save_gif(str(tmp_path / "a.gif"), frames)
        movie = imageio.imread(tmp_path / "a.gif", index=None)
        assert movie.shape[1:3] == (4, 6)
        durations = [imageio.immeta(tmp_path / "a.gif", index=i)["duration"]
                     for i in range(len(movie))]
        assert sum(durations) == 250 * (len(frames) - 1) + 3000
