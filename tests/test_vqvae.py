"""Two levels of codes: gradients are the surrogate's, and the bound is one.

On images of 8 x 8 there is one top code and four bottom codes: with three in
each codebook, all 243 pairs can be summed over.
"""
import itertools

import numpy as np
import pytest

from minivae import Conv2D, Conv2DTranspose, Layer, check_function
from minivae.beyond import vqvae
from minivae.beyond.quantize import Codebook
from minivae.beyond.two_levels import TwoLevels
from minivae.beyond.upsample import Upsample
from minivae.beyond.vqvae import VQVAE
from minivae.beyond.vqvae2 import VQVAE2
from minivae.layers import sigmoid
from minivae.losses import bernoulli_logpdf

PAIRS = np.array(list(itertools.product(range(3), repeat=5)))
TOP, BOTTOM = PAIRS[:, :1].reshape(-1, 1, 1), PAIRS[:, 1:].reshape(-1, 2, 2)


class Tanh(Layer):
    """y = tanh(x): unlike a ReLU, smooth."""

    def forward(self, x):
        self.cache = np.tanh(x)
        return self.cache

    def backward(self, dy):
        return dy * (1 - self.cache ** 2)


@pytest.fixture
def x():
    return np.random.default_rng(1).integers(2, size=(4, 8, 8, 1)).astype(
        "float64")


@pytest.fixture
def vae(monkeypatch):
    monkeypatch.setattr(vqvae, "ReLU", Tanh)     # differences see no kink
    vae = VQVAE((8, 8, 1), 3, D=2, filters=2, rng=0, dtype="float64")
    for p in vae.params.values():         # so that gradients are not so small
        p *= 2                            # that differences' rounding shows
    return vae


@pytest.fixture
def prior():
    prior = TwoLevels(((1, 1), (2, 2)), 3, filters=2, blocks=1, rng=1,
                      dtype="float64")
    for name, p in prior.params.items():  # a bias of 0 would hide its absence
        if name.endswith("b"):
            p += np.random.default_rng(2).standard_normal(p.shape)
    return prior


# ---- codes and images ------------------------------------------------------

@pytest.mark.parametrize("H, W, shapes", [
    (28, 28, ((4, 4), (7, 7))), (8, 16, ((1, 2), (2, 4)))])
def test_its_two_grids(H, W, shapes):
    vae = VQVAE((H, W, 3), 5, D=4, filters=3, rng=0)
    x = np.ones((2, H, W, 3), np.float32)
    codes = vae.encode(x)
    assert tuple(c.shape[1:] for c in codes) == shapes == vae.code_shapes
    logits = vae.decode(*codes)
    assert logits.shape == x.shape and logits.dtype == np.float32
    np.testing.assert_array_equal(vae.decode(*codes, apply_sigmoid=True),
                                  sigmoid(logits))
    loss, grads = vae.loss_and_grads(x)
    assert loss.dtype == np.float32 and grads.keys() == vae.params.keys()


def test_a_model_of_images_is_of_28_pixels_unless_it_is_told():
    model = VQVAE2(rng=0)
    assert model.codec.image_shape == (28, 28, 1) and model.prior.K == 64
    assert model.prior.code_shapes == ((4, 4), (7, 7))


def test_codes_are_the_nearest_and_bottoms_know_the_top(vae, x):
    top, bottom = vae.encode(x)
    features = vae.encoder.forward(x)
    assert (top == vae.top.nearest(vae.to_top.forward(features))).all()
    # with another code on top, the bottom's vectors are others
    _, _, z_bottom, _ = vae.cache
    vae.top.vectors = vae.top.vectors[[1, 2, 0]] + 1
    vae.encode(x)
    assert (abs(vae.cache[2] - z_bottom) > 1e-6).all()


def test_the_decoder_gets_both(vae):
    for book in vae.top, vae.bottom:
        book.vectors = np.eye(3, 2)
    logits = vae.decode(TOP, BOTTOM)
    assert len(np.unique(logits.round(9), axis=0)) == len(PAIRS)


def test_upsample_is_the_transpose_of_a_convolution():
    rng = np.random.default_rng(0)
    up = Upsample(3, 2, (7, 5), rng=0, dtype="float64")
    down = Conv2D(2, 3, 3, 2, "same", dtype="float64")
    down.params["w"] = up.params["w"]
    small, large = (rng.standard_normal(s) for s in (
        (1, 4, 3, 3), (1, 7, 5, 2)))
    # ⟨A·large, small⟩ = ⟨large, Aᵀ·small⟩
    assert (down.forward(large) * small).sum() == pytest.approx(
        (large * up.forward(small)).sum())
    # and where the size is even, it is the layer that everybody knows
    up.size, known = (8, 6), Conv2DTranspose(3, 2, 3, 2, "same",
                                             dtype="float64")
    known.params["w"] = up.params["w"]
    np.testing.assert_array_equal(up.forward(small), known.forward(small))


