"""The shorter demos of the course: what they compute, and what they write."""
import functools
import itertools
import re
from types import SimpleNamespace

import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.special import logsumexp

from minivae import check_layer, conv_vae, gaussian_kl, load_pretrained
from minivae.data import load_fashion_mnist, load_mnist
from minivae.extras.likelihood import log_likelihood
from minivae.losses import bernoulli_logpdf
from minivae.plots import decode, encode, tile
from minivae.train import evaluate

from common import fit
from test_demos import arguments, load
from test_plots import compass, drawn


@pytest.fixture
def small(monkeypatch, tmp_path, capsys):
    """Run a demo on few images and in one process; return what it printed.

    All pictures that it names must be there, and no others. small.fits says
    how it called fit, and what the VAE was.
    """
    monkeypatch.setattr(fit, "cores", lambda: 1)

    def keep(really_fit):
        def fit(vae, images, **settings):
            small_run.fits.append(settings | {
                "latent_dim": vae.latent_dim,
                "first": vae.params["encoder.0.w"].copy()})
            return really_fit(vae, images, **settings)
        return fit

    def few(full):
        data = full()
        return data._replace(
            train_images=data.train_images[:640],
            train_labels=data.train_labels[:640],
            test_images=data.test_images[:small_run.tests],
            test_labels=data.test_labels[:small_run.tests],
            grey_index=data.grey_index % small_run.tests)

    def small_run(demo, pictures, *args):
        for name, full in (("load_mnist", load_mnist),
                           ("load_fashion_mnist", load_fashion_mnist)):
            if hasattr(demo, name):
                monkeypatch.setattr(demo, name, functools.partial(few, full))
        if hasattr(demo, "fit"):
            monkeypatch.setattr(demo, "fit", keep(demo.fit))
        demo.main(arguments(demo, monkeypatch, *args, "--out", tmp_path))
        assert {p.name for p in tmp_path.iterdir()} == set(pictures)
        for name in pictures:
            assert imageio.imread(tmp_path / name, index=0).std() > 5
        printed = capsys.readouterr().out
        assert f"Look at {tmp_path}" in printed
        return printed
    small_run.fits, small_run.tests = [], 400
    return small_run


def first_weights(seed):
    return conv_vae(rng=seed).params["encoder.0.w"]


# ---- autoencoder.py --------------------------------------------------------

def test_autoencoder_compares(small, monkeypatch):
    demo, seen = load("autoencoder.py"), []

    def keep(vae, z):
        seen.append((z, decode(vae, z)))
        return seen[-1][1]
    monkeypatch.setattr(demo, "decode", keep)
    monkeypatch.setattr(demo, "SAMPLES", 300)
    printed = small(demo, [
        f"{data}_{what}.png" for data in ("mnist", "fashion")
        for what in ("planes", "reconstructions")], "--limit", 320, "--seed",
        3)
    assert [(f["noise"], f["beta"], f["seed"]) for f in small.fits] == [
        (False, 0, 3), (True, 1, 3)] * 2
    assert all((f["first"] == first_weights(3)).all() for f in small.fits)
    _, *parts = re.split(r"\n(?:Fashion-)?MNIST  +", printed)
    for part, load_data in zip(parts, (load_mnist, load_fashion_mnist),
                               strict=True):
        check_autoencoder(part, load_data(), seen[:7])
        del seen[:7]
    assert not seen


