"""The GAN: its losses, its penalty, and which way each step leads."""
import numpy as np
import pytest

from minivae import (Adam, Dense, Flatten, Layer, ReLU, Reshape, Sequential,
                     Sigmoid, check_function)
from minivae.backend import move, to_numpy
from minivae.beyond.conv_gan import LeakyReLU, conv_gan
from minivae.beyond.gan import GAN, discriminator_loss, generator_loss
from minivae.beyond.r1 import r1_penalty
from minivae.beyond.straight_through import binarize
from minivae.layers import sigmoid

import strict_cupy

LOGITS = np.array([[-3.0], [-0.2], [0.0], [1.5]])


# ---- losses ----------------------------------------------------------------

def test_the_losses_are_those_of_the_paper():
    real, made = LOGITS, LOGITS[::-1] * 2 + 1
    value, _, _ = discriminator_loss(real, made)
    assert value == pytest.approx(
        -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(made)).mean(),
        rel=1e-12)
    value, _ = generator_loss(made)
    assert value == pytest.approx(-np.log(sigmoid(made)).mean(), rel=1e-12)


def test_a_discriminator_that_knows_nothing_pays_two_bits():
    zero = np.zeros((5, 1))
    assert discriminator_loss(zero, zero)[0] == pytest.approx(2 * np.log(2))
    assert generator_loss(zero)[0] == pytest.approx(np.log(2))


def test_the_losses_gradients(prove):
    real, made = LOGITS.copy(), LOGITS[:3] * 2 + 1          # 4 and 3 images
    _, dreal, dmade = discriminator_loss(real, made)
    prove(check_function(
        "discriminator", lambda: discriminator_loss(real, made)[0], 1.0,
        {"real": (real, dreal), "made": (made, dmade)}))
    prove(check_function("generator", lambda: generator_loss(made)[0], 1.0,
                         {"made": (made, generator_loss(made)[1])}))


def test_there_is_no_log_of_0():
    sure = np.float32([[-1000], [1000]])
    value, dreal, dmade = discriminator_loss(sure, -sure)
    assert value == 1000 and np.isfinite(dreal).all()
    np.testing.assert_array_equal(dreal, [[-0.5], [0]])
    np.testing.assert_array_equal(dmade, [[0.5], [0]])
    # not saturated: an image that D is sure was made has the full slope
    value, dmade = generator_loss(sure)
    assert value == 500
    np.testing.assert_array_equal(dmade, [[-0.5], [0]])


@pytest.mark.parametrize("logits, error", [
    (np.zeros((4, 1), int), TypeError), (np.zeros((0, 1)), ValueError)])
def test_what_are_no_logits_is_refused(logits, error):
    for real, made in (logits, LOGITS), (LOGITS, logits):
        with pytest.raises(error):
            discriminator_loss(real, made)
    with pytest.raises(error):
        generator_loss(logits)


# ---- the penalty -----------------------------------------------------------

class Square(Layer):
    """y = x², element by element: smooth, and its slope is not constant."""

    def forward(self, x):
        self.cache = x
        return x * x

    def backward(self, dy):
        return 2 * self.cache * dy


def test_r1_of_a_quadratic_is_known_in_closed_form():
    """D(x) = (w·x)²: ψ = E 2·(w·x)²·|w|², whose gradient has two terms."""
    rng = np.random.default_rng(0)
    dense = Dense(3, 1, rng=rng, dtype="float64")
    w, x = dense.params["w"][:, 0], rng.standard_normal((5, 3))
    value, grads = r1_penalty(Sequential([dense, Square()]), x)
    wx, ww = x @ w, w @ w
    assert value == pytest.approx((2 * wx ** 2 * ww).mean(), rel=1e-12)
    want = 4 * (wx[:, None] * x * ww + wx[:, None] ** 2 * w).mean(axis=0)
    # a quadratic has no third derivative: the difference is exact
    np.testing.assert_allclose(grads["0.w"][:, 0], want, rtol=1e-9)
    np.testing.assert_allclose(grads["0.b"], (4 * wx * ww).mean(), rtol=1e-9)


