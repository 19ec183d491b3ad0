"""The page decodes as Python does, and does what it says: in a browser."""
import base64
import functools
import io
import json
import math
import re
import shutil
import time

import matplotlib
import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm
from test_own_data import pictures
from test_plots import compass

from minivae import (VAE, Conv2DTranspose, Dense, ReLU, Reshape, Sequential,
                     Sigmoid, conv_vae, load_pretrained, save_model)
from minivae.data import Dataset, load_mnist
from minivae.extras import explorer
from minivae.extras.explorer import Frame, paths, window, write_page
from minivae.extras.figures.frames import (bare_landscape, from_png, title_of,
                                           to_png)
from minivae.extras.figures.names import colour
from minivae.plots import draw_landscape

from common.models import find_model
from small_runs import few
from test_demos import arguments, load

CHROME, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))


def dataset(shape, dtype=bool, N=130):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2 if dtype == bool else 256, (N, *shape))
    labels = (np.arange(N) % 3).astype("uint8")
    images = images.astype(dtype)
    return Dataset(images, labels, images, labels, images[:9], np.arange(9),
                   ("red", "green", "</script>"))


# ---- the file --------------------------------------------------------------

def parts_of(path):
    text = path.read_text(encoding="utf-8")
    start = text.index('id="data">') + len('id="data">')
    return json.loads(text[start:text.index("</script>", start)])


def test_the_page_holds_all_and_is_small(tmp_path):
    path = tmp_path / "a.html"
    frames = [Frame(f"after {i}", np.full((560, 560), 7 * i, "uint8"))
              for i in range(35)]
    count = write_page(path, load_pretrained("mnist"), "MNIST", load_mnist(),
                       frames)
    assert count == 5000 and path.stat().st_size < 1.5e6
    parts = parts_of(path)
    assert [frame["title"] for frame in parts["frames"]][-1] == "after 34"
    assert parts["points"]["names"] == list("0123456789")
    names = [f"{p['name']} {p['file']}" for p in parts["python"]]
    assert names == ["VAE.decode minivae/vae.py",
                     "reparameterize minivae/vae.py",
                     "spherical minivae/extras/explorer/paths.py"]
    assert parts["python"][0]["source"].startswith("def decode(self, z")
    for needed in "http://", "https://", "/* page.js */", "{DATA}":
        assert needed not in path.read_text(encoding="utf-8")


def test_of_many_frames_some_are_shown(tmp_path):
    frames = [Frame(str(i), np.zeros((9, 9), "uint8")) for i in range(100)]
    write_page(tmp_path / "a.html", conv_vae((8, 8, 1), filters=2), "x",
               frames=frames)
    titles = [f["title"] for f in parts_of(tmp_path / "a.html")["frames"]]
    assert len(titles) == 40 and titles[0] == "0" and titles[-1] == "99"
    assert max(np.diff(np.array(titles, int))) <= 3


def test_where_there_is_little_room_fewer_images_are_shown(tmp_path):
    vae = conv_vae((64, 64, 3), filters=8, likelihood="continuous")
    data = dataset((64, 64, 3), np.uint8)        # noise: nothing is smaller
    assert write_page(tmp_path / "a.html", vae, "noise", data) == 65
    assert (tmp_path / "a.html").stat().st_size < 1.5e6


def test_what_cannot_be_shown_gets_a_sentence(tmp_path):
    vae = conv_vae((28, 28, 1), 2, filters=128)
    with pytest.raises(ValueError, match=r"the page of x would have [\d.]+ "
                       "MB, but at most 1.5 were expected"):
        write_page(tmp_path / "a.html", vae, "x")
    assert not list(tmp_path.iterdir())