def check_autoencoder(part, data, looks):
    """Compare what is printed of a data set with all that was decoded.

    looks: (z, decoded) of the autoencoder's codes, of draws, and of the
    fitted normal's; then of the VAE's codes and draws, and of both planes.
    """
    train, test = data.train_images[:320], data.test_images[:400]
    (own, back), (prior, _), (fitted, _), (codes, best), *_ = looks
    want = autoencoders_table(train, test, np.random.default_rng(3))
    for name, i, reconstructed in (
            ("autoencoder", 1, [squares(test, back)]),
            ("VAE", 4, [squares(test, best)]),
            ("autoencoder, a normal fitted to its codes", 2, [])):
        ink = looks[i][1] > 0.5
        want[name] = [*reconstructed, differing(ink, train),
                      differing(test[:300], ink)]
    table, rest = part.split("\nPCA would need")
    rows = {row[:44].strip(): [float(n) for n in row[44:].split()]
            for row in table.splitlines()[2:]}
    assert list(rows) == list(want)
    for name, numbers in want.items():
        assert rows[name] == pytest.approx(numbers, abs=0.06), name
    # of 300 draws, a variance is known to 8 %, a mean to 6 % of a sigma
    np.testing.assert_allclose(np.cov(fitted.T), np.cov(own.T), rtol=0.4,
                               atol=0.1 * own.var())
    np.testing.assert_allclose(fitted.mean(axis=0), own.mean(axis=0),
                               atol=0.25 * own.std())
    np.testing.assert_allclose(np.cov(prior.T), np.eye(2), atol=0.4)
    np.testing.assert_allclose(prior.mean(axis=0), 0, atol=0.25)
    assert re.findall(r"(\d+%) of the [Va]", rest) == [
        f"{(np.linalg.norm(z, axis=1) < 2.45).mean():.0%}"
        for z in (codes, own)]


def squares(images, decoded):
    return ((images - decoded) ** 2).sum(axis=(1, 2, 3)).mean()


def differing(images, others):
    """How many pixels differ from the nearest of others, in the mean."""
    a, b = (i.reshape(len(i), -1).astype("f4") for i in (images, others))
    counts = a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * a @ b.T
    return counts.min(axis=1).mean()


def autoencoders_table(train, test, rng):
    """What the table says of linear maps, from another decomposition."""
    mean = train.reshape(320, 784).mean(axis=0)
    centred = test.reshape(400, 784) - mean
    _, _, pca = np.linalg.svd(train.reshape(320, 784) - mean)
    random, _ = np.linalg.qr(rng.standard_normal((784, 2)))
    found = {"test images themselves": [differing(test[:300], train)]}
    for name, plane in ("random projection", random.T), ("PCA", pca[:2]):
        left = centred - centred @ plane.T @ plane
        found[name] = [(left ** 2).sum(axis=1).mean()]
    return found


def test_autoencoders_planes_are_where_their_codes_are():
    demo, rng = load("autoencoder.py"), np.random.default_rng(0)
    codes = rng.standard_normal((400, 2)) * [1, 3] + [2, -1]
    codes[0] = 1000, 1000                              # one far off is cut
    generated = rng.random((120, 2, 2, 1))
    data = SimpleNamespace(test_labels=np.arange(400) % 2,
                           class_names=("even", "odd"))
    axes = Figure().subplots(1, 3)
    demo.draw_plane(axes, "a name", compass(), codes, data, generated)
    low, high = np.percentile(codes, [0.5, 99.5], axis=0)
    # all of N(0, 1) is in it: right of -3 there is no code
    middle = np.array([(-3 + high[0]) / 2, (low[1] + high[1]) / 2])
    reach = (high[1] - low[1]) / 2
    assert high[1] - low[1] > high[0] + 3 and high[1] > 3
    sides = [middle[0] - reach, middle[0] + reach, middle[1] - reach,
             middle[1] + reach]
    for ax in axes[:2]:
        assert [*ax.get_xlim(), *ax.get_ylim()] == pytest.approx(sides)
        circle = np.hypot(*ax.lines[0].get_data())
        np.testing.assert_allclose(circle, 2.45)
    plane, drawn_ = axes[1].images[0], axes[2].images[0]
    assert plane.get_extent() == pytest.approx(sides)
    np.testing.assert_allclose(plane.get_array(), demo.decode_square(
        compass(), *sides)[..., 0])
    np.testing.assert_array_equal(drawn_.get_array(),
                                  tile(generated[:100], 10)[..., 0])
    assert [ax.get_title() for ax in axes] == [
        "a name: codes of the test images", "the same plane, decoded",
        "drawn from N(0, 1), decoded"]