def smooth(rng):
    return Sequential([Flatten(), Dense(6, 4, rng=rng, dtype="float64"),
                       Sigmoid(), Dense(4, 1, rng=rng, dtype="float64")])


def test_r1_is_the_mean_of_half_the_squared_slopes():
    rng = np.random.default_rng(0)
    D, x = smooth(rng), rng.standard_normal((3, 2, 3, 1))
    slopes = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        sides = []
        for h in 1e-5, -1e-5:
            moved = x.copy()
            moved[i] += h
            sides.append(D.forward(moved).sum())
        slopes[i] = (sides[0] - sides[1]) / 2e-5
    value, _ = r1_penalty(D, x)
    assert value == pytest.approx(0.5 * (slopes ** 2).sum() / 3, rel=1e-8)


def second_derivative(D, x):
    """∂ψ/∂θ of the smooth D, written out: no difference anywhere."""
    w, v = D.params["1.w"], D.params["3.w"][:, 0]
    flat = x.reshape(len(x), -1)
    s = sigmoid(flat @ w + D.params["1.b"])                  # (N, 4)
    s1 = s * (1 - s)                         # σ', and σ'' = σ'·(1 − 2σ)
    s2 = s1 * (1 - 2 * s)
    g = (s1 * v) @ w.T                                       # ∂D/∂x, (N, 6)
    # ψ = E ½|g|²; g[n, i] = Σ_k v[k]·σ'(a[n, k])·w[i, k], a = x·w + b
    gw = g @ w                                               # (N, 4)
    N, da = len(x), gw * s2 * v
    return {"1.w": (np.einsum("ni,nk->ik", g, s1 * v)
                    + np.einsum("ni,nk->ik", flat, da)) / N,
            "1.b": da.mean(axis=0),
            "3.w": (gw * s1).mean(axis=0)[:, None], "3.b": np.zeros(1)}


def test_r1s_difference_errs_by_the_square_of_its_step():
    rng = np.random.default_rng(1)
    D, x = smooth(rng), rng.standard_normal((4, 2, 3, 1))
    want = second_derivative(D, x)
    for name in "1.w", "1.b", "3.w":
        errors = [abs(r1_penalty(D, x, step)[1][name] - want[name]).max()
                  for step in (0.4, 0.2, 0.1)]
        for larger, smaller in zip(errors, errors[1:]):
            assert larger / smaller == pytest.approx(4, rel=0.1), name
        assert errors[-1] < 0.01 * abs(want[name]).max()
    assert set(want) == set(r1_penalty(D, x)[1])
    np.testing.assert_allclose(r1_penalty(D, x)[1]["3.b"], 0, atol=1e-12)


def test_with_kinks_r1_is_the_gradient_of_the_slope_between_two_points(prove):
    """What r1.py says of ReLUs, some of which switch between the two."""
    rng = np.random.default_rng(0)
    D = Sequential([Dense(6, 20, rng=rng, dtype="float64"), ReLU(),
                    Dense(20, 1, rng=rng, dtype="float64")])
    x, step = rng.standard_normal((3, 6)), 1.0
    D.forward(x)
    g = D.backward(np.ones((3, 1)))
    h = step / np.sqrt((g * g).sum(axis=1)).mean()
    on = [D.layers[0].forward(x + side * h * g) > 0 for side in (-1, 1)]
    assert (on[0] != on[1]).any()

    def slope():
        return (D.forward(x + h * g) - D.forward(x - h * g)) / (2 * h)
    _, grads = r1_penalty(D, x, step)
    prove(check_function("r1", slope, np.full((3, 1), 1 / 3), {
        name: (p, grads[name]) for name, p in D.params.items()
        if name != "2.b"}))                    # it has no part in any slope


def test_r1_changes_neither_the_network_nor_the_images():
    rng = np.random.default_rng(1)
    D, x = smooth(rng), rng.standard_normal((4, 2, 3, 1))
    before, given = {k: p.copy() for k, p in D.params.items()}, x.copy()
    r1_penalty(D, x)
    np.testing.assert_array_equal(x, given)
    for name, p in D.params.items():
        np.testing.assert_array_equal(p, before[name])


