"""The pictures show what they should, the right way round."""
import imageio.v3 as imageio
import numpy as np
import pytest
from scipy.stats import norm

from minivae import VAE, Dense, Reshape, Sequential, conv_vae
from minivae import plots
from minivae.data import load_fashion_mnist


def compass():
    """A VAE whose pixels say where z is: ink left, right, up and down of 0.

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


def test_the_landscape_is_z_of_column_and_row():
    image, q = plots.latent_grid(compass(), n=4)
    np.testing.assert_allclose(q, norm.ppf(np.linspace(0.05, 0.95, 4)))
    assert image.shape == (8, 8, 1)
    # the cell in the top right corner has z[0] > 0 and z[1] < 0
    np.testing.assert_array_equal(image[:2, 6:, 0].round(), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(image[6:, :2, 0].round(), [[1, 0], [0, 1]])


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
    plots.show(ax, np.array([[[0.0], [1.0]]]))
    shown, = ax.images
    white, black = shown.cmap(shown.norm([0.0, 1.0]))[:, :3]
    assert (white == 1).all() and (black == 0).all()


def test_a_gif_has_its_frames_and_holds_the_last(tmp_path):
    frames = [np.full((30, 40), 60 * i + 15 * (i > 3), "uint8")
              for i in range(5)]
    plots.save_gif(tmp_path / "a.gif", frames)
    movie = imageio.imread(tmp_path / "a.gif", index=None)
    assert movie.shape[:3] == (5, 30, 40)
    greys = movie[:, 0, 0, 0].astype(int)
    assert greys[0] == 0 and greys[-1] == 255          # paper stays white
    assert (abs(greys - [0, 60, 120, 180, 255]) <= 4).all()
    durations = [imageio.immeta(tmp_path / "a.gif", index=i)["duration"]
                 for i in range(5)]
    assert durations == [250] * 4 + [3000]
    colour = [np.full((8, 8, 3), (10 * i, 0, 200), "uint8") for i in range(3)]
    plots.save_gif(tmp_path / "b.gif", colour)
    assert imageio.imread(tmp_path / "b.gif", index=None).shape[0] == 3


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
def test_every_picture_is_written(tmp_path, latent_dim):
    data, vae = load_fashion_mnist(), conv_vae(latent_dim=latent_dim)
    few, labels = data.test_images[:230], data.test_labels[:230]
    row = {"epoch": 1, "train_loss": 250.0, "test_elbo": -220.0}
    plots.save_binarization(tmp_path / "a.png", data)
    plots.save_reconstructions(tmp_path / "b.png", vae, few[:5], "abcde")
    plots.save_samples(tmp_path / "c.png", vae, np.random.default_rng(0))
    plots.save_scatter(tmp_path / "d.png", vae, few, labels, data.class_names)
    plots.save_curves(tmp_path / "e.png", [row])
    plots.save_frame(tmp_path / "f.png", plots.draw_landscape(vae, "a title"))
    for name in "abcdef":
        picture = imageio.imread(tmp_path / f"{name}.png")
        assert min(picture.shape[:2]) > 100 or latent_dim == 1
        assert picture.std() > 5                     # not blank


def test_reconstructions_come_from_the_mean(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(plots, "save_images",
                        lambda path, rows, names, title: seen.update(rows))
    images = np.array([[[[0], [1]], [[1], [0]]]], bool)
    plots.save_reconstructions(tmp_path / "a.png", compass(), images, ["a"])
    np.testing.assert_array_equal(seen["test image"], images)
    np.testing.assert_array_equal(seen["decoded"].round(), images)


def test_encode_and_decode_take_any_number_of_codes():
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    images = np.random.default_rng(0).integers(0, 2, (205, 8, 8, 1), bool)
    mu, _ = vae.encode(vae.asarray(images))
    np.testing.assert_allclose(plots.encode(vae, images), mu, 1e-5, 1e-6)
    np.testing.assert_allclose(plots.decode(vae, mu),
                               vae.decode(mu, apply_sigmoid=True), 1e-5)


def test_a_scatters_colours_are_its_labels():
    ax, points = plots.Figure().subplots(), np.random.default_rng(0).random(
        (30, 2))
    labels = (points[:, 0] > 0.5).astype(int)
    plots.scatter(ax, points, labels, ["left", "right"])
    drawn = ax.collections[0]
    right = drawn.get_facecolor()[:, 0] > 0.5           # C1: orange, C0: blue
    np.testing.assert_array_equal(drawn.get_offsets()[:, 0] > 0.5, right)
    assert ax.get_legend_handles_labels()[1] == ["left", "right"]


def drawn(monkeypatch, save, *args):
    """Return the axes of the figure that a function draws."""
    figures = []
    monkeypatch.setattr(plots, "pixels", lambda figure: (
        figures.append(figure), np.zeros((2, 2), "u1"))[1])
    save(*args)
    return figures[0].axes


def test_the_scatter_has_z0_to_the_right_and_z1_downwards(monkeypatch,
                                                          tmp_path):
    images = np.array([[[[0], [1]], [[0], [0]]], [[[0], [0]], [[0], [1]]]],
                      bool)                          # ink right, ink down
    ax, = drawn(monkeypatch, plots.save_scatter, tmp_path / "a.png",
                compass(), images, np.array([0, 1], "u1"), ("right", "down"))
    points, *keys = ax.collections
    assert sorted(points.get_offsets().tolist()) == [[0, 1], [1, 0]]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]       # downwards, as the grid
    for key, place in zip(keys, ([1, 0], [0, 1]), strict=True):
        i = points.get_offsets().tolist().index(place)
        assert key.get_facecolor()[0, :3].tolist() == (
            points.get_facecolor()[i, :3].tolist())
    box = ax.lines[0].get_xdata()                    # the landscape's place
    assert (min(box), max(box)) == pytest.approx(norm.ppf([0.05, 0.95]))


def test_curves_are_elbos(monkeypatch, tmp_path):
    row = {"epoch": 1, "train_loss": 250.0, "test_elbo": -220.0}
    ax, = drawn(monkeypatch, plots.save_curves, tmp_path / "a.png", [row])
    assert {line.get_label().split()[0]: line.get_ydata()[0]
            for line in ax.lines} == {"training": -250, "test": -220}


def test_the_landscapes_ticks_grow(monkeypatch):
    ax, = drawn(monkeypatch, plots.draw_landscape, compass(), "a title")
    for axis in ax.xaxis, ax.yaxis:
        z = [float(tick.get_text()) for tick in axis.get_ticklabels()]
        assert z == sorted(z) and len(set(z)) > 2
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_binarization_shows_an_image_of_each_class_twice(monkeypatch,
                                                         tmp_path):
    axes = drawn(monkeypatch, plots.save_binarization, tmp_path / "a.png",
                 load_fashion_mnist())
    grey, bits = (np.array([ax.images[0].get_array() for ax in row])
                  for row in (axes[:10], axes[10:]))
    np.testing.assert_array_equal(grey > 0.5, bits == 1)
    assert len({ax.get_title() for ax in axes[:10]}) == 10


def test_a_bare_landscape_is_what_lies_between_the_margins():
    left, right, bottom, top = plots.MARGINS
    frame = np.zeros((top + 5 + bottom, left + 7 + right), "u1")
    frame[top:top + 5, left:left + 7] = 1
    assert plots.bare_landscape(frame).shape == (5, 7)
    assert plots.bare_landscape(frame).all()


def test_labels_that_do_not_fit_get_a_sentence(tmp_path):
    images = np.zeros((5, 2, 2, 1), bool)
    for labels in np.zeros(4, int), np.zeros((5, 1), int):
        with pytest.raises(ValueError, match="but one for each of 5 images"):
            plots.save_scatter(tmp_path / "a.png", compass(), images, labels,
                               ["a"])