def test_autoencoders_square_is_the_right_way_up():
    image = load("autoencoder.py").decode_square(compass(), -3, 1, 0, 4, n=4)
    cells = image.reshape(4, 2, 4, 2).swapaxes(1, 2)
    z = [[(x, y) for x in (-2.5, -1.5, -0.5, 0.5)]
         for y in (3.5, 2.5, 1.5, 0.5)]
    want = decode(compass(), np.reshape(z, (16, 2)))
    np.testing.assert_allclose(cells, want.reshape(4, 4, 2, 2))


def test_autoencoders_pca():
    demo = load("autoencoder.py")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (60, 3, 3, 1), bool)
    mean, directions = demo.pca(images)
    errors = [demo.squared_error(images, demo.project(
        images, mean, directions[:k])) for k in range(1, 10)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(0, abs=1e-4)        # all nine: exact
    # the widest: what is left has the variance of all others
    others = np.linalg.eigvalsh(np.cov(demo.flat(images).T, bias=True))[:-1]
    assert errors[0] == pytest.approx(others.sum(), rel=1e-4)
    for k, error in enumerate(errors[:-1], start=1):
        assert demo.components_needed(error * 1.001, images, mean,
                                      directions) == k
        assert demo.components_needed(error * 0.999, images, mean,
                                      directions) == k + 1


# ---- training_on_a_six.py --------------------------------------------------

def test_six_is_followed_through_training(small, monkeypatch):
    demo = load("training_on_a_six.py")
    monkeypatch.setattr(demo, "pull", functools.partial(demo.pull, draws=1))
    printed = small(demo, ["moments.png", "moments.gif"], "--limit", 640,
                    "--seed", 3)
    assert [f["seed"] for f in small.fits] == [3]
    assert (small.fits[0]["first"] == first_weights(3)).all()
    steps = [int(line.split()[0]) for line in printed.splitlines()[2:]
             if re.match(r" +\d", line)]
    assert steps == [0, 1, 2, 3, 4, 5, 6, 8, 11, 14, 18, 20]
    losses = [float(line.split()[3]) for line in printed.splitlines()
              if re.match(r" +(0|20) ", line)]
    assert losses[0] == 543 and losses[1] < 500


def test_six_is_drawn_as_it_is():
    demo, data, vae = load("training_on_a_six.py"), load_mnist(), conv_vae(
        rng=0)
    x, eps = vae.asarray(data.test_images[:3]), vae.noise(3, 1)
    vae.params["encoder.5.b"][2:] = [-1, -2]               # log-variances
    moment = demo.observe(vae, 7, x, eps, [data.test_images[:9]] * 3)
    mu, logvar = vae.encode(x)
    sigma = np.sqrt(np.exp(logvar))
    z = mu + sigma * eps
    np.testing.assert_allclose(moment.sigma, sigma, 1e-5)
    np.testing.assert_allclose(moment.z, z, 1e-5)
    kl, _, _ = gaussian_kl(mu, logvar)
    log_p, _ = bernoulli_logpdf(x, vae.decode(z))
    np.testing.assert_allclose(moment.loss, kl - log_p, 1e-5)
    np.testing.assert_allclose(moment.kl, kl, 1e-5)

    ax = Figure().subplots()
    demo.draw_plane(ax, moment)
    arrows = [text for text in ax.texts if not text.get_text()]
    for i, arrow in enumerate(arrows):
        circle, way, dot, code = (line.get_xydata()
                                  for line in ax.lines[4 * i:4 * i + 4])
        away = ((circle - mu[i]) / sigma[i]) ** 2
        np.testing.assert_allclose(away.sum(axis=1), 1, 1e-4)
        np.testing.assert_allclose(away.max(axis=0), 1, 1e-2)
        np.testing.assert_allclose(dot, mu[i:i + 1], 1e-5)
        np.testing.assert_allclose(code, z[i:i + 1], 1e-5)
        # downhill: the loss falls towards the tip, 0.8 away from mu
        step = np.array(arrow.xy) - mu[i]
        assert arrow.xyann == pytest.approx(mu[i])
        assert step @ moment.pull[i] == pytest.approx(
            0.8 * np.linalg.norm(moment.pull[i]), rel=1e-4)
        check_image(ax, i, way, decode(vae, z)[i], float(kl[i] - log_p[i]))
    assert len(arrows) == 3 and ax.get_title() == "after 7 steps"


def check_image(ax, i, way, decoded, loss):
    """A line leads from a code to its image, which has a name and a loss."""
    image, box = ax.images[i], ax.patches[i]
    np.testing.assert_allclose(image.get_array(), decoded[..., 0], atol=1e-5)
    left, right, low, high = image.get_extent()
    assert image.origin == "upper" and left < right and low < high
    np.testing.assert_allclose(box.get_bbox().extents,
                               [left, low, right, high])
    np.testing.assert_allclose(way, [ax.lines[4 * i + 3].get_xydata()[0],
                                     [(left + right) / 2, (low + high) / 2]])
    text = [text for text in ax.texts if text.get_text()][i]
    assert text.get_text() == f"{('six', 'one', 'zero')[i]}, {loss:.0f} nats"
    assert text.get_position() == pytest.approx((way[1][0], low - 0.05))
    # all in the colour of its digit's codes
    points = ax.collections[i].get_facecolor()[0][:3]
    for colour in (box.get_edgecolor(), text.get_color(),
                   ax.lines[4 * i + 1].get_color()):
        np.testing.assert_allclose(to_rgb(colour), points)


def test_sixes_images_lie_where_nothing_else_does():
    demo = load("training_on_a_six.py")
    rng = np.random.default_rng(0)
    for z in 1.5 * rng.standard_normal((20, 3, 2)):
        found = demo.places(z)
        gaps = abs(found[:, None] - found)[[0, 0, 1], [1, 2, 2]]
        assert (gaps[:, 1] > 2.4).all()         # an image is 2 high
        assert (found[:, 0] - 1 > demo.EDGE).all()
        assert (abs(found[:, 1]) + 1 < demo.EDGE).all()
        straight = np.linalg.norm(z - found, axis=1).sum()
        for other in itertools.permutations(found):
            assert straight <= np.linalg.norm(z - other, axis=1).sum() + 1e-9


def test_sixes_figure_has_what_is_given_and_all_moments(monkeypatch,
                                                        tmp_path):
    demo, seen = load("training_on_a_six.py"), []
    monkeypatch.setattr(demo, "draw_plane",
                        lambda ax, moment: seen.append(moment))
    x = load_mnist().test_images[:3].astype("f4")
    axes = drawn(monkeypatch, demo.save_figure, tmp_path / "a.png",
                 ["first", "last"], x)
    assert seen == ["first", "last"]
    for ax, image, name in zip(axes, x, ("six", "one", "zero")):
        assert ax.get_title() == f"given: a {name}"
        np.testing.assert_array_equal(ax.images[0].get_array(), image[..., 0])


def test_six_measures_from_the_middle_of_the_sixes():
    demo = load("training_on_a_six.py")
    moment = SimpleNamespace(others=[np.array([[0, 0], [2, 4.0]]),
                                     np.array([[4, 6], [4, 6.0]]),
                                     np.array([[1, -3.0]])])
    assert demo.distances(moment) == pytest.approx((5, 5))


def test_sixes_pull_is_minus_the_losss_gradient():
    demo, vae = load("training_on_a_six.py"), conv_vae(rng=0)
    x = vae.asarray(load_mnist().test_images[:1])
    # 100 draws for one image are one draw for 100 of it
    many = np.repeat(x, 100, axis=0)
    _, grads = vae.loss_and_grads(many, vae.noise(100, 0))
    np.testing.assert_allclose(demo.pull(vae, x)[0],
                               -grads["encoder.5.b"][:2], rtol=1e-3)


# ---- edit.py ---------------------------------------------------------------

def test_edit_adds_features(small, monkeypatch):
    demo = load("edit.py")
    monkeypatch.setattr(demo, "fit", lambda vae, images, **rest:
                        load_pretrained("fashion"))          # two numbers
    printed = small(demo, ["features.png"], "--limit", 640, "--seed", 3)
    assert [(f["seed"], f["latent_dim"]) for f in small.fits] == [(3, 16)]
    assert (small.fits[0]["first"] == first_weights(3)).all()
    for feature in "long sleeves", "a high shaft", "a handle", "dark cloth":
        shares = [int(share) for share in re.findall(
            r"(\d+)%", printed.split(feature)[1].splitlines()[0])]
        assert len(shares) == 6
        assert shares[0] <= shares[1] < 25 and shares[-1] > 60


def test_edits_rows_are_given_images_moved_along_a_direction():
    demo, vae = load("edit.py"), load_pretrained("fashion")
    given = load_fashion_mnist().test_images[:2]
    direction, figure = np.array([0.5, -0.2], "f4"), Figure()
    demo.draw(figure, demo.FEATURES[0], vae, given, direction)
    axes = np.reshape(figure.axes, (2, 7))
    assert [ax.get_title() for ax in axes[0]] == [
        "given", "-0.5", "0", "+0.5", "+1", "+1.5", "+2"]
    codes = encode(vae, given)
    for row, image, code in zip(axes, given, codes):
        np.testing.assert_array_equal(row[0].images[0].get_array(),
                                      image[..., 0])
        for ax, by in zip(row[1:], (-0.5, 0, 0.5, 1, 1.5, 2), strict=True):
            np.testing.assert_allclose(
                ax.images[0].get_array(),
                decode(vae, (code + by * direction)[None])[0, ..., 0],
                atol=1e-5)


def test_edits_features_are_what_they_are_called():
    demo, data = load("edit.py"), load_fashion_mnist()
    sleeves, shaft, handle, dark = demo.FEATURES
    images, labels = data.test_images, data.test_labels
    for feature, name in (sleeves, "Pullover"), (shaft, "Ankle boot"):
        with_it, _ = demo.split(feature, images, labels)
        np.testing.assert_array_equal(
            with_it, images[labels == data.class_names.index(name)])
    bag = np.zeros((5, 28, 28, 1), bool)
    bag[0, 10:25, 4:24] = 1
    bag[1:3, [0, 5], [8, 19]] = 1           # a bit of a handle, at its edges
    bag[3:5, [6, 3], [12, 20]] = bag[4, 3, 7] = 1     # below it and beside it
    with_it, without = demo.split(handle, bag, np.full(5, 8))
    np.testing.assert_array_equal(with_it, bag[1:3])
    np.testing.assert_array_equal(without, bag[[0, 3, 4]])
    bag[4, 8:16, 10:18] = 1                       # half of the cloth is dark
    assert dark.has(bag, None).tolist() == [True, *[False] * 4]


# ---- elbo.py ---------------------------------------------------------------

def test_elbo_draws_and_counts(small, monkeypatch):
    demo = load("elbo.py")
    small.tests = 100
    monkeypatch.setattr(demo, "KS", (1, 20))
    monkeypatch.setattr(demo, "DRAWS", 200)
    monkeypatch.setattr(demo, "exact_log_likelihood", functools.partial(
        demo.exact_log_likelihood, step=0.2, reach=4.0))
    printed = small(demo, ["bound.png", "collapse.png", "estimators.png"],
                    "--limit", 320, "--images", 5, "--seed", 3)
    assert [(f["beta"], f["warmup"], f["seed"]) for f in small.fits] == [
        (1, 0, 3), (10, 0, 3), (10, 400, 3), (30, 0, 3)]
    assert len(re.findall(r"\d+ of 16 numbers active", printed)) == 4
    one, twenty = map(float, re.findall(r"k = .*: (-?\d+\.\d+) \+-",
                                        printed))
    assert one > twenty


def test_elbos_run_keeps_what_it_sees(monkeypatch):
    demo, images = load("elbo.py"), load_mnist().test_images[:1600]

    def fit(vae, images, watch, **_):
        for step in range(1, 6):                # every second one is looked at
            watch(step)
        return vae
    monkeypatch.setattr(demo, "fit", fit)
    run = demo.train(images, images[:50], 3, 1, 0, np)
    vae = conv_vae(latent_dim=16, rng=3)
    terms = evaluate(vae, images[:50], vae.noise(50, 3))
    assert run.steps == [2, 4]
    assert [*zip(run.reconstruction, run.kl)] == [terms, terms]
    np.testing.assert_allclose(run.spread, sorted(
        encode(vae, images[:50]).var(axis=0), reverse=True))
    assert run._replace(spread=np.array([0.5, 0.011, 0.009])).active == 2


def test_elbos_collapse_is_drawn_as_it_was_seen(monkeypatch, tmp_path):
    demo, some = load("elbo.py"), load_mnist().test_images[:4]
    runs = {name: demo.Run(
        conv_vae(latent_dim=16, rng=i), [2, 4], [-300.0, -200.0 - i],
        [5.0, 7.0 + i], np.geomspace(1, 2e-3 / 10 ** i, 16))
        for i, name in enumerate(["one", "other"])}
    above, below = [], []
    for ax in drawn(monkeypatch, demo.draw_collapse, tmp_path / "a.png", runs,
                    some):
        (below if ax.images else above).append(ax)
    left, middle, right = above
    for i, run in enumerate(runs.values()):
        for ax, y in (left, run.reconstruction), (middle, run.kl):
            np.testing.assert_array_equal(ax.lines[i].get_xydata(),
                                          np.transpose([run.steps, y]))
        np.testing.assert_array_equal(right.lines[i].get_xydata(), np.stack(
            [np.arange(1, 17), run.spread], axis=1))
    assert right.lines[2].get_ydata() == [0.01, 0.01]
    names = [text.get_text() for text in middle.get_legend().get_texts()]
    assert names == ["one", "other"]
    assert [ax.get_title() for ax in above] == [
        "reconstruction, nats", "KL, nats", "how much each number varies"]
    assert [ax.get_xlabel() for ax in above] == [
        "step", "step", "the 16 numbers of a code, sorted"]
    assert [ax.get_ylabel() for ax in below] == [
        "test images", "one:\nKL 7.0, 12 of 16 active",
        "other:\nKL 8.0, 9 of 16 active"]
    for ax, images in zip(below, [some, *(
            decode(run.vae, encode(run.vae, some)) for run in runs.values())]):
        np.testing.assert_array_equal(ax.images[0].get_array(),
                                      tile(images, 4)[..., 0])


def test_elbos_bound_has_the_standard_errors_of_its_gap(monkeypatch, capsys,
                                                        tmp_path):
    demo, vae = load("elbo.py"), conv_vae((8, 8, 1), filters=2, rng=0)
    monkeypatch.setattr(demo, "KS", (1, 4))
    images = np.random.default_rng(0).integers(0, 2, (9, 8, 8, 1), bool)
    exact = np.linspace(-40, -30, 9)
    ax, = drawn(monkeypatch, demo.draw_bound, tmp_path / "a.png", vae, images,
                exact)
    (line, _, (bars,)), = ax.containers
    rows = re.findall(r"k = +(\d+)   (\S+): (\S+) \+- (\S+) below",
                      capsys.readouterr().out)
    for place, bar, row, k in zip(line.get_xydata(), bars.get_segments(), rows,
                                  (1, 4), strict=True):
        gap = exact - log_likelihood(vae, vae.asarray(images), k, k)
        mean, error = exact.mean() - gap.mean(), gap.std() / 3    # of nine
        np.testing.assert_allclose(place, [k, mean])
        np.testing.assert_allclose(bar, [[k, mean - error], [k, mean + error]])
        assert [*map(float, row)] == pytest.approx(
            [k, mean, gap.mean(), error], abs=0.006)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), exact.mean())
    at = ax.texts[0]
    assert (at.get_text(), *at.xy) == ("the ELBO", *line.get_xydata()[0])