def test_a_good_page_survives_where_writing_fails(tmp_path, monkeypatch):
    path, vae = tmp_path / "a.html", conv_vae((8, 8, 1), filters=2)
    write_page(str(path), vae, "x")
    good, really_open = path.read_bytes(), open

    class Full:
        """A file on a disk that is full after the first byte."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(content[:1])
            raise OSError(28, "No space left on device")

    def full(file, mode="r", *args, **kwargs):
        opened = really_open(file, mode, *args, **kwargs)
        return Full(opened) if "w" in mode else opened

    monkeypatch.setattr("builtins.open", full)
    monkeypatch.setattr("io.open", full)
    with pytest.raises(OSError, match="No space left"):
        write_page(path, vae, "y")
    monkeypatch.undo()
    assert path.read_bytes() == good and list(tmp_path.iterdir()) == [path]


def test_bits_in_bytes_are_not_taken_for_greys(tmp_path):
    data = dataset((8, 8, 1))
    data = data._replace(test_images=data.test_images.astype("uint8"))
    with pytest.raises(ValueError, match="bytes of 0 and 1, but a byte is a"):
        write_page(tmp_path / "a.html", conv_vae((8, 8, 1), filters=2), "x",
                   data)


def test_points_are_spread_and_keep_their_codes_and_labels():
    vae, data = conv_vae((8, 12, 1), filters=2, rng=0), dataset((8, 12, 1))
    few = explorer.points(vae, data, 60)
    places = np.linspace(0, 129, 60).astype(int)
    codes = vae.encode(vae.asarray(data.test_images[places]))

    def content(text):
        return base64.b64decode(text.split(",")[-1])
    for name, want in zip(("mu", "logvar"), codes):
        np.testing.assert_allclose(np.frombuffer(content(few[name]), "<f4"),
                                   want.ravel(), 1e-5, 1e-6)
    assert list(content(few["labels"])) == data.test_labels[places].tolist()
    assert few["names"] == ["red", "green", "</script>"]
    sheet = np.array(Image.open(io.BytesIO(content(few["sprite"]))))
    cells = sheet.reshape(2, 8, 50, 12).swapaxes(1, 2).reshape(100, 8, 12, 1)
    np.testing.assert_array_equal(cells[:60], data.test_images[places])
    assert not cells[60:].any()


def test_large_images_are_not_all_tried(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(explorer, "points", lambda vae, data, count: (
        tried.append(count)))
    images = np.broadcast_to(np.uint8(7), (5000, 256, 256, 3))
    write_page(tmp_path / "a.html", conv_vae((8, 8, 1), filters=2), "x",
               dataset((8, 8, 1))._replace(test_images=images))
    assert tried == [102]                             # 20 million numbers


def test_a_layer_that_javascript_does_not_know(tmp_path):
    vae = conv_vae((8, 8, 1), filters=2)
    vae.decoder = Sequential([*vae.decoder.layers, Sigmoid()])
    with pytest.raises(ValueError, match=r"cannot compute Sigmoid\(\); it "):
        write_page(tmp_path / "a.html", vae, "x")


def test_a_decoder_that_ends_otherwise(tmp_path):
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    vae.decoder.layers.append(ReLU())
    with pytest.raises(ValueError, match=r"decoder ends with ReLU\(\); let "):
        write_page(tmp_path / "a.html", vae, "x")
    assert not list(tmp_path.iterdir())


def test_other_vaes_that_it_cannot_show(tmp_path):
    flat = VAE(Dense(6, 4), Dense(2, 6))
    with pytest.raises(ValueError, match=r"decoder ends with Dense\(2, 6\); "):
        write_page(tmp_path / "a.html", flat, "x")
    with pytest.raises(ValueError, match="1 channel or 3, but .* have 2$"):
        write_page(tmp_path / "a.html", conv_vae((8, 8, 2), filters=2), "x")
    assert not list(tmp_path.iterdir())


def test_colours_may_be_black_and_white(tmp_path):
    data = dataset((8, 12, 3))
    write_page(tmp_path / "a.html", conv_vae((8, 12, 3), filters=2), "x", data)
    parts = parts_of(tmp_path / "a.html")["points"]
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(
        parts["sprite"].split(",")[1]))))
    np.testing.assert_array_equal(sheet[:8, :12], 255 * data.test_images[0])


def test_a_frame_keeps_its_title_and_loses_its_margins():
    frame = draw_landscape(conv_vae((8, 8, 1), filters=2), "ε 1")
    png = to_png(frame, "after ε 1")
    assert title_of(png) == "after ε 1"
    np.testing.assert_array_equal(from_png(png), frame)
    bare = bare_landscape(frame)
    assert bare.shape == (320, 320) and (bare == 255).mean() < 0.5


# ---- the demo --------------------------------------------------------------

def explore(monkeypatch, tmp_path, *args):
    demo, opened = load("explore.py"), []
    monkeypatch.setattr(demo, "draws", lambda title: {
        f"another of {title}": np.ones((1, 28, 28, 1))})
    monkeypatch.setattr(demo.webbrowser, "open", opened.append)
    demo.main(arguments(demo, monkeypatch, "--out", tmp_path / "a.html",
                        *args))
    return opened


def test_explore_knows_the_run_beside_a_model(monkeypatch, tmp_path, capsys):
    train = load("train_fashion.py")
    args = arguments(train, monkeypatch, "--limit", 64, "--epochs", 1,
                     "--workers", 1, "--out", tmp_path / "run")
    args.load = functools.partial(few, args.load)
    assert train.main(args) == 0
    capsys.readouterr()
    opened = explore(monkeypatch, tmp_path, "--model",
                     tmp_path / "run" / "model.npz")
    assert opened == [(tmp_path / "a.html").as_uri()]
    assert "with 5,000 test images and 3 pictures" in capsys.readouterr().out
    parts = parts_of(tmp_path / "a.html")
    assert parts["title"] == "Fashion-MNIST"
    assert parts["relatives"][0]["name"] == "another of Fashion-MNIST"
    assert [frame["title"] for frame in parts["frames"]] == [
        "before training", "epoch 1, after batch 1", "after epoch 1"]


def test_explore_draws_what_relatives_know_the_same_images(monkeypatch,
                                                           tmp_path):
    demo = load("explore.py")
    monkeypatch.setattr(demo, "DRAWS", 3)
    draws = demo.draws("MNIST")
    assert list(draws) == ["discrete VAE", "VQ-VAE-2", "PixelCNN", "GAN"]
    np.testing.assert_array_equal(
        draws["GAN"], load_pretrained("mnist", "gan").sample(3, 0))
    assert (draws["GAN"] != demo.draws("Fashion-MNIST")["GAN"]).any()
    assert demo.draws("flags") == {}

    write_page(tmp_path / "a.html", load_pretrained("mnist"), "MNIST",
               relatives=draws)
    for part, images in zip(parts_of(tmp_path / "a.html")["relatives"],
                            draws.values(), strict=True):
        assert (part["count"], part["columns"]) == (3, 50)
        sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(
            part["sprite"].split(",")[1]))))
        assert sheet.shape == (28, 50 * 28)
        np.testing.assert_allclose(sheet[:, 56:84] / 255, images[2, ..., 0],
                                   atol=0.002)


def test_explore_names_images_of_ones_own(monkeypatch, tmp_path):
    pictures(tmp_path / "flags", size=(8, 8))
    train, run = load("train_fashion.py"), tmp_path / "run"
    assert train.main(arguments(
        train, monkeypatch, "--data-dir", tmp_path / "flags", "--epochs", 1,
        "--batch-size", 9, "--workers", 1, "--out", run)) == 0
    found = find_model(str(run / "model.npz"))
    assert found.title == "flags" and len(found.load_data().test_images) == 3
    shutil.rmtree(tmp_path / "flags")
    with pytest.raises(ValueError, match="flags does not exist"):
        found.load_data()


@pytest.mark.parametrize("damaged", [False, True])
def test_explore_a_model_alone(monkeypatch, tmp_path, capsys, damaged):
    save_model(tmp_path / "m.npz", conv_vae((8, 8, 1), filters=2), (8, 8, 1))
    if damaged:
        (tmp_path / "checkpoint.npz").write_bytes(b"not one")
    assert not explore(monkeypatch, tmp_path, "--model", tmp_path / "m.npz",
                       "--no-open")
    assert ("damaged" if damaged else "there is no") in re.search(
        "note: no test images are shown: .*", capsys.readouterr().out)[0]
    assert parts_of(tmp_path / "a.html")["points"] is None


def test_explore_opens_a_window_instead(monkeypatch, tmp_path, capsys):
    demo, shown = load("explore.py"), []
    monkeypatch.setattr(demo, "open_window", lambda *what: shown.append(what))
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: shown.append("show"))
    monkeypatch.chdir(tmp_path)
    demo.main(arguments(demo, monkeypatch, "--matplotlib", "--model",
                        "mnist"))
    (vae, title, data), show = shown
    assert (title, show) == ("MNIST", "show") and not list(tmp_path.iterdir())
    z = np.zeros((1, 2), "f4")
    np.testing.assert_array_equal(vae.decode(z),
                                  load_pretrained("mnist").decode(z))
    np.testing.assert_array_equal(data.test_labels, load_mnist().test_labels)


@pytest.mark.parametrize("name, content, sentence", [
    ("none.npz", None, "there is no model .*none.npz; name a model.npz"),
    ("text.npz", b"hello", "text.npz is not a model of minivae")])
def test_explore_with_a_bad_model(monkeypatch, tmp_path, name, content,
                                  sentence):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        explore(monkeypatch, tmp_path, "--model", tmp_path / name)


def test_the_window_follows_the_mouse(monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "a window")
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    figure = window.open_window(vae, "x", dataset((8, 8, 1)))
    plane, image = figure.axes
    before = image.images[0].get_array()
    figure.canvas.draw()
    x, y = plane.transData.transform((2.5, -1.5))
    figure.canvas.callbacks.process("motion_notify_event",
                                    matplotlib.backend_bases.MouseEvent(
                                        "motion_notify_event", figure.canvas,
                                        x, y))
    assert "z = (2.50, -1.50)" in image.get_title()
    z = np.array([[2.5, -1.5]], "float32")
    np.testing.assert_allclose(image.images[0].get_array(),
                               vae.decode(z, True)[0, ..., 0], 1e-4)
    assert (image.images[0].get_array() != before).any()


@pytest.mark.parametrize("D", [1, 16])
def test_the_window_of_one_number_and_of_many(monkeypatch, D):
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "a window")
    vae, data = conv_vae((8, 8, 1), D, filters=2, rng=0), dataset((8, 8, 1))
    data = data._replace(class_names=("$a$", "_b", "c" * 99))
    figure = window.open_window(vae, "$x_1", data)
    plane, image = figure.axes
    figure.canvas.draw()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        r"\$a\$", " _b", "c" * 21 + "..."]
    mu, _ = vae.encode(vae.asarray(data.test_images))
    dots = plane.collections[0].get_offsets()
    np.testing.assert_allclose(sorted(dots[:, 0]), sorted(mu[:, 0]), 1e-4)
    if D == 1:            # each class in a row of its own, the first on top
        reach = plane.get_ylim()[1]
        np.testing.assert_allclose(np.unique(dots[:, 1]), [
            -2 / 3 * reach, 0, 2 / 3 * reach], atol=1e-9)
        assert len(plane.get_yticks()) == 0
    x, y = plane.transData.transform((2.5, -1.5))
    figure.canvas.callbacks.process("motion_notify_event",
                                    matplotlib.backend_bases.MouseEvent(
                                        "motion_notify_event", figure.canvas,
                                        x, y))
    z = np.zeros((1, D), "float32")
    z[0, :2] = [2.5, -1.5][:D]
    np.testing.assert_allclose(image.images[0].get_array(),
                               vae.decode(z, True)[0, ..., 0], 1e-4)
    title, height = ("z = (2.50), decoded", 0) if D == 1 else (
        "z = (2.50, -1.50), decoded", -1.5)
    assert image.get_title() == title
    np.testing.assert_allclose(plane.lines[0].get_xydata(), [[2.5, height]])


def test_the_windows_plane_is_the_right_way_up(monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "a window")
    ink = np.array([[[[0], [1]], [[0], [1]]]] * 3, bool)      # z = (1, 1)
    data = dataset((2, 2, 1))._replace(
        test_images=ink, test_labels=np.arange(3, dtype="u1"))
    plane, _ = window.open_window(compass(), "x", data).axes
    assert (plane.get_xlim(), plane.get_ylim()) == ((-3, 3), (-3, 3))
    assert plane.collections[0].get_offsets().tolist() == [[1, 1]] * 3
    landscape, = plane.images
    assert landscape.origin == "upper"
    assert landscape.get_extent() == [-3, 3, -3, 3]
    corners = landscape.get_array().reshape(20, 2, 20, 2)[::19, :, ::19]
    assert corners.round().swapaxes(1, 2).tolist() == [
        [[[1, 0], [0, 1]], [[0, 1], [0, 1]]],         # above: z[1] > 0
        [[[1, 0], [1, 0]], [[0, 1], [1, 0]]]]         # below


def test_without_a_screen_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "agg")
    with pytest.raises(RuntimeError, match="matplotlib has no window here"):
        window.open_window(conv_vae((8, 8, 1), filters=2), "x")


# ---- in a browser ----------------------------------------------------------

webdriver = pytest.importorskip("selenium.webdriver",
                                reason="pip install selenium")
in_a_browser = pytest.mark.skipif(not (CHROME and DRIVER), reason=(
    "there is no browser: Debian's chromium and chromium-driver"))


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROME
    for argument in ("headless=new", "no-sandbox", "disable-gpu",
                     "disable-quic", "no-first-run", "disable-sync",
                     "disable-background-networking",
                     "disable-component-update", "window-size=1280,900"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL",
                                                 "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, tmp_path):
    """Open the page of a VAE; afterwards nothing must have gone wrong."""
    def open_page(vae, data=None, frames=(), title="a test", relatives={}):
        path = tmp_path / "a.html"
        write_page(path, vae, title, data, frames, relatives)
        browser.get(path.as_uri())
        return browser
    yield open_page
    assert browser.get_log("browser") == []
    requests = [json.loads(entry["message"])["message"]
                for entry in browser.get_log("performance")]
    addresses = [request["params"]["request"]["url"] for request in requests
                 if request["method"] == "Network.requestWillBeSent"]
    assert addresses
    assert all(a.startswith(("file:", "data:")) for a in addresses)


def wait_until(condition):
    """Wait until condition() holds: a busy machine may take its time."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def image_of(browser, id="image"):
    return browser.execute_script(
        f"return document.getElementById('{id}').toDataURL()")


