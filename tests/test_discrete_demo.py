"""demos/discrete.py: its numbers are what it says, its pictures upright."""
import numpy as np
import pytest

from minivae.beyond.categorical import categorical_kl, one_hot
from minivae.beyond.discrete import DiscreteVAE, discrete_vae
from minivae.beyond.quantize import perplexity
from minivae.data import load_mnist, to_float

from test_demos import arguments, load
from test_plots import drawn


@pytest.fixture
def demo():
    return load("discrete.py")


@pytest.fixture
def small(monkeypatch, demo):
    """The demo with a small model, which it trains or loads."""
    def make(**settings):
        return discrete_vae(K=5, filters=2, **settings)
    monkeypatch.setattr(demo, "discrete_vae", make)
    monkeypatch.setattr(demo, "load_discrete", lambda name: make(rng=7))
    return make


def test_each_place_alone_keeps_its_own_frequencies(demo):
    # each place has codes of its own, and in one grid all are odd or all even
    base = 2 * np.arange(6).reshape(2, 3)
    codes = np.stack([base, base, base, base + 1])
    drawn = demo.each_alone(codes, 4000, np.random.default_rng(0))
    assert (drawn // 2 == np.arange(6).reshape(2, 3)).all()
    odd = drawn % 2
    assert abs(odd.mean(axis=0) - 0.25).max() < 0.04
    # but places do not go together any more
    assert abs(np.corrcoef(odd.reshape(-1, 6).T) - np.eye(6)).max() < 0.1


def test_prices_add_up_to_the_kl(demo, small):
    vae = small(rng=0)
    images = load_mnist().test_images[:3]
    codes, prices = demo.codes_and_prices(vae, images)
    q = vae.encode(to_float(images))
    assert (codes == q.argmax(axis=-1)).all()
    kl, _, _ = categorical_kl(q, vae.prior.forward(one_hot(codes, 5)))
    assert prices.shape == (3, 7, 7) and prices.min() > -1e-6
    np.testing.assert_allclose(prices.sum(axis=(1, 2)), kl, rtol=1e-4)


def test_the_bound_is_of_all_images(demo, small):
    vae, images = small(rng=0), load_mnist().test_images[:130]
    reconstruction, kl = demo.bound(vae, images, np.random.default_rng(1))
    rng, want = np.random.default_rng(1), []
    for some in images[:100], images[100:]:
        want.append(vae.elbo_terms(to_float(some), vae.noise(len(some), rng)))
    np.testing.assert_array_equal(reconstruction - kl, np.concatenate(
        [a - b for a, b in want]))


@pytest.mark.parametrize("name, shipped", [("mnist", False),
                                           ("fashion", True)])
def test_it_prints_bounds_and_draws(demo, small, name, shipped, few_images,
                                    monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(demo, "load_pretrained", lambda name: (
        asked.append(name), small(rng=1))[1])
    monkeypatch.setattr(DiscreteVAE, "sample", lambda vae, n, rng: vae.decode(
        np.zeros((n, 7, 7), int), True))
    options = ["--shipped"] * shipped or ["--steps", 2, "--limit", 320]
    demo.main(arguments(demo, monkeypatch, "--images", name, *options,
                        "--out", tmp_path))
    made = {path.name for path in tmp_path.iterdir()} - {".lock"}
    assert made == {"codes.png", "samples.png"} | (
        set() if shipped else {"discrete.npz"})
    assert asked == [name]
    printed = capsys.readouterr().out
    numbers = [[float(n) for n in line.replace("±", "").split()[-4:]]
               for line in printed.splitlines() if " ± " in line]
    assert "300 test images" in printed
    if shipped:
        images, rng = few_images[name]().test_images, np.random.default_rng(0)
        for model, row in zip((small(rng=1), small(rng=7)), numbers,
                              strict=True):
            r, kl = demo.bound(model, images, rng)
            np.testing.assert_allclose(row, [
                (r - kl).mean(), (r - kl).std() / 300 ** 0.5, r.mean(),
                kl.mean()], atol=0.006)
        codes, prices = demo.codes_and_prices(small(rng=7), images)
        at = prices.mean(axis=0)
        assert (f"5 codes are used as if there were {perplexity(codes, 5):.0f}"
                ", all equally frequent. A place costs "
                f"{at.mean():.2f} nats, not\n"
                f"log 5 = 1.61, from {at.min():.2f} where all is foreseen to "
                f"{at.max():.2f}.\n") in printed
    else:                 # what it has trained is what it writes
        untrained = small(rng=np.random.default_rng(0)).params
        with np.load(tmp_path / "discrete.npz") as file:
            assert max(abs(file[key] - p).max()
                       for key, p in untrained.items()) > 1e-3


def test_steps(demo, monkeypatch):
    assert arguments(demo, monkeypatch).steps == 12000
    assert arguments(demo, monkeypatch, "--quick").steps == 1000


def test_pictures_are_of_test_images_and_draws(demo, small, few_images,
                                               monkeypatch, tmp_path):
    seen = {}
    for draw in "draw_codes", "draw_samples":
        monkeypatch.setattr(demo, draw, lambda path, *what: (
            seen.update({path.name: what})))
    monkeypatch.setattr(demo, "load_pretrained", lambda _: small(rng=1))
    demo.main(arguments(demo, monkeypatch, "--images", "mnist", "--shipped",
                        "--out", tmp_path))
    data, vae = few_images["mnist"](), small(rng=7)
    images = data.test_images[data.grey_index[5::10]]
    codes, prices = demo.codes_and_prices(vae, images)
    for found, want in zip(seen["codes.png"], (
            images, vae.decode(codes, True), prices), strict=True):
        np.testing.assert_array_equal(found, want)
    together, alone = seen["samples.png"][0].values()
    assert together.shape == alone.shape == (100, 28, 28, 1)
    for made in together, alone:
        assert 0 < made.min() and made.max() < 1


def test_images_codes_and_prices_are_drawn_as_they_are(demo, monkeypatch,
                                                       tmp_path):
    rng = np.random.default_rng(0)
    images = rng.random((3, 28, 28, 1)) < 0.5
    decoded, prices = rng.random((3, 28, 28, 1)), 4 * rng.random((3, 7, 7))
    axes = drawn(monkeypatch, demo.draw_codes, tmp_path / "a.png", images,
                 decoded, prices)
    given, middle, price = (ax.images[0].get_array() for ax in axes)
    assert [ax.get_ylabel() for ax in axes] == [
        "given", "decoded", f"nats: black\nis {prices.max():.1f}"]
    assert [ax.spines["left"].get_visible() for ax in axes] == [0, 0, 1]
    np.testing.assert_array_equal(given, np.hstack(images[..., 0]))
    np.testing.assert_array_equal(middle, np.hstack(decoded[..., 0]))
    np.testing.assert_allclose(price, np.hstack(prices) / prices.max())


def test_samples_are_drawn_in_rows_of_ten(demo, monkeypatch, tmp_path):
    images = np.random.default_rng(0).random((2, 100, 2, 2, 1))
    axes = drawn(monkeypatch, demo.draw_samples, tmp_path / "a.png",
                 dict(zip("ab", images)))
    assert [ax.get_title() for ax in axes] == ["a", "b"]
    for ax, hundred in zip(axes, images):
        np.testing.assert_array_equal(ax.images[0].get_array(), np.block(
            [list(row) for row in hundred[..., 0].reshape(10, 10, 2, 2)]))


def test_training_learns(demo, small):
    vae = small(rng=0)
    images = load_mnist().train_images[:64]
    first = demo.bound(vae, images, np.random.default_rng(0))
    demo.train(vae, images, 60, np.random.default_rng(0))
    last = demo.bound(vae, images, np.random.default_rng(0))
    assert (last[0] - last[1]).mean() > (first[0] - first[1]).mean() + 50