def test_elbos_estimators_say_mean_and_deviation(monkeypatch, capsys,
                                                 tmp_path):
    demo, image = load("elbo.py"), load_mnist().test_images[0]
    models = {name: conv_vae(latent_dim=3, filters=2, rng=i)
              for i, name in enumerate(["before training", "trained"])}
    axes = drawn(monkeypatch, demo.draw_estimators, tmp_path / "a.png", models,
                 image)
    printed = capsys.readouterr().out
    for ax, (name, vae) in zip(axes, models.items(), strict=True):
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        both = demo.estimate(vae, image)
        for text, kind, values in zip(texts, ("KL from the drawn code",
                                              "KL in closed form"), both):
            said = f"{kind}: {values.mean():.1f} +- {values.std():.2f}"
            assert text == said.replace("+-", "±")
            assert f"  {name:<17}{said}\n" in printed
        np.testing.assert_allclose(ax.lines[0].get_xdata(), np.mean(both))
        assert ax.get_title() == name


def test_elbos_integral_is_the_likelihood():
    demo, vae = load("elbo.py"), conv_vae((8, 8, 1), filters=4, rng=0)
    for p in vae.decoder.params.values():
        p *= 2                              # p(x|z) depends on z, and a lot
    images = np.random.default_rng(0).integers(0, 2, (3, 8, 8, 1), bool)
    exact = demo.exact_log_likelihood(vae, images)
    np.testing.assert_allclose(
        demo.exact_log_likelihood(vae, images, step=0.1), exact, atol=1e-3)
    # 20,000 codes: the mean of a hundred means of 200, side by side
    parts = demo.log_likelihood(vae, vae.asarray(np.repeat(
        images, 100, axis=0)), 200, 0).reshape(3, 100)
    np.testing.assert_allclose(logsumexp(parts, axis=1) - np.log(100), exact,
                               atol=0.05)
    many = vae.asarray(np.repeat(images, 500, axis=0))
    elbo = vae.elbo(many, vae.noise(1500, 1)).reshape(3, 500).mean(axis=1)
    assert (elbo < exact).all()