LOADED = "return points.sheet.complete"


def pixels_of(browser, id):
    """Return what is on a canvas: (rows, columns, RGBA)."""
    high, wide, found = browser.execute_script("""
        const from = document.getElementById(arguments[0]);
        const copy = document.createElement("canvas");
        copy.width = from.width;
        copy.height = from.height;
        const brush = copy.getContext("2d", { willReadFrequently: true });
        brush.drawImage(from, 0, 0);
        const { width, height, data } = brush.getImageData(
          0, 0, copy.width, copy.height);
        return [height, width, Array.from(data)];""", id)
    return np.reshape(found, (high, wide, 4))


def assert_shown(browser, id, image, paper=(255,) * 3, ink=(17,) * 3):
    """A canvas must show an image (H, W, C), its ink in the ink's colour."""
    rgb = image * 255 if image.shape[-1] == 3 else (
        np.array(paper) + (np.array(ink) - np.array(paper)) * image)
    found = pixels_of(browser, id)
    np.testing.assert_allclose(found[..., :3], rgb, atol=0.51)
    assert (found[..., 3] == 255).all()


def painted(browser):
    """Return all that drawPlane does: [what, ink, alpha, arguments], ..."""
    return browser.execute_script("""
        const calls = [], names = ["fillRect", "drawImage", "arc", "moveTo",
          "lineTo", "ellipse", "fillText", "beginPath", "stroke", "fill"];
        for (const name of names) {
          const really = paint[name];
          paint[name] = (...what) => {
            calls.push([name, paint.fillStyle, paint.globalAlpha, what.map(
              (w) => w === background ? "background" : w === dots ? "dots"
                : w)]);
            really.apply(paint, what);
          };
        }
        drawPlane();
        for (const name of names) delete paint[name];
        return calls;""")


def four_numbers():
    """A VAE of oblong images whose codes, four numbers each, lie apart."""
    vae = conv_vae((8, 12, 1), 4, filters=2, rng=0)
    for name, p in vae.params.items():
        p *= 2 + name.startswith("encoder")
    vae.params["encoder.5.b"][4:] = [-1, -2, -3, 0]        # log-variances
    return vae


def z_of(browser):
    return browser.execute_script("return Array.from(state.z)")


def keys(browser, *pressed):
    from selenium.webdriver.common.keys import Keys
    plane = browser.find_element("id", "plane")
    plane.send_keys(*(getattr(Keys, key, key) for key in pressed))


def oblong_windows():
    """A VAE whose decoder has everything different along the two axes."""
    vae = conv_vae((8, 12, 1), 3, filters=2, rng=1)
    vae.decoder = Sequential([
        Dense(3, 4 * 4 * 2, rng=2), Reshape((4, 4, 2)), Conv2DTranspose(
            2, 1, (4, 5), strides=(2, 3), padding="same", rng=3)])
    return vae


@in_a_browser
@pytest.mark.parametrize("vae", [
    load_pretrained("fashion"), load_pretrained("mnist"),
    conv_vae((8, 12, 3), 5, filters=3, rng=1), oblong_windows()],
    ids="clothes digits rgb oblong".split())
def test_javascript_decodes_as_python_does(page, vae):
    z = np.random.default_rng(0).standard_normal((50, vae.latent_dim))
    decoded = page(vae).execute_script(
        "return arguments[0].map((z) => Array.from(decoder.decode(z)))",
        z.tolist())
    want = vae.decode(z.astype("float32"), apply_sigmoid=True)
    np.testing.assert_allclose(np.reshape(decoded, want.shape), want, rtol=0,
                               atol=1e-5)
    assert want.std() > 1e-3