def test_a_flat_discriminator_has_no_penalty():
    D = Sequential([Flatten(), Dense(6, 1, dtype="float64")])
    D.params["1.w"][...] = 0
    value, grads = r1_penalty(D, np.ones((2, 2, 3, 1)))
    assert value == 0 and (grads["1.w"] == 0).all()


# ---- both networks ---------------------------------------------------------

def few_images(n=16, dtype=np.float32):
    """Squares of black, somewhere in 8 x 8 pixels."""
    rng, images = np.random.default_rng(3), np.zeros((n, 8, 8, 1), dtype)
    for image in images:
        i, j = rng.integers(0, 5, 2)
        image[i:i + 4, j:j + 4] = 1
    return images


def small(seed=0, dtype=np.float32):
    return conv_gan((8, 8, 1), 3, filters=2, rng=seed, dtype=dtype)


def test_the_networks_fit_the_images_and_weigh_what_they_should():
    gan = conv_gan(rng=0)
    images = gan.sample(3, 0)
    assert images.shape == (3, 28, 28, 1) and images.dtype == np.float32
    assert set(np.unique(images)) == {0, 1}
    assert gan.discriminator.forward(images).shape == (3, 1)
    assert sum(p.nbytes for p in gan.generator.params.values()) < 400e3
    dense = [layer.units for layer in gan.discriminator.layers
             if isinstance(layer, Dense)]
    assert dense == [128, 1]
    oblong = conv_gan((8, 12, 3), filters=2, rng=0)
    assert oblong.sample(101, 0).shape == (101, 8, 12, 3)


def test_samples_are_what_the_generator_makes_of_noise():
    gan = small()
    images = gan.sample(250, 5)
    z = gan.noise(250, 5)
    assert z.shape == (250, 3) and z.dtype == np.float32
    np.testing.assert_array_equal(images, binarize(gan.generator.forward(z)))
    assert (gan.sample(250, 5) == images).all()
    assert (gan.sample(250, 6) != images).any()
    assert gan.generator.layers[0].cache is None       # nothing is kept


@pytest.mark.parametrize("r1, noise", [
    (0.0, None), (2.5, None),
    (2.5, np.random.default_rng(0).normal(0, 0.3, (9, 8, 8, 1)))])
def test_the_discriminators_gradients(prove, r1, noise):
    gan, x = small(dtype="float64"), few_images(5, "float64")
    z = gan.noise(4, 0)
    given, made = x, binarize(gan.generator.forward(z))
    D = gan.discriminator
    if noise is not None:                   # D sees all of them through it
        x, made = x + noise[:5], made + noise[5:]
    for name, p in D.params.items():        # off the kinks, where x is 0
        if name.endswith("b"):
            p += np.random.default_rng(1).uniform(0.1, 0.2, p.shape)
    D.params["7.w"] *= 10       # slopes that differences know to more digits
    penalty = {name: g.copy() for name, g in r1_penalty(D, x)[1].items()}
    loss, grads = gan.discriminator_loss_and_grads(given, z, noise, r1)
    assert loss == pytest.approx(float(
        discriminator_loss(D.forward(x), D.forward(made))[0]), rel=1e-12)
    pairs = {name: (p, grads[name] - r1 * penalty[name])
             for name, p in D.params.items() if p.size < 300}
    prove(check_function("the discriminator", lambda: discriminator_loss(
        D.forward(x), D.forward(made))[0], 1.0, pairs))


@pytest.mark.parametrize("noisy", [False, True])
def test_the_generators_gradients_are_those_of_the_surrogate(prove, noisy):
    rng = np.random.default_rng(0)
    gan = GAN(Sequential([Dense(3, 6, rng=rng, dtype="float64"),
                          Reshape((2, 3, 1))]), smooth(rng))
    z = gan.noise(4, 0)
    G, D = gan.generator, gan.discriminator
    logits = G.forward(z)
    noise = rng.standard_normal((4, 2, 3, 1)) if noisy else 0
    stopped = binarize(logits) - sigmoid(logits) + noise
    loss, grads = gan.generator_loss_and_grads(z, noise if noisy else None)
    assert loss == generator_loss(D.forward(binarize(logits) + noise))[0]
    pairs = {name: (p, grads[name]) for name, p in G.params.items()}

    def surrogate():
        return generator_loss(D.forward(sigmoid(G.forward(z)) + stopped))[0]
    prove(check_function("the generator", surrogate, 1.0, pairs))