def test_elbo_measures_each_image(monkeypatch, capsys):
    demo, vae = load("elbo.py"), load_pretrained("mnist")
    monkeypatch.setattr(demo, "exact_log_likelihood", functools.partial(
        demo.exact_log_likelihood, step=0.3, reach=4.0))
    images = load_mnist().test_images[:150]             # more than one batch
    elbo, exact = demo.measure("digits", vae, images)
    np.testing.assert_allclose(elbo, vae.elbo(
        vae.asarray(images), vae.noise(150, 0)), rtol=1e-5)
    np.testing.assert_allclose(
        exact, demo.exact_log_likelihood(vae, images), rtol=1e-6)
    numbers = map(float, re.findall(r"-?\d+\.\d+", capsys.readouterr().out))
    assert [*numbers] == pytest.approx(
        [elbo.mean(), elbo.std() / 150 ** 0.5, exact.mean(),
         (exact - elbo).mean()], abs=0.051)


def test_elbos_two_estimates_agree_in_the_mean(monkeypatch):
    demo, vae = load("elbo.py"), conv_vae(latent_dim=16, rng=0)
    vae.params["encoder.5.b"][:] = 0.5
    sampled, closed = demo.estimate(vae, load_mnist().test_images[0])
    assert len(sampled) == len(closed) == 2000
    error = (sampled - closed).std() / 2000 ** 0.5
    assert abs(sampled.mean() - closed.mean()) < 4 * error
    assert error > 0