# ---- the loss and its gradient ---------------------------------------------

def test_the_loss_is_what_it_says(vae, x):
    loss, _ = vae.loss_and_grads(x)
    codes = vae.encode(x)
    z_top, e_top, z_bottom, e_bottom = vae.cache
    np.testing.assert_array_equal(e_top, vae.top.vectors[codes[0]])
    np.testing.assert_array_equal(e_bottom, vae.bottom.vectors[codes[1]])
    log_p, _ = bernoulli_logpdf(x, vae.decode(*codes))
    price = ((z_top - e_top) ** 2).sum((1, 2, 3)) + (
        (z_bottom - e_bottom) ** 2).sum((1, 2, 3))
    assert loss == pytest.approx((0.25 * price - log_p).mean(), rel=1e-13)


def of_each_pixel(x, logits):
    """log p of each pixel alone: of a sum, differences would lose digits."""
    return bernoulli_logpdf(x.reshape(-1, 1), logits.reshape(-1, 1))[0]


@pytest.mark.parametrize("beta", [0.25, 2.0])
def test_gradients_are_those_of_the_surrogate(vae, x, beta, monkeypatch,
                                              prove):
    """Each code becomes z + constant, and the commitment's e a constant."""
    vae.beta = beta
    loss, grads = vae.loss_and_grads(x)
    pairs = {name: (p, grads[name].copy()) for name, p in vae.params.items()}
    z_top, e_top, z_bottom, e_bottom = vae.cache

    def surrogate():
        features = vae.encoder.forward(x)
        top = vae.to_top.forward(features)
        up = vae.from_top.forward(top + (e_top - z_top))
        bottom = vae.to_bottom.forward(np.concatenate([features, up], -1))
        logits = vae.decoder.forward(np.concatenate(
            [bottom + (e_bottom - z_bottom), up], -1))
        return np.concatenate([
            of_each_pixel(x, logits), (top - e_top).ravel() ** 2,
            (bottom - e_bottom).ravel() ** 2])
    weights = np.full(surrogate().shape, beta / len(x))
    weights[:x.size] = -1 / len(x)
    assert (weights * surrogate()).sum() == pytest.approx(loss, rel=1e-13)
    prove(check_function("VQ-VAE", surrogate, weights, pairs, verbose=False))


def test_the_decoder_alone_has_true_gradients(vae, x, prove):
    codes = vae.encode(x)
    _, grads = vae.loss_and_grads(x)
    prove(check_function(
        "decoder", lambda: of_each_pixel(x, vae.decode(*codes)),
        np.full(x.size, -1 / len(x)),
        {name: (p, grads[name].copy()) for name, p in vae.params.items()
         if name.startswith("decoder")}, verbose=False))


def test_codebooks_follow_their_vectors(vae, x):
    vae.loss_and_grads(x)
    z_top, _, z_bottom, _ = vae.cache
    want = []
    rng = np.random.default_rng(5)
    for book, z in (vae.top, z_top), (vae.bottom, z_bottom):
        other = Codebook(3, 2, dtype="float64")
        vars(other).update({name: a.copy() for name, a in vars(book).items()
                            if name != "decay"})
        other.update(z, book.nearest(z), rng)
        want.append(other.vectors)
    vae.update_codebooks(rng=5)
    np.testing.assert_array_equal(vae.top.vectors, want[0])
    np.testing.assert_array_equal(vae.bottom.vectors, want[1])


def test_it_is_the_same_from_the_same_seed(x):
    made = []
    for seed in 0, 0, 1:
        vae = VQVAE((8, 8, 1), 3, D=2, filters=3, rng=seed, dtype="float64")
        vae.loss_and_grads(x)
        vae.update_codebooks(seed)
        made.append(vae.decode(*vae.encode(x)))
    assert (made[0] == made[1]).all() and (made[0] != made[2]).any()


# ---- the prior, and the bound ----------------------------------------------

def test_the_priors_probabilities_add_up_to_1(prior):
    p = np.exp(prior.log_prob(TOP, BOTTOM))
    assert p.min() > 0 and abs(p.sum() - 1) < 1e-12
    # and given each top code, those of the bottom do
    for k in range(3):
        given = prior.bottom.log_prob(BOTTOM[:81], prior.condition(
            np.full((81, 1, 1), k)))
        assert abs(np.exp(given).sum() - 1) < 1e-12


def test_what_stands_below_depends_on_what_stands_above(prior):
    bottom = np.array([[[0, 2], [1, 1]]])
    given = [prior.bottom.log_prob(bottom, prior.condition(
        np.full((1, 1, 1), top))).item() for top in range(3)]
    assert len({round(log_p, 4) for log_p in given}) == 3