def test_a_step_of_each_lowers_its_own_loss_and_raises_the_others():
    gan, x = small(dtype="float64"), few_images(dtype="float64")
    z = gan.noise(16, 0)
    loss, grads = gan.discriminator_loss_and_grads(x, z)
    theirs, _ = gan.generator_loss_and_grads(z)
    for name, p in gan.discriminator.params.items():
        p -= 0.02 * grads[name]
    after, _ = gan.discriminator_loss_and_grads(x, z)
    assert after < loss
    assert gan.generator_loss_and_grads(z)[0] > theirs

    # the generator's is a step: nothing moves before a pixel does
    losses = []
    adam = Adam(gan.generator.params, 1e-3)
    for _ in range(30):
        loss, grads = gan.generator_loss_and_grads(z)
        adam.step(grads)
        losses.append(loss)
    assert losses[-1] < losses[0] - 0.01
    assert gan.discriminator_loss_and_grads(x, z)[0] > after


def test_training_changes_both_and_is_the_same_from_the_same_seed():
    def train(seed):
        gan, rng = small(seed), np.random.default_rng(seed)
        x = few_images()
        d, g = Adam(gan.discriminator.params), Adam(gan.generator.params)
        for step in range(2):
            d.step(gan.discriminator_loss_and_grads(
                x, gan.noise(16, rng), None, 1.0 * (step == 0))[1])
            g.step(gan.generator_loss_and_grads(gan.noise(16, rng))[1])
        return {**{f"d{k}": p for k, p in gan.discriminator.params.items()},
                **{f"g{k}": p for k, p in gan.generator.params.items()}}
    one, again, before = train(0), train(0), small(0)
    for name, p in one.items():
        np.testing.assert_array_equal(p, again[name])
        network = before.discriminator if name[0] == "d" else before.generator
        assert (p != network.params[name[1:]]).any(), name
    assert (train(1)["g0.w"] != one["g0.w"]).any()


# ---- what is refused -------------------------------------------------------

def test_images_of_another_shape_are_refused():
    gan, z = small(), small().noise(4, 0)
    with pytest.raises(ValueError, match="GAN: the generator's output has"):
        gan.discriminator_loss_and_grads(np.zeros((4, 12, 12, 1), "f"), z)
    with pytest.raises(TypeError, match="GAN"):
        gan.discriminator_loss_and_grads(few_images(4, "float64"), z)
    with pytest.raises(ValueError, match=r"z has shape|x has shape \(4, 2\)"):
        gan.generator_loss_and_grads(z[:, :2])


@pytest.mark.parametrize("pixel", [np.nan, -1, 255])
def test_pixels_that_are_none_are_refused(pixel):
    gan, images = small(), few_images(4)
    images[2, 1, 0, 0] = pixel
    with pytest.raises(ValueError, match=r"GAN: image 2 has \S+ at pixel "
                                         r"\[1, 0, 0\], but numbers from 0"):
        gan.discriminator_loss_and_grads(images, gan.noise(4, 0))


@pytest.mark.parametrize("shape, dtype, error, says", [
    ((4, 8, 8, 1), "float32", ValueError, r"shape \(4, 8, 8, 1\)"),
    ((1, 8, 8, 1), "float32", ValueError, r"shape \(1, 8, 8, 1\)"),
    ((8, 8, 8, 1), "float64", TypeError, "float64")])