# ---- conditional.py --------------------------------------------------------

def test_conditional_writes_every_digit(small, monkeypatch):
    demo, shown = load("conditional.py"), []

    def show(ax, image, title):
        shown.append((image.shape, title.split(":")[0]))
        real(ax, image, title)
    real = demo.show
    monkeypatch.setattr(demo, "show", show)
    printed = small(demo, ["styles.png"])
    assert "Of 1,000 digits" in printed
    assert shown == [((280, 28, 1), "given"),
                     ((280, 280, 1), "in its handwriting"),
                     ((280, 280, 1), "in nobody's handwriting")]


def test_conditional_trains_each_image_on_its_label(monkeypatch):
    demo, seen, rates = load("conditional.py"), [], []
    places, bits = np.arange(80), 2 ** np.arange(7)
    images = np.zeros((80, 28 * 28), bool)
    images[:, :7] = places[:, None] & bits           # an image says its place
    labels = places * 3 % 10

    def step(vae, adam, x, eps):
        mine = (x.reshape(-1, 784)[:, :7] @ bits).astype(int)
        np.testing.assert_array_equal(vae.decoder.layers[0].labels,
                                      labels[mine])
        seen.append((mine, eps))
        rates.append(adam.learning_rate)
        adam.t += 1
    monkeypatch.setattr(demo, "train_step", step)
    demo.train(images.reshape(80, 28, 28, 1), labels, 2,
               np.random.default_rng(0), np)
    order, eps = map(np.concatenate, zip(*seen))
    assert sorted(order) == list(places) != list(order)
    assert len(np.unique(eps)) == 160
    assert rates == pytest.approx([4e-3, 4e-3 * 2 / 3, 4e-3 / 3])