def test_samples_have_their_probabilities(prior):
    n = 40_000
    p = np.exp(prior.log_prob(TOP, BOTTOM))
    top, bottom = prior.sample(n, rng=0)
    drawn = np.hstack([top.reshape(n, 1), bottom.reshape(n, 4)])
    count = np.bincount(drawn @ [81, 27, 9, 3, 1], minlength=243)
    # Pearson's χ², with 242 degrees of freedom: mean 242, deviation √484
    assert ((count - n * p) ** 2 / (n * p)).sum() < 242 + 4 * 484 ** 0.5


def test_what_is_known_stays_and_the_rest_is_drawn_given_it(prior):
    n, top = 30_000, np.array([[[2]]])
    first = np.array([[[1, 0]]])                      # the bottom's first row
    drawn, bottom = prior.sample(n, rng=0, known=(
        top.repeat(n, 0), first.repeat(n, 0)))
    assert (drawn == 2).all() and (bottom[:, 0] == first[0]).all()
    known = (TOP == 2).all((1, 2)) & (BOTTOM[:, :1] == first).all((1, 2))
    p = np.exp(prior.log_prob(TOP[known], BOTTOM[known]))
    p /= p.sum()                                      # p(rest | known)
    count = np.bincount(bottom[:, 1] @ [3, 1], minlength=9)
    # χ² with 8 degrees of freedom
    assert ((count - n * p) ** 2 / (n * p)).sum() < 8 + 4 * 16 ** 0.5


def test_gradients_of_the_priors_loss(prior, prove):
    rng = np.random.default_rng(0)
    top, bottom = (rng.integers(3, size=(2, *shape))
                   for shape in prior.code_shapes)
    loss, grads = prior.loss_and_grads(top, bottom)
    assert loss == pytest.approx(-prior.log_prob(top, bottom).mean())
    prove(check_function(
        "two levels", lambda: -prior.log_prob(top, bottom).mean(), 1.0,
        {name: (p, grads[name].copy()) for name, p in prior.params.items()},
        verbose=False))


def test_the_bound_is_below_log_p(vae, prior, x):
    codes = vae.encode(x)
    log_p_x, _ = bernoulli_logpdf(x, vae.decode(*codes))
    bound = log_p_x + prior.log_prob(*codes)
    each = [bernoulli_logpdf(x, vae.decode(
        top[None].repeat(len(x), 0), bottom[None].repeat(len(x), 0)))[0]
        for top, bottom in zip(TOP, BOTTOM)]
    joint = np.array(each) + prior.log_prob(TOP, BOTTOM)[:, None]
    evidence = np.log(np.exp(joint).sum(axis=0))
    assert (bound < evidence).all()
    # it is one term of that sum
    place = np.hstack([codes[0].reshape(-1, 1), codes[1].reshape(-1, 4)]) @ [
        81, 27, 9, 3, 1]
    np.testing.assert_allclose(bound, joint[place, range(len(x))], rtol=1e-12)


# ---- what is refused -------------------------------------------------------

@pytest.mark.parametrize("settings, message", [
    ({"image_shape": (30, 28, 1)}, "VQVAE: images of 30 x 28 do not fit"),
    ({"K": 0}, "VQVAE: K is 0"), ({"D": 0}, "VQVAE: D is 0"),
    ({"filters": 1.5}, "VQVAE: filters is 1.5")])
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        VQVAE(**settings)


def test_other_images_and_codes_are_refused(vae):
    with pytest.raises(ValueError, match=r"VQVAE: x has shape \(1, 12, 8, 1"):
        vae.encode(np.zeros((1, 12, 8, 1)))
    with pytest.raises(ValueError, match="VQVAE: the batch has no image"):
        vae.loss_and_grads(np.zeros((0, *vae.image_shape)))
    for pixel in np.nan, -1, 255:
        with pytest.raises(ValueError, match="VQVAE: image 0 has .* at pixel"):
            vae.encode(np.full((1, *vae.image_shape), pixel, "float64"))
    with pytest.raises(ValueError, match="whole numbers from 0 to 2"):
        vae.decode(TOP[:1] + 3, BOTTOM[:1])


@pytest.mark.parametrize("top", [(1, 2), (3, 1)])
def test_a_prior_refuses_grids_that_do_not_fit(top):
    with pytest.raises(ValueError, match="half the bottom's rows and columns"):
        TwoLevels((top, (4, 1)), 3)


def test_a_prior_refuses_codes_out_of_range(prior):
    for top, bottom in (TOP + 3, BOTTOM), (TOP, BOTTOM - 1):
        with pytest.raises(ValueError, match="whole numbers from 0 to 2"):
            prior.log_prob(top, bottom)
    with pytest.raises(ValueError, match="sample: n is 0"):
        prior.sample(0)


def test_by_default_they_are_of_28_x_28_pixels():
    for codec in VQVAE(rng=0), VQVAE2(rng=0).codec:
        assert codec.image_shape == (28, 28, 1)
        assert codec.code_shapes == TwoLevels(rng=0).code_shapes == (
            (4, 4), (7, 7))
        assert codec.top.vectors.shape == codec.bottom.vectors.shape == (
            64, 16)
