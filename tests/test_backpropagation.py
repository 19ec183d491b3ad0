"""demos/backpropagation.py: the graph's gradients, and their places."""
import imageio.v3 as imageio
import numpy as np
import pytest

from minivae import conv_vae, load_pretrained
from minivae.data import load_mnist

from test_demos import arguments, load

demo = load("backpropagation.py")


@pytest.fixture(scope="module")
def traced():
    """A small VAE, one image's forward and backward pass, and its eps."""
    rng = np.random.default_rng(0)
    vae = conv_vae((8, 8, 1), filters=2, rng=rng, dtype="float64")
    for p in vae.params.values():                # off the kinks of the ReLUs
        p += 0.1 * rng.standard_normal(p.shape)
    x, eps = (rng.random((1, 8, 8, 1)) < 0.5) * 1.0, vae.noise(1, rng)
    at = demo.forward(vae, x, eps)
    return vae, at, demo.backward(vae, at)


def test_the_graph_has_the_gradients_of_loss_and_grads(traced):
    vae, at, d = traced
    demo.backward(vae, demo.forward(vae, at["x"], at["eps"]))
    own = {name: g.copy() for name, g in vae.grads.items()}
    loss, grads = vae.loss_and_grads(at["x"], at["eps"])
    assert at["loss"][0] == loss
    for name, g in own.items():
        np.testing.assert_array_equal(g, grads[name])


def test_every_gradient_is_right_and_a_wrong_one_is_seen(traced):
    vae, at, d = traced
    names = {"logits", "z, decoder", "z, log p(z)", "z", "mu", "logvar, z",
             "logvar, log q", "logvar"}
    found = demo.errors(vae, at, d)
    assert set(found) == names and max(found.values()) < 1e-6
    for name in names:
        wrong = d | {name: 1.01 * d[name]}
        assert demo.errors(vae, at, wrong)[name] > 1e-3, name


def test_logvar_has_two_sides(traced):
    _, at, d = traced
    assert (d["logvar, log q"] == -0.5).all()
    sigma = np.exp(at["logvar"] / 2)
    np.testing.assert_allclose(d["logvar, z"],
                               d["z"] * sigma * at["eps"] / 2)
    assert (d["logvar"] == d["logvar, z"] - 0.5).all()


def test_the_side_through_z_is_that_of_each_image(traced, monkeypatch):
    vae, at, d = traced
    many = demo.through_z(vae, at["x"].repeat(130, axis=0),
                          at["eps"] * np.r_[1:131][:, None])
    assert many.shape == (130, 2)
    np.testing.assert_allclose(many[0], d["logvar, z"][0])
    one = demo.through_z(vae, at["x"], 130 * at["eps"])
    np.testing.assert_allclose(many[129], one[0])


def test_the_model_is_the_shipped_one_in_float64():
    vae, shipped = demo.model(), load_pretrained("mnist")
    for name, p in vae.params.items():
        assert p.dtype == "float64" and (p == shipped.params[name]).all()


def test_arrows_begin_and_end_at_nodes_and_gradients_go_back(monkeypatch):
    for start, end, gradient, _ in demo.ARROWS:
        drawn = []
        monkeypatch.setattr(demo, "arrow", lambda ax, a, b, **style:
                            drawn.append((np.array(a), np.array(b), style)))
        demo.draw_arrow(None, start, end, gradient, None, {})
        black, *red = drawn
        assert tuple(black[0]) == start and tuple(black[1]) == end
        for a, b, style in red:
            assert style["color"] == demo.RED
            np.testing.assert_allclose(np.hypot(*(a - end)), 0.35)
            np.testing.assert_allclose(np.hypot(*(b - start)), 0.35)
        assert len(red) == (gradient is not None)
        for x, y, width in demo.NODES.values():
            for point in start, end:         # outside of every box
                assert (abs(point[0] - x) >= width / 2
                        or abs(point[1] - y) > 0.6)


def test_the_picture_has_the_numbers_and_the_image(monkeypatch, tmp_path,
                                                   capsys):
    monkeypatch.setattr(demo, "DRAWS", 100)
    seen = []
    write = demo.write
    monkeypatch.setattr(demo, "write", lambda ax, x, y, text, **style: (
        seen.append((text, style.get("color", "k"))),
        write(ax, x, y, text, **style)))
    demo.main(arguments(demo, monkeypatch, "--image", 7, "--out", tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"graph.png"}

    vae, x = demo.model(), load_mnist().test_images[[7]]
    at = demo.forward(vae, vae.asarray(x), vae.noise(1, 1))
    d = demo.backward(vae, at)
    for name in "mu", "logvar", "eps", "z", "log p(z)", "loss":
        assert (demo.numbers(at[name]), "k") in seen
    for name in "mu", "logvar", "z":
        assert (f"d{name}  {demo.numbers(d[name])}", demo.RED) in seen
    for name, before in (("z, decoder", ""), ("logvar, z", "through z:\n"),
                         ("logvar, log q", "directly: ")):
        assert (before + demo.numbers(d[name]), demo.RED) in seen

    picture = imageio.imread(tmp_path / "graph.png")[..., 0]
    middles = (26 * 4 / 28 * (np.arange(28) + 0.5)).astype(int)
    ink = picture[26 * 6 + middles[:, None], 13 + middles] < 128
    assert (ink == x[0, ..., 0]).mean() > 0.98

    printed = capsys.readouterr().out
    assert "difference 0." in printed
    assert f"the sum          {demo.numbers(d['logvar'])}" in printed
    assert len([line for line in printed.splitlines()
                if line.startswith("  d(")]) == 8
    assert f"Look at {tmp_path}" in printed


def test_numbers_are_short():
    assert demo.numbers([[0.126, -12.34]]) == "0.13, -12.3"