def test_conditional_counts_the_digits_that_are_as_asked(small, monkeypatch):
    demo, data = load("conditional.py"), load_mnist()
    of_digit = [np.flatnonzero(data.train_labels[:640] == digit)
                for digit in range(10)]

    def train(images, labels, D, rng, xp):
        np.testing.assert_array_equal(images, data.train_images[:320])
        np.testing.assert_array_equal(labels, data.train_labels[:320])
        assert rng.bit_generator.state == np.random.default_rng(
            3).bit_generator.state
        return demo.build(D, rng)

    def write(vae, label, z):                  # a 7 and an 8 for each other
        label.labels = np.tile(np.arange(10), 20)
        return data.train_images[[of_digit[int(digit)][i]
                                  for i in range(20)
                                  for digit in "0123456879"]]
    monkeypatch.setattr(demo, "train", train)
    monkeypatch.setattr(demo, "write", write)
    monkeypatch.setattr(demo, "tile", lambda images, columns: images[0])
    printed = small(demo, ["styles.png"], "--limit", 320, "--seed", 3)
    assert "Of 200 digits" in printed and " 80% are most" in printed


def test_conditionals_layer_is_right():
    demo, rng = load("conditional.py"), np.random.default_rng(0)
    layer = demo.BesideLabel(3)
    layer.labels = np.array([9, 0, 4, 4])
    z = rng.standard_normal((4, 3))
    check_layer(layer, z, verbose=False)
    y = layer.forward(z)
    np.testing.assert_array_equal(y[:, :3], z)
    np.testing.assert_array_equal(y[:, 3:].argmax(axis=1), layer.labels)
    assert (y[:, 3:].sum(axis=1) == 1).all()


def test_conditionals_label_decides_and_row_is_the_style():
    demo = load("conditional.py")
    vae, label = demo.build(2, np.random.default_rng(0))
    z = vae.noise(2, 0)
    images = demo.write(vae, label, z)
    assert images.shape == (20, 28, 28, 1)
    label.labels = np.array([7])
    np.testing.assert_allclose(images[17:18], vae.decode(z[1:], True), 1e-5)