def test_instance_noise_is_of_the_shape_of_what_it_is_added_to(
        shape, dtype, error, says):
    gan, z = small(), small().noise(4, 0)
    noise = np.zeros(shape, dtype)
    with pytest.raises(error, match=f"GAN: instance_noise .*{says}"):
        gan.discriminator_loss_and_grads(few_images(4), z, noise)
    if len(noise) != 4:
        with pytest.raises(error, match=f"GAN: instance_noise .*{says}"):
            gan.generator_loss_and_grads(z, noise)


def test_one_image_is_enough_and_none_is_refused():
    gan = small()
    loss, grads = gan.discriminator_loss_and_grads(
        few_images(1), gan.noise(1, 0), None, 1.0)
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in grads.values())
    with pytest.raises(ValueError, match="GAN: the batch has no image"):
        gan.discriminator_loss_and_grads(few_images(0), gan.noise(1, 0))
    with pytest.raises(ValueError, match="GAN: the batch has no image"):
        gan.generator_loss_and_grads(gan.noise(1, 0)[:0])
    with pytest.raises(ValueError, match="r1_penalty: the batch has no "):
        r1_penalty(gan.discriminator, few_images(0))
    with pytest.raises(ValueError, match="n is 0"):
        gan.noise(0)


@pytest.mark.parametrize("shape", [(28, 28), (6, 8, 1), (8, 10, 1)])
def test_images_that_strides_do_not_divide_are_refused(shape):
    with pytest.raises(ValueError, match="^conv_gan: "):
        conv_gan(shape)


@pytest.mark.parametrize("r1", [-1.0, np.nan, np.inf])
def test_a_weight_that_cannot_be_is_refused(r1):
    gan = small()
    with pytest.raises(ValueError, match=f"the weight of R1 is {r1}"):
        gan.discriminator_loss_and_grads(few_images(4), gan.noise(4, 0),
                                         r1=r1)


def test_networks_that_share_a_layer_are_refused():
    layer = Dense(4, 4)
    with pytest.raises(ValueError, match="GAN: generator.0 and "):
        GAN(Sequential([layer]), Sequential([layer, Dense(4, 1)]))
    with pytest.raises(TypeError, match="GAN: discriminator is None"):
        GAN(Sequential([Dense(2, 4), Reshape((2, 2, 1))]), None)


def test_a_leaky_relu_is_never_off():
    layer = LeakyReLU(0.1)
    np.testing.assert_allclose(layer.forward(np.array([[-2.0, 0, 3]])),
                               [[-0.2, 0, 3]])
    np.testing.assert_allclose(layer.backward(np.array([[1.0, 1, 1]])),
                               [[0.1, 0.1, 1]])
    for slope in -0.1, 1.1, np.nan:
        with pytest.raises(ValueError, match=f"slope is {slope}"):
            LeakyReLU(slope)


# ---- on a GPU --------------------------------------------------------------

def test_a_gpu_is_given_nothing_of_the_cpus(monkeypatch):
    """The strict stand-in for CuPy refuses what is NumPy's."""
    cupy, x = strict_cupy.install(monkeypatch), few_images()
    gan, on_gpu = small(), small().to(cupy)
    z = gan.noise(16, 0)
    noise = np.random.default_rng(1).standard_normal((32, 8, 8, 1), "float32")
    for name, args in (("discriminator", (x, z, noise, 2.0)),
                       ("generator", (z, noise[:16]))):
        method = f"{name}_loss_and_grads"
        loss, grads = getattr(gan, method)(*args)
        there = [a if np.isscalar(a) else move(a, cupy) for a in args]
        gpu_loss, gpu_grads = getattr(on_gpu, method)(*there)
        assert float(gpu_loss) == pytest.approx(float(loss), rel=1e-6)
        for key, g in gpu_grads.items():
            np.testing.assert_allclose(to_numpy(g), grads[key], rtol=1e-3,
                                       atol=1e-4 * abs(grads[key]).max())
    Adam(on_gpu.generator.params).step(on_gpu.generator.grads)
    Adam(gan.generator.params).step(gan.generator.grads)
    made = on_gpu.sample(150, 3)
    np.testing.assert_array_equal(to_numpy(made), gan.sample(150, 3))
    assert on_gpu.to(np).sample(5, 3) == pytest.approx(gan.sample(5, 3))