@in_a_browser
def test_decoding_is_quick(page):
    browser = page(load_pretrained("fashion"))
    # beside a plain loop of as many multiplications and additions as the
    # decoder's, so that a slow or busy machine is slow in both
    decoding, plain = browser.execute_script("""
        const a = new Float32Array(4096).fill(0.5);
        function multiplyAndAdd() {
          let sum = 0;
          for (let i = 0; i < 4800000; i += 1)
            sum += a[i & 4095] * a[(i + 7) & 4095];
          return sum;
        }
        const least = [Infinity, Infinity];
        for (let turn = 0; turn < 51; turn += 1) {
          [() => decoder.decode([normal(), normal()]), multiplyAndAdd].forEach(
            (work, which) => {
              const start = performance.now();
              work();
              const time = performance.now() - start;
              least[which] = Math.min(least[which], time);
            });
        }
        return least;""")
    assert decoding < 2 * plain, (decoding, plain)


@in_a_browser
def test_the_pointer_decodes_where_it_is(page):
    from selenium.webdriver.common.action_chains import ActionChains
    browser = page(four_numbers(), dataset((8, 12, 1)))
    before, plane = image_of(browser), browser.find_element("id", "plane")
    ActionChains(browser).move_to_element_with_offset(      # right and up
        plane, plane.size["width"] // 4, -plane.size["height"] // 8).perform()
    wait_until(lambda: image_of(browser) != before)
    reach = browser.execute_script("return REACH")
    assert z_of(browser) == pytest.approx([reach / 2, reach / 4, 0, 0],
                                          abs=0.05)
    assert browser.find_element("id", "z").text.startswith("(")
    ActionChains(browser).move_to_element_with_offset(     # and on, to 0
        plane, 0, 0).perform()
    wait_until(lambda: np.allclose(z_of(browser), 0, atol=0.05))


@in_a_browser
def test_a_click_takes_the_test_image_under_it(page):
    from selenium.webdriver.common.action_chains import ActionChains
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    for p in vae.params.values():
        p *= 3                                   # so that the codes lie apart
    data = dataset((8, 8, 1))
    browser = page(vae, data)
    wait_until(lambda: browser.execute_script(LOADED))
    x, y = browser.execute_script("""
        const mu = mean(7), box = plane.getBoundingClientRect();
        return [toX(mu[0]), toY(mu[1])].map((v) =>
          (v / plane.width - 0.5) * box.width);""")
    ActionChains(browser).move_to_element_with_offset(
        browser.find_element("id", "plane"), round(x), round(y)).click(
        ).perform()
    chosen = browser.execute_script("return state.chosen")
    assert chosen >= 0
    shown = browser.execute_script(
        "return Array.from(cutOut(points, arguments[0]))", chosen)
    np.testing.assert_array_equal(np.reshape(shown, (8, 8, 1)),
                                  data.test_images[chosen])
    assert browser.find_element("id", "input-name").text == data.class_names[
        chosen % 3]
    # the noise: z = mu + amount·sigma·eps
    mu, logvar = vae.encode(vae.asarray(data.test_images[chosen][None]))
    eps = browser.execute_script("""
        document.getElementById("eps").value = 2;
        document.getElementById("eps").dispatchEvent(new Event("input"));
        return Array.from(state.eps)""")
    np.testing.assert_allclose(z_of(browser), mu[0] + 2 * np.exp(
        logvar[0] / 2) * eps, 1e-4)
    sample = image_of(browser, "sample")
    browser.find_element("id", "draw").click()
    assert image_of(browser, "sample") != sample


# of the cell in each corner, which of the four pixels have ink
CORNERS = """
    const copy = document.createElement("canvas"), size = plane.width / 24;
    copy.width = copy.height = plane.width;
    const brush = copy.getContext("2d", { willReadFrequently: true });
    brush.drawImage(background, 0, 0);
    const dark = (row, column) => {
      const [r, , , painted] = brush.getImageData(
        column * size, row * size, 1, 1).data;
      return painted ? Number(r < 128) : null;
    };
    return [0, 23].map((row) => [0, 23].map((column) =>
      [0.1, 0.9].map((down) => [0.1, 0.9].map((across) =>
        dark(row + down, column + across)))));"""


@in_a_browser
def test_the_plane_is_the_right_way_up(page):
    ink = np.array([[[[0], [1]], [[0], [0]]], [[[0], [0]], [[0], [1]]]] * 2,
                   bool)                       # codes right of 0, and above
    vae = compass()                            # the page wants a convolution
    vae.decoder.layers.append(Conv2DTranspose(1, 1, 1))
    vae.decoder.layers[-1].params["w"][...] = 1
    browser = page(vae, dataset((2, 2, 1))._replace(
        test_images=ink, test_labels=np.arange(4, dtype="u1") % 2))
    wait_until(lambda: browser.execute_script(LOADED))
    (x, y), right, up = browser.execute_script("""
        return [placeOf([0, 0]), pointOf(0), pointOf(1)]""")
    assert right[0] > x and right[1] == pytest.approx(y)
    assert up[1] < y and up[0] == pytest.approx(x)   # rows go down a canvas

    wait_until(lambda: None not in np.array(browser.execute_script(CORNERS)))
    assert browser.execute_script(CORNERS) == [
        [[[1, 0], [0, 1]], [[0, 1], [0, 1]]],          # above: z[1] > 0
        [[[1, 0], [1, 0]], [[0, 1], [1, 0]]]]          # below

    ticks = browser.execute_script("""
        const written = [], fillText = paint.fillText;
        paint.fillText = (...what) => written.push(what);
        drawAxes();
        paint.fillText = fillText;
        return written.map(([text, x, y]) =>
          [text, x / plane.width, y / plane.height]);""")
    heights = {text: y for text, x, y in ticks if x < 0.02}    # on the left
    assert heights["z[1]"] < heights["2"] < heights["0"] < heights["−2"]
    places = {text: x for text, x, y in ticks if y > 0.98}     # below
    assert places["−2"] < places["0"] < places["2"] < places["z[0]"]


@in_a_browser
def test_the_plane_is_painted_from_its_parts(page, screen):
    vae, data = four_numbers(), dataset((8, 12, 1))
    vae.encoder.layers[-1].params["w"][...] *= 0.34     # ticks are 2 apart
    browser = page(vae, data)
    wait_until(lambda: browser.execute_script(LOADED))
    screen(1280, 900, 2, "light")                # two pixels to a CSS pixel
    wait_until(lambda: browser.execute_script("return unit") == 2)
    mu, logvar = vae.encode(vae.asarray(data.test_images))
    sizes = np.sort(abs(mu), axis=None)
    reach, width, unit = browser.execute_script(
        "return [REACH, plane.width, unit]")
    assert reach == pytest.approx(1.05 * sizes[int(0.995 * 520)], rel=1e-5)
    assert 6 < reach < 7

    def place(z):
        return [(1 + z[..., 0] / reach) / 2 * width,
                (1 - z[..., 1] / reach) / 2 * width]
    check_first(painted(browser), place, width)

    a, b = np.array([[1.0, 1, 0, 0.5], [-1, 2, 1, 0]])
    browser.execute_script("""
        choose(7);
        setEnd("a", Float64Array.from(arguments[0]));
        setEnd("b", Float64Array.from(arguments[1]));
        moveTo([0.5, -1, 0, 2]);""", a.tolist(), b.tolist())
    calls = painted(browser)

    def of(name):
        return [what for called, *_, what in calls if called == name]
    ellipse, = of("ellipse")                           # one sigma around mu
    np.testing.assert_allclose(ellipse, [
        *place(mu[7]), *np.exp(logvar[7, :2] / 2) * width / (2 * reach), 0, 0,
        2 * math.pi], 1e-4)
    check_marks(of, place, a, b, unit)
    check_lines(calls)
    images = [vae.decode(z[None].astype("f4"), True)[0]
              for z in np.linspace(a, b, 12)]
    assert_shown(browser, "strip", np.concatenate(images, axis=1))


@in_a_browser
def test_boxes_say_what_the_plane_shows(page):
    browser = page(four_numbers(), dataset((8, 12, 1)))
    wait_until(lambda: browser.execute_script(LOADED))
    # in one go: the landscape, too, is painted anew now and then
    click = """
        let paintings = 0;
        paint.fillRect = () => { paintings++; };
        document.getElementById(arguments[0]).click();
        delete paint.fillRect;
        return paintings;"""
    for box, left in ("show-points", [[1, "background", 0, 0]]), (
            "landscape", []):
        assert browser.execute_script(click, box) > 0
        assert [[alpha, *what] for name, _, alpha, what in painted(browser)
                if name == "drawImage"] == left


def check_first(calls, place, width):
    """Before anything is chosen: landscape, dots and axes."""
    assert calls[0] == ["fillRect", "#ffffff", 1, [0, 0, width, width]]
    assert [[alpha, *what] for name, _, alpha, what in calls
            if name == "drawImage"] == [
        [0.4, "background", 0, 0], [1, "dots", 0, 0]]
    assert "ellipse" not in [name for name, *_ in calls]
    check_ticks(calls, place, width)


def check_lines(calls):
    """Each path that is begun must be drawn."""
    lines = " ".join(name for name, *_ in calls
                     if name in ("beginPath", "stroke", "fill"))
    assert "beginPath beginPath" not in lines
    assert not lines.endswith("beginPath")


def check_ticks(calls, place, width):
    """Of a plane that reaches beyond 6: ticks at even numbers."""
    ticks = {what[0]: what[1:] for name, *_, what in calls
             if name == "fillText"}
    at = [place(np.array([z, z])) for z in (-4, -2, 0, 2, 4)]
    labels = "−4", "−2", "0", "2", "4"
    assert list(ticks) == [*labels, "z[0]", "z[1]"]
    for label, (_, y) in zip(labels, at):    # the later ones, on the left
        assert ticks[label] == pytest.approx([10, y + 8])
    below = [what for name, *_, what in calls if name == "fillText"][:-2:2]
    assert below == [[label, pytest.approx(x - 8), width - 12]
                     for label, (x, _) in zip(labels, at)]
    assert ticks["z[0]"] == [width - 68, width - 12]
    assert ticks["z[1]"] == [10, 32]


def check_marks(of, place, a, b, unit):
    """The way from a to b, its ends and letters, and a cross at the code."""
    *way, right, down = of("lineTo")
    np.testing.assert_allclose(way, np.transpose(place(np.linspace(a, b, 61))))
    here = place(np.array([0.5, -1]))
    for [x, y], along in (right, [1, 0]), (down, [0, 1]):
        np.testing.assert_allclose([x, y], here + 13 * unit * np.array(along))
    np.testing.assert_allclose(of("moveTo"), [
        here + 13 * unit * np.array([-1, 0]),
        here + 13 * unit * np.array([0, -1])])
    np.testing.assert_allclose(of("arc"), [
        [*place(z), size * unit, 0, 2 * math.pi]
        for z, size in ((a, 10), (b, 10), (np.array([0.5, -1]), 8))])
    letters = {text: at for text, *at in of("fillText") if text in ("A", "B")}
    for letter, z in ("A", a), ("B", b):
        assert np.hypot(*np.subtract(letters[letter], place(z))) < 10 * unit


@in_a_browser
def test_a_dot_has_the_colour_of_its_class(page):
    vae, data = four_numbers(), dataset((8, 12, 1))
    browser = page(vae, data)
    wait_until(lambda: browser.execute_script(LOADED))
    found = browser.execute_script("""
        const copy = document.createElement("canvas");
        copy.width = copy.height = dots.width;
        const brush = copy.getContext("2d", { willReadFrequently: true });
        brush.drawImage(dots, 0, 0);
        return Array.from({ length: points.count }, (_, i) =>
          Array.from(brush.getImageData(...pointOf(i), 1, 1).data));""")
    want = [colour(c) for c in data.test_labels]
    inside = np.array([alpha == 191 for *_, alpha in found])   # by itself
    assert inside.mean() > 0.5
    np.testing.assert_allclose(np.array(found)[inside, :3], 255 * np.array(
        want)[inside], atol=2)
    middles = browser.execute_script("""
        const found = [], really = CanvasRenderingContext2D.prototype.fillRect;
        CanvasRenderingContext2D.prototype.fillRect =
          (x, y, wide, high) => found.push([x + wide / 2, y + high / 2]);
        paintDots();
        CanvasRenderingContext2D.prototype.fillRect = really;
        const places = Array.from({ length: points.count },
                                  (_, i) => pointOf(i));
        return [found, places];""")
    np.testing.assert_allclose(*middles)


def text(browser, id):
    return browser.find_element("id", id).text


def decoded(vae, z):
    return vae.decode(np.array([z], "f4"), True)[0]


@in_a_browser
def test_the_numbers_and_image_of_a_code(page):
    vae = four_numbers()
    browser = page(vae, dataset((8, 12, 1)))
    wait_until(lambda: browser.execute_script(LOADED))
    z = [0.5, -1.0, 0.0, 2.0]
    browser.execute_script("moveTo(arguments[0])", z)
    assert text(browser, "z") == "(0.50, −1.00, 0.00, 2.00)"
    nats = norm.logpdf(z).sum()
    assert text(browser, "density") == (
        f"{math.exp(nats):.3g}, or −{-nats:.2f} nats")
    browser.execute_script("""           // the median of the last thirty
        times = [...Array(20).fill(1), ...Array(8).fill(2),
                 ...Array(11).fill(3)];
        draw();""")
    assert text(browser, "time") == "2.0 ms"
    drawn, whole = browser.execute_script("""
        const start = performance.now();
        draw();
        return [times.at(-1), performance.now() - start];""")
    assert 0 <= drawn <= whole
    assert_shown(browser, "image", decoded(vae, z))
    assert [float(slider.get_attribute("value")) for slider in
            browser.find_elements("css selector", "#sliders input")] == (
        pytest.approx(z, abs=0.026))                     # their step is 0.05


@in_a_browser
def test_the_numbers_and_images_of_a_chosen_image(page):
    vae, data = four_numbers(), dataset((8, 12, 1))
    browser = page(vae, data)
    wait_until(lambda: browser.execute_script(LOADED))
    assert not browser.find_element("id", "point").is_displayed()
    chosen = 100                              # in the sheet's third row
    browser.execute_script("choose(arguments[0])", chosen)
    assert browser.find_element("id", "point").is_displayed()
    assert browser.find_element("id", "noise").is_displayed()
    assert not browser.find_element("id", "no-point").is_displayed()
    assert text(browser, "input-name") == data.class_names[chosen % 3]
    (mu,), (logvar,) = vae.encode(vae.asarray(data.test_images[[chosen]]))
    eps = np.array(browser.execute_script("return Array.from(state.eps)"))
    sigma = np.exp(logvar / 2)
    np.testing.assert_allclose(z_of(browser), mu + sigma * eps, 1e-4)
    assert_shown(browser, "input", data.test_images[chosen])
    assert_shown(browser, "reconstruction", decoded(vae, mu))
    assert_shown(browser, "sample", decoded(vae, z_of(browser)))
    assert_shown(browser, "image", decoded(vae, z_of(browser)))
    assert text(browser, "amount") == "1.00"
    said = [[float(n.replace("−", "-")) for n in
             re.findall(r"−?\d+\.\d\d", part)]
            for part in text(browser, "formula").split(";")]
    np.testing.assert_allclose(said, np.transpose([
        z_of(browser), mu, np.ones(4), sigma, eps])[:2], atol=0.0051)


@in_a_browser
def test_epsilon_is_drawn_from_a_normal(page):
    browser = page(conv_vae((8, 8, 1), filters=2, rng=0))
    draws = np.array(browser.execute_script(
        "return Array.from({ length: 10000 }, normal)"))
    # five standard errors of the mean, of the variance, of a share
    assert abs(draws.mean()) < 5 / 100
    assert abs(draws.var() - 1) < 5 * math.sqrt(2) / 100
    for z in -2, -1, 1, 2:
        assert abs((draws < z).mean() - norm.cdf(z)) < 5 * 0.5 / 100


@in_a_browser
def test_a_point_is_taken_from_near_and_only_if_its_class_is_shown(page):
    browser = page(four_numbers(), dataset((8, 12, 1)))
    wait_until(lambda: browser.execute_script(LOADED))
    taken = browser.execute_script("""
        const lonely = Array.from({ length: points.count }, (_, i) => i).find(
          (i) => {
            const [x, y] = pointOf(i);
            return Array.from({ length: points.count }, (_, k) => pointOf(k))
              .every(([a, b], k) => k === i
                     || Math.hypot(a - x, b - y) > 40 * unit); });
        const [x, y] = pointOf(lonely), at = (right, up) => nearestPoint(
          x + right * unit, y - up * unit) === lonely;
        const found = [at(13.9, 0), at(0, -13), at(-9, 9), at(14.1, 0),
                       at(0, 15), at(-11, 11)];
        state.shown.delete(points.labels[lonely]);
        return [...found, at(0, 0)];""")
    assert taken == [True, True, True, False, False, False, False]
    chosen = browser.execute_script("""
        return [0, -1].map((found) => {
          nearestPoint = () => found;
          plane.click();
          return state.chosen; });""")
    assert chosen == [0, 0]                     # there is nothing to choose


@in_a_browser
def test_grey_and_colour_come_through_exactly(page):
    vae = conv_vae((8, 12, 3), filters=2, likelihood="continuous", rng=0)
    data = dataset((8, 12, 3), np.uint8)
    browser = page(vae, data)
    wait_until(lambda: browser.execute_script(LOADED))
    shown = browser.execute_script("return Array.from(cutOut(points, 129))")
    np.testing.assert_allclose(np.reshape(shown, (8, 12, 3)),
                               data.test_images[129] / 255, 1e-6)
    frame = browser.find_element("id", "frame")
    assert "ink" not in frame.get_attribute("class").split()
    browser.execute_script("choose(129)")
    assert_shown(browser, "input", data.test_images[129] / 255)


@in_a_browser
def test_the_legend_filters(page):
    vae = load_pretrained("mnist")               # whose codes have clusters,
    vae.decoder = conv_vae(filters=2).decoder    # but whose plane takes long
    browser = page(vae, load_mnist())
    count = """
        const copy = document.createElement("canvas");
        copy.width = copy.height = dots.width;
        const brush = copy.getContext("2d", { willReadFrequently: true });
        brush.drawImage(dots, 0, 0);
        return brush.getImageData(0, 0, dots.width, dots.width).data
          .filter((value, i) => i % 4 === 3 && value > 0).length;"""
    everything = browser.execute_script(count)
    buttons = browser.find_elements("css selector", "#legend button")
    assert [button.text for button in buttons] == list("0123456789")
    for button in buttons[:9]:
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
    assert 0 < browser.execute_script(count) < everything / 4
    buttons[9].click()
    assert browser.execute_script(count) == 0
    buttons[9].click()
    assert browser.execute_script(count) > 0


@in_a_browser
@pytest.mark.parametrize("way", ["straight", "spherical"])
def test_the_way_is_that_of_paths(page, way):
    browser = page(conv_vae((8, 8, 1), filters=2, rng=0))
    browser.find_element("css selector", f"input[value={way}]").click()
    for a, b in (([0.2, 0], [-0.3, 0.4]), ([1, 0], [0, 2]), ([0, 0], [1, 2]),
                 ([2, 1], [-2, -1])):
        got = browser.execute_script("""
            [state.a, state.b] = arguments;
            return [0, 0.25, 0.5, 0.75, 1].map(onTheWay);""", a, b)
        want = getattr(paths, way)(np.array(a), np.array(b), 5)
        np.testing.assert_allclose(got, want, atol=1e-12)


@in_a_browser
def test_draws_of_relatives_are_shown_in_turn(page, screen):
    draws = np.random.default_rng(0).integers(0, 256, (2, 30, 8, 12, 1)) / 255
    browser = page(four_numbers(), relatives={"one": draws[0],
                                              "other": draws[1]})
    wait_until(lambda: browser.execute_script(
        "return data.relatives.every(({ sheet }) => sheet.complete)"))
    names = browser.find_elements("css selector", "#relatives p")
    assert [name.text for name in names] == ["one", "other"]
    browser.execute_script("data.relatives.forEach(({ strip }, i) => {"
                           "strip.id = `strip-${i}`; })")
    chosen, colours = np.arange(12), {}
    for _ in range(4):                       # the last of them begin anew
        for i, images in enumerate(draws):
            assert_shown(browser, f"strip-{i}", np.concatenate(
                images[chosen], axis=1), **colours)
        chosen = (chosen + 12) % 30
        browser.find_element("id", "draw-others").click()
    screen(1280, 900, 1, "dark")
    wait_until(lambda: browser.execute_script("return paper[0] < 128"))
    assert_shown(browser, "strip-1", np.concatenate(
        draws[1, chosen], axis=1), (26, 27, 30), (242, 242, 238))


@in_a_browser
def test_the_path_plays(page):
    browser = page(conv_vae((8, 8, 1), filters=2, rng=0))
    keys(browser, "ARROW_RIGHT", "ARROW_RIGHT", "a", "HOME")
    keys(browser, *["ARROW_UP"] * 4, *["ARROW_LEFT"] * 3)
    browser.find_element("id", "set-b").click()
    browser.find_element("css selector", "input[value=spherical]").click()
    a, b = (np.array(browser.execute_script(f"return Array.from(state.{end})"))
            for end in "ab")
    assert a == pytest.approx([0.2, 0]) and b == pytest.approx([-0.3, 0.4])
    # three seconds from A to B, and as many back
    at = """
        const start = performance.now(), really = requestAnimationFrame;
        let step;
        window.requestAnimationFrame = (work) => { step = work; return 1; };
        play();
        const seen = arguments[0].map((seconds) => {
          step(start + 1000 * seconds + 1);
          return Array.from(state.z); });
        play();
        window.requestAnimationFrame = really;
        return seen;"""
    seconds = [0, 0.75, 1.5, 3, 4.5, 5.25, 6, 6.75]
    np.testing.assert_allclose(
        browser.execute_script(at, seconds),
        paths.spherical(a, b, 5)[[0, 1, 2, 4, 2, 1, 0, 1]], atol=0.01)

    play = browser.find_element("id", "play")
    play.click()
    assert play.text == "Stop" and play.get_attribute("aria-pressed") == "true"
    seen = {tuple(z_of(browser))}
    wait_until(lambda: seen.add(tuple(z_of(browser))) or len(seen) > 2)
    play.click()
    stopped = z_of(browser)
    time.sleep(0.2)
    assert z_of(browser) == stopped and play.text == "Play"


@in_a_browser
def test_keys_move_and_hide(page):
    browser = page(conv_vae((8, 8, 1), filters=2, rng=0))
    keys(browser, "ARROW_RIGHT", "ARROW_UP")
    assert z_of(browser) == pytest.approx([0.1, 0.1])
    keys(browser, "ARROW_LEFT", "ARROW_LEFT", "ARROW_DOWN", "ARROW_DOWN")
    assert z_of(browser) == pytest.approx([-0.1, -0.1])
    before = image_of(browser)
    keys(browser, "HOME")
    assert z_of(browser) == [0, 0] and image_of(browser) != before
    keys(browser, *["ARROW_LEFT"] * 40, *["ARROW_UP"] * 40)    # to the edge
    assert z_of(browser) == [-3, 3]
    browser.execute_script("""
        for (const key of ["ArrowRight", "ArrowDown"]) {
          plane.dispatchEvent(new KeyboardEvent("keydown", {
            key, shiftKey: true }));
        }""")
    assert z_of(browser) == pytest.approx([-2.5, 2.5])
    box = browser.find_element("id", "landscape")
    keys(browser, "l", "a", "p")
    assert not box.is_selected()
    ends = browser.execute_script("return [...state.a, ...state.b]")
    assert ends == pytest.approx([-2.5, 2.5, 2.5, -2.5])
    keys(browser, "p")
    assert browser.execute_script("return state.playing") is None
    taken = browser.execute_script("""
        return ["Home", "Tab"].map((key) => !plane.dispatchEvent(
          new KeyboardEvent("keydown", { key, cancelable: true })));""")
    assert taken == [True, False]              # Tab still leaves the plane
    assert browser.switch_to.active_element == browser.find_element(
        "id", "plane")


@in_a_browser
def test_more_numbers_get_sliders_and_axes(page):
    browser = page(conv_vae((8, 8, 1), 3, filters=2, rng=0),
                   dataset((8, 8, 1)))
    sliders = browser.find_elements("css selector", "#sliders input")
    assert len(sliders) == 3
    for id, chosen in ("across", 0), ("up", 1):
        options = browser.find_elements("css selector", f"#{id} option")
        assert [option.text for option in options] == ["z[0]", "z[1]", "z[2]"]
        assert [option.is_selected() for option in options] == [
            k == chosen for k in range(3)]
    browser.execute_script("arguments[0].value = 2; arguments[0].dispatchEvent"
                           "(new Event('input'))", sliders[2])
    assert z_of(browser) == [0, 0, 2]
    browser.execute_script("""
        window.before = dots.toDataURL();
        document.getElementById("across").value = 2;
        document.getElementById("across").dispatchEvent(new Event("change"))
        """)
    assert browser.execute_script("return dots.toDataURL() !== before")
    assert browser.execute_script("""
        const before = job;                  // a landscape is painted anew
        arguments[0].dispatchEvent(new Event("change"));
        return job - before;""", sliders[1]) == 1
    keys(browser, "ARROW_LEFT")
    assert z_of(browser)[2] == pytest.approx(1.9)
    x, _ = browser.execute_script("return placeOf([9, 9, 0])")
    assert x == browser.execute_script("return plane.width / 2")
    texts = [what[0] for name, *_, what in painted(browser)
             if name == "fillText"]
    assert {"z[2]", "z[1]"} < set(texts) and "z[0]" not in texts
    assert "3 numbers" in browser.find_element("css selector", "header").text


@in_a_browser
def test_the_timeline_shows_the_frames(page):
    frames = [Frame(f"after {i}", np.full((60, 60), 80 * i, "uint8"))
              for i in range(3)]
    browser = page(conv_vae((8, 8, 1), filters=2), None, frames)
    title = browser.find_element("id", "frame-title")
    assert title.text == "after 2"
    source = browser.find_element("id", "frame").get_attribute("src")
    browser.execute_script("""
        const slider = document.getElementById("timeline");
        slider.value = 0;
        slider.dispatchEvent(new Event("input"));""")
    assert title.text == "after 0"
    frame, play = (browser.find_element("id", id)
                   for id in ("frame", "play-time"))
    assert frame.get_attribute("src") != source
    assert frame.get_attribute("alt") == "The landscape, after 0"
    assert "ink" in frame.get_attribute("class").split()   # light in the dark
    assert browser.find_element("id", "timeline").get_attribute("max") == "2"
    browser.execute_script("""                 // each frame, as it is shown
        window.seen = [];
        new MutationObserver(([{ target }]) => seen.push(target.textContent))
          .observe(document.getElementById("frame-title"),
                   { childList: true });""")
    play.click()
    assert play.text == "Stop"
    wait_until(lambda: len(browser.execute_script("return seen")) > 3)
    play.click()
    assert play.text == "Play"
    seen = browser.execute_script("return seen")
    assert seen[:4] == ["after 1", "after 2", "after 0", "after 1"]
    time.sleep(0.6)
    assert browser.execute_script("return seen") == seen


@pytest.fixture
def screen(browser):
    """Let the browser have a screen of some size, density and scheme."""
    def emulate(width, height, density, scheme):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": density,
            "mobile": width < 600})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": scheme}]})
        now = """return [innerWidth, innerHeight, devicePixelRatio,
            matchMedia("(prefers-color-scheme: dark)").matches]"""
        wait_until(lambda: browser.execute_script(now) == [
            width, height, density, scheme == "dark"])
        # Size and density come one after the other, the event between them
        browser.execute_script("dispatchEvent(new Event('resize'))")
    yield emulate
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@in_a_browser
@pytest.mark.parametrize("width, height", [(1280, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_follows_the_screen(page, screen, width, height, scheme):
    browser = page(load_pretrained("fashion"))
    screen(width, height, 2, scheme)
    wait_until(lambda: browser.execute_script(
        "return [paper[0] < 128, plane.width / plane.clientWidth]") == [
            scheme == "dark", 2])

    def fits():                        # the image, beside or below the plane
        wide, seen = browser.execute_script("""
            const box = document.getElementById("image");
            return [document.documentElement.scrollWidth,
                    box.getBoundingClientRect().bottom]""")
        return wide <= width and seen <= height
    wait_until(fits)


@in_a_browser
def test_ink_is_light_on_a_dark_screen(page, screen):
    vae, data = four_numbers(), dataset((8, 12, 1))
    browser = page(vae, data)
    wait_until(lambda: browser.execute_script(LOADED))
    browser.execute_script("""
        choose(0);
        setEnd("a", new Float64Array(4));
        setEnd("b", new Float64Array(4));
        moveTo([0, 0, 1, 2]);""")
    screen(1280, 900, 1, "dark")
    wait_until(lambda: browser.execute_script("return paper[0] < 128"))
    colours = (26, 27, 30), (242, 242, 238)                  # page.css
    assert z_of(browser) == [0, 0, 1, 2]           # it stays where it was
    z = np.array([z_of(browser), [0] * 4], "f4")
    mu, _ = vae.encode(vae.asarray(data.test_images[:1]))
    image, middle = vae.decode(z, True)
    for id, want in (("input", data.test_images[0]), ("image", image),
                     ("reconstruction", vae.decode(mu, True)[0]),
                     ("strip", np.concatenate([middle] * 12, axis=1))):
        assert_shown(browser, id, want, *colours)
    # and so is the landscape: its first cell's first pixel
    reach, first = browser.execute_script("return [REACH, fromX(plane.width "
                                          "/ CELLS / 2)]")
    assert first == pytest.approx(-reach * 23 / 24)
    z[0, :2] = first, -first
    p = vae.decode(z[:1], True)[0, 0, 0]
    want = colours[0] + p * np.subtract(colours[1], colours[0])
    corner = """
        const copy = document.createElement("canvas");
        copy.width = copy.height = 1;
        const brush = copy.getContext("2d", { willReadFrequently: true });
        brush.drawImage(background, 0, 0);
        return Array.from(brush.getImageData(0, 0, 1, 1).data).slice(0, 3);"""
    wait_until(lambda: browser.execute_script(corner) == pytest.approx(
        want, abs=2))


@in_a_browser
def test_the_python_beside_it_can_be_read(page):
    browser = page(conv_vae((8, 8, 1), filters=2))
    details = browser.find_elements("css selector", "#python details")
    for found, want in zip(details, explorer.python_sources(), strict=True):
        head, code = (found.find_element("css selector", tag).get_attribute(
            "textContent") for tag in ("summary", "pre"))
        assert head == f"{want['name']}: {want['file']}, line {want['line']}"
        assert code == want["source"]
        source = (explorer.PACKAGE / want["file"]).read_text(encoding="utf-8")
        assert source.splitlines()[want["line"] - 1].strip().startswith(
            f"def {want['name'].split('.')[-1]}(")


@in_a_browser
def test_without_images_their_card_is_hidden(page):
    browser = page(conv_vae((8, 8, 1), filters=2))
    for id in ("point-card", "show-points", "timeline-card",
               "relatives-card"):
        assert not browser.find_element("id", id).is_displayed()
    assert browser.execute_script("return REACH") == 3
    assert [what for name, _, alpha, what in painted(browser)
            if name == "drawImage" and alpha == 1][0] == ["background", 0, 0]


@in_a_browser
@pytest.mark.parametrize("shape, cells", [((20, 100, 1), 24),
                                          ((24, 84, 1), 12)])
def test_of_large_images_there_are_fewer_cells(page, shape, cells):
    browser = page(conv_vae(shape, filters=2))
    assert browser.execute_script("return CELLS") == cells


@in_a_browser
def test_one_number_gives_a_line(page):
    vae = conv_vae((8, 8, 1), 1, filters=2, rng=0)
    browser = page(vae, dataset((8, 8, 1)))
    wait_until(lambda: browser.execute_script(LOADED))
    header = browser.find_element("css selector", "header").text
    assert "latent line" in header and "a code, one number, " in header
    assert not browser.find_element("id", "across").is_displayed()
    keys(browser, "ARROW_RIGHT", "ARROW_RIGHT", "ARROW_DOWN")
    assert z_of(browser) == pytest.approx([0.2])
    assert browser.find_element("id", "z").text == "(0.20)"
    wide, high = browser.execute_script("return [plane.width, plane.height]")
    assert wide == pytest.approx(2 * high, abs=2)
    # a row for each class, in which a click finds its images
    rows = {browser.execute_script(f"return pointOf({i})[1] / plane.height")
            for i in range(6)}
    assert sorted(rows) == pytest.approx([1 / 6, 3 / 6, 5 / 6], abs=0.01)
    click = """
        const [x, y] = pointOf(arguments[0]);
        const box = plane.getBoundingClientRect();
        plane.dispatchEvent(new MouseEvent("click", {
          clientX: box.left + x / plane.width * box.width,
          clientY: box.top + y / plane.height * box.height }));"""
    browser.execute_script(click, 7)
    assert browser.execute_script("return points.labels[state.chosen]") == 1
    painted = """
        const copy = document.createElement("canvas");
        copy.width = plane.width;
        copy.height = 1;
        const brush = copy.getContext("2d", { willReadFrequently: true });
        brush.drawImage(background, 0, -plane.height / 2);
        return Math.min(...[5, plane.width - 5].map(
          (x) => brush.getImageData(x, 0, 1, 1).data[3]));"""
    wait_until(lambda: browser.execute_script(painted) == 255)
    before = z_of(browser)
    browser.find_element("id", "play").click()
    wait_until(lambda: z_of(browser) != before)


@in_a_browser
def test_any_name_is_shown_as_it_is(page):
    names = ("$x_1$", "_b", "a'\"&amp;<b>", "</script><!--<script>", "\u4e2d",
             "", *(f"n{c}" for c in range(6, 30)), "long " * 40)
    data, title = dataset((8, 8, 1)), "<!--<script>\u4e2d&lt;"
    data = data._replace(class_names=names, test_labels=(
        np.arange(130) % 31).astype("uint8"))
    browser = page(conv_vae((8, 8, 1), filters=2, rng=0), data, title=title)
    wait_until(lambda: browser.execute_script(LOADED))
    assert browser.find_element("id", "title").text == title
    assert [button.get_attribute("textContent").strip() for button in
            browser.find_elements("css selector", "#legend button")] == [
        name.strip() or "(no name)" for name in names]
    colours = browser.execute_script("""
        return [...document.querySelectorAll(".dot")].map((dot) =>
          getComputedStyle(dot).backgroundColor)""")
    assert [list(map(int, re.findall(r"\d+", c))) for c in colours] == [
        (255 * colour(c)).round().tolist() for c in range(31)]
    assert len(set(colours)) == 31
    wide, screen = browser.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= screen


@in_a_browser
def test_all_that_one_can_use_has_a_name(page):
    browser = page(conv_vae((8, 8, 1), filters=2), dataset((8, 8, 1)),
                   [Frame("x", np.zeros((9, 9), "uint8"))])
    nameless = browser.execute_script("""
        return [...document.querySelectorAll("button, input, select, canvas")]
          .filter((e) => !(e.textContent.trim() || e.ariaLabel
                           || e.labels?.[0]?.textContent.trim()))
          .map((e) => e.outerHTML)""")
    assert nameless == []
