"""The VAE: its bound, the bound's gradient, its noise, its networks."""
import copy
import math
import pickle

import numpy as np
import pytest

from minivae import (VAE, Dense, ReLU, Sequential, bernoulli_logpdf,
                     check_function, conv_vae, gaussian_kl, gaussian_logpdf,
                     gaussian_pixels_logpdf, reparameterize)
from minivae.extras.likelihood import log_likelihood
from minivae.vae import reparameterize_backward


def small_vae(dtype="float64", latent_dim=2, **kwargs):
    """The tutorial's network with 2 filters, on 8 × 8; biases not 0."""
    rng = np.random.default_rng(0)
    vae = conv_vae((8, 8, 1), latent_dim, filters=2, rng=rng, dtype=dtype,
                   **kwargs)
    for p in vae.params.values():
        p += 0.1 * rng.standard_normal(p.shape)
    return vae


def batch(N=4, latent_dim=2, dtype="float64", seed=1):
    rng = np.random.default_rng(seed)
    x = (rng.random((N, 8, 8, 1)) < 0.5).astype(dtype)
    return x, rng.standard_normal((N, latent_dim)).astype(dtype)


# ---- gradients -------------------------------------------------------------

@pytest.mark.parametrize("latent_dim, beta, likelihood", [
    (1, 1, "bernoulli"), (2, 1, "bernoulli"), (3, 1, "bernoulli"),
    (2, 0.3, "bernoulli"), (2, 1, "continuous")])
def test_gradients_of_the_whole_vae(prove, latent_dim, beta, likelihood):
    vae = small_vae(latent_dim=latent_dim, likelihood=likelihood)
    x, eps = batch(4, latent_dim)
    if likelihood == "continuous":
        x *= np.random.default_rng(2).random(x.shape)
    _, grads = vae.loss_and_grads(x, eps, beta)
    grads = {name: g.copy() for name, g in grads.items()}

    def bound():
        reconstruction, kl = vae.elbo_terms(x, eps)
        return reconstruction - beta * kl
    prove(check_function("VAE", bound, np.full(len(x), -1 / len(x)),
                         {name: (p, grads[name])
                          for name, p in vae.params.items()},
                         tolerance=1e-6, verbose=False))


def test_no_mask_bit_flips_in_that_check():
    # The check above is exact only if no ReLU switches within ±1e-5; so
    # move every parameter by that and compare which units are on.
    vae, (x, eps) = small_vae(), batch()

    def masks():
        vae.elbo(x, eps)
        return [layer.cache > 0 for network in (vae.encoder, vae.decoder)
                for layer in network.layers if repr(layer) == "ReLU()"]

    still = masks()
    assert len(still) == 5 and all(0 < m.mean() < 1 for m in still)
    for p in vae.params.values():
        for i in np.ndindex(p.shape):
            p_i = p[i]
            for h in 1e-5, -1e-5:
                p[i] = p_i + h
                assert all(map(np.array_equal, masks(), still))
            p[i] = p_i


@pytest.mark.parametrize("seed", range(5))
def test_taylor(seed):
    # J(p + h·d) − J(p) − h·dJ·d is O(h²): it falls by 4 as h halves, in any
    # direction d; with one wrong element in dJ it falls by 2.
    vae, (x, eps) = small_vae(), batch()
    rng = np.random.default_rng(seed)
    start = {name: p.copy() for name, p in vae.params.items()}
    d = {name: rng.standard_normal(p.shape) for name, p in start.items()}
    J, grads = vae.loss_and_grads(x, eps)
    slope = sum((grads[name] * d[name]).sum() for name in d)
    rests = []
    for h in 2.0 ** -np.arange(15, 20):
        for name, p in vae.params.items():
            p[...] = start[name] + h * d[name]
        rests.append(abs(-vae.elbo(x, eps).mean() - J - h * slope))
    slopes = np.log2(np.divide(rests[:-1], rests[1:]))
    assert 1.95 < slopes.mean() < 2.05, slopes


def test_a_likelihood_is_what_was_asked_for():
    (x, eps), bits = batch(), small_vae()
    grey = small_vae(likelihood="continuous")
    z = reparameterize(*grey.encode(x), eps)
    for vae, logpdf in (bits, bernoulli_logpdf), (grey,
                                                  gaussian_pixels_logpdf):
        np.testing.assert_array_equal(vae.elbo_terms(x, eps)[0],
                                      logpdf(x, vae.decode(z))[0])
    with pytest.raises(ValueError, match="likelihood is 'grey'; it can be "
                       "'bernoulli' or 'continuous'"):
        small_vae(likelihood="grey")


def test_gradients_of_reparameterize(prove):
    rng = np.random.default_rng(0)
    mu, logvar, eps, dz = (rng.standard_normal((5, 3)) for _ in range(4))
    dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
    prove(check_function("reparameterize",
                         lambda: reparameterize(mu, logvar, eps), dz,
                         {"mu": (mu, dmu), "logvar": (logvar, dlogvar)},
                         verbose=False))


# ---- what a gradient check cannot see --------------------------------------

def test_samples_have_the_mean_and_variance_they_should():
    rng = np.random.default_rng(0)
    N, mu, logvar = 100_000, np.array([1.5, -2.0]), np.array([-1.0, 1.4])
    z = reparameterize(np.tile(mu, (N, 1)), np.tile(logvar, (N, 1)),
                       rng.standard_normal((N, 2)))
    sigma = np.exp(logvar / 2)
    assert (abs(z.mean(0) - mu) < 4 * sigma / math.sqrt(N)).all()
    assert (abs(z.std(0) - sigma) < 4 * sigma / math.sqrt(2 * N)).all()
    assert abs(np.corrcoef(z.T)[0, 1]) < 4 / math.sqrt(N)


def test_noise_is_standard_normal_and_fresh():
    vae, rng = small_vae(), np.random.default_rng(0)
    eps = vae.noise(50_000, rng)
    assert abs(eps.mean()) < 4 / math.sqrt(eps.size)
    assert abs(eps.std() - 1) < 4 / math.sqrt(2 * eps.size)
    assert not np.array_equal(eps, vae.noise(50_000, rng))
    single = small_vae("float32").noise(9, np.random.default_rng(5))
    double = vae.noise(9, np.random.default_rng(5))
    np.testing.assert_array_equal(single, double.astype("float32"))


def linear_vae(D=2, pixels=6):
    """A VAE whose q(z|x) has a known mean and variance for each x."""
    rng = np.random.default_rng(0)
    return VAE(Sequential([Dense(pixels, 2 * D, rng=rng, dtype="float64")]),
               Sequential([Dense(D, pixels, rng=rng, dtype="float64")]))


def test_the_bound_is_its_definition():
    # ELBO = log p(x|z) + log p(z) − log q(z|x), by the densities themselves
    vae, (x, eps) = small_vae(), batch()
    mu, logvar = vae.encode(x)
    z = mu + np.exp(logvar / 2) * eps
    want = (bernoulli_logpdf(x, vae.decode(z))[0] + gaussian_logpdf(z)[0]
            - gaussian_logpdf(z, mu, logvar)[0])
    np.testing.assert_allclose(vae.elbo(x, eps), want, rtol=1e-12)
    reconstruction, kl = vae.elbo_terms(x, eps)
    np.testing.assert_allclose(reconstruction - kl, want, rtol=1e-12)
    loss, _ = vae.loss_and_grads(x, eps)
    assert loss == pytest.approx(-want.mean(), rel=1e-12)


def test_the_samples_kl_is_right_in_the_mean():
    vae, rng, S = linear_vae(), np.random.default_rng(1), 100_000
    x = np.repeat([[1.0, 0, 1, 1, 0, 0]], S, axis=0)
    kl = vae.elbo_terms(x, rng.standard_normal((S, 2)))[1]
    exact = gaussian_kl(*vae.encode(x[:1]))[0][0]
    error = kl.std() / math.sqrt(S)
    assert abs(kl.mean() - exact) < 4 * error and error < 0.01 * exact


def test_the_estimates_gradient_is_right_in_the_mean():
    # The KL term alone: a decoder of zeros gives log p(x|z) no gradient. Its
    # Monte-Carlo gradient must have the closed form's as its mean.
    vae, rng, S = linear_vae(), np.random.default_rng(1), 200_000
    for p in vae.decoder.params.values():
        p[...] = 0
    x = np.array([[1.0, 0, 1, 1, 0, 0]])
    _, dmu, dlogvar = gaussian_kl(*vae.encode(x))
    many, eps = np.repeat(x, S, axis=0), rng.standard_normal((S, 2))
    _, grads = vae.loss_and_grads(many, eps)
    got = grads["encoder.0.b"]                        # = Σ dcode, the mean
    mu, logvar = vae.encode(many)
    z = reparameterize(mu, logvar, eps)
    each = np.concatenate([z, z * 0.5 * (z - mu) - 0.5], axis=1)
    error = each.std(axis=0) / math.sqrt(S)
    want = np.concatenate([dmu, dlogvar], axis=1)[0]
    assert (abs(got - want) < 4 * error).all()
    assert (error < 0.02).all() and (abs(want) > 10 * error).any()


@pytest.fixture(scope="module")
def known():
    """A VAE, an image (1, 6), and its log p(x): by an integral over z."""
    vae = linear_vae()
    vae.encoder.params["0.w"][:, 2:] = 0
    vae.encoder.params["0.b"][2:] = 0.5     # wide, so that no weight is huge
    side = np.linspace(-8, 8, 321)
    z = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    x = np.array([[1.0, 0, 1, 1, 0, 0]])
    log_joint = (bernoulli_logpdf(np.repeat(x, len(z), 0), vae.decode(z))[0]
                 + gaussian_logpdf(z)[0])
    log_p = math.log(np.exp(log_joint).sum() * (side[1] - side[0]) ** 2)
    return vae, x, log_p


def test_the_bound_is_below_the_likelihood(known):
    vae, x, log_p = known
    S = 100_000
    elbo = vae.elbo(np.repeat(x, S, 0),
                    np.random.default_rng(0).standard_normal((S, 2)))
    mean, error = elbo.mean(), elbo.std() / math.sqrt(S)
    assert mean + 4 * error < log_p
    # and E[e^ELBO] = p(x) exactly: the importance-sampling identity
    weights = np.exp(elbo)
    assert abs(weights.mean() - math.exp(log_p)) < (
        4 * weights.std() / math.sqrt(S))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lv", [-50.0, 50.0])
def test_range_of_logvar(dtype, lv):
    # The encoder says logvar = ±50, whatever x is; the decoder looks away
    D, x = 2, np.zeros((3, 4), dtype)
    encoder, decoder = Dense(4, 2 * D, dtype=dtype), Dense(D, 4, dtype=dtype)
    encoder.params["w"][...] = decoder.params["w"][...] = 0
    encoder.params["b"][...] = [1, -1, lv, lv]
    vae = VAE(Sequential([encoder]), Sequential([decoder]))
    eps = np.array([[0.3, -1.2], [0.1, 2.0], [-1.0, 0.5]], dtype)
    z = np.array([1, -1]) + math.exp(lv / 2) * eps.astype("float64")
    kl = 0.5 * (z ** 2 - eps.astype("float64") ** 2 - lv).sum(axis=1)
    rtol = {"float32": 1e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(vae.elbo_terms(x, eps)[1], kl, rtol)
    _, grads = vae.loss_and_grads(x, eps)
    dlogvar = 0.5 * (z * math.exp(lv / 2) * eps - 1).mean(axis=0)
    want = np.concatenate([z.mean(axis=0), dlogvar])
    np.testing.assert_allclose(grads["encoder.0.b"], want, rtol)


def test_float32_agrees_with_float64():
    x, eps = batch()
    exact, grads = small_vae().loss_and_grads(x, eps)
    loss, grads32 = small_vae("float32").loss_and_grads(
        x.astype("float32"), eps.astype("float32"))
    assert loss == pytest.approx(exact, rel=1e-5)
    for name, g in grads.items():
        np.testing.assert_allclose(grads32[name], g, rtol=1e-5,
                                   atol=1e-5 * abs(g).max())


def test_beta_weighs_the_kl_alone():
    vae, (x, eps) = small_vae(), batch()
    reconstruction, kl = (term.mean() for term in vae.elbo_terms(x, eps))
    for beta in 0, 0.3, 1, 4:
        loss, _ = vae.loss_and_grads(x, eps, beta)
        assert loss == pytest.approx(beta * kl - reconstruction, rel=1e-12)
    # without noise and KL it is an autoencoder: logvar decides nothing
    _, grads = vae.loss_and_grads(x, 0 * eps, beta=0)
    assert not grads["encoder.5.b"][2:].any()
    assert grads["encoder.5.b"][:2].all()


def test_the_loss_is_a_mean_over_images():
    vae, (x, eps) = small_vae(), batch()
    loss, grads = vae.loss_and_grads(x, eps)
    grads = {name: g.copy() for name, g in grads.items()}
    twice, grads_twice = vae.loss_and_grads(np.concatenate([x, x]),
                                            np.concatenate([eps, eps]))
    assert twice == pytest.approx(loss, rel=1e-12)
    for name, g in grads.items():
        np.testing.assert_allclose(grads_twice[name], g, rtol=1e-9, atol=1e-12)


# ---- the networks ----------------------------------------------------------

def test_the_tutorials_network():
    vae = conv_vae()
    assert sum(p.size for p in vae.params.values()) == 69_989
    assert {p.dtype for p in vae.params.values()} == {np.dtype("float32")}
    mu, logvar = vae.encode(np.zeros((3, 28, 28, 1), "float32"))
    assert mu.shape == logvar.shape == (3, 2)
    assert vae.decode(mu).shape == (3, 28, 28, 1)
    assert list(vae.params)[:3] == ["encoder.0.w", "encoder.0.b",
                                    "encoder.2.w"]
    assert list(vae.params) == list(vae.grads)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 12, 3), (32, 16, 2)])
@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_any_size(shape, latent_dim):
    vae = conv_vae(shape, latent_dim, filters=3)
    x = np.random.default_rng(0).random((2, *shape)).round().astype("float32")
    loss, grads = vae.loss_and_grads(x, vae.noise(2))
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in grads.values())
    assert vae.sample(3).shape == (3, *shape)


def test_decode_and_sample_give_probabilities():
    vae = small_vae()
    z = np.random.default_rng(0).standard_normal((5, 2))
    p = vae.decode(z, apply_sigmoid=True)
    np.testing.assert_allclose(np.log(p / (1 - p)), vae.decode(z), atol=1e-12)
    a, b = (vae.sample(7, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert 0 < a.min() < a.max() < 1
    assert vae.sample().shape == (100, 8, 8, 1)


def test_bad_inputs_get_a_sentence():
    for name in "latent_dim", "filters":
        with pytest.raises(ValueError, match=f"conv_vae: {name} is 0"):
            conv_vae(**{name: 0})
    for shape in (30, 28, 1), (4, 4, 1), (28, 26, 1):
        with pytest.raises(ValueError, match="multiples of 4, 8 or more"):
            conv_vae(shape)
    with pytest.raises(ValueError, match=r"three sizes \(H, W, C\)"):
        conv_vae((28, 28))
    with pytest.raises(ValueError, match="channels is 0"):
        conv_vae((28, 28, 0))
    vae, (x, eps) = small_vae(), batch()
    with pytest.raises(ValueError, match="eps has shape"):
        vae.elbo(x, eps[:1])
    with pytest.raises(ValueError, match=r"\(N, H, W, 1\) was expected"):
        vae.elbo(x[..., 0], eps)
    with pytest.raises(ValueError, match="the mean over none"):
        vae.loss_and_grads(x[:0], eps[:0])
    with pytest.raises(ValueError, match="n is 0"):
        vae.sample(0)
    odd = VAE(Sequential([Dense(4, 3)]), Sequential([Dense(2, 4)]))
    with pytest.raises(ValueError, match="the encoder's output has shape"):
        odd.encode(np.zeros((1, 4), "float32"))


def test_one_seed_gives_layers_different_draws():
    first, second = (vae_w.ravel()[:288] for name, vae_w
                     in conv_vae(rng=0).params.items()
                     if name in ("encoder.0.w", "encoder.2.w"))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.3


def test_the_two_networks_share_no_layer():
    relu = ReLU()
    encoder = Sequential([Dense(4, 4), relu])
    for decoder in Sequential([Dense(2, 4), relu]), Sequential(
            [Dense(2, 4), Sequential([relu])]):
        with pytest.raises(ValueError, match="VAE: encoder.1 and decoder.1.* "
                           r"are one and the same ReLU\(\); make a layer"):
            VAE(encoder, decoder)
    with pytest.raises(TypeError, match="VAE: decoder is None, but a layer"):
        VAE(encoder, None)


def test_any_network_that_says_how_long_a_code_is_decodes():
    x, eps = np.ones((3, 4), "float32"), np.ones((3, 2), "float32")
    for decoder in Dense(2, 4), Sequential([Sequential([Dense(2, 4)])]):
        vae = VAE(Dense(4, 4), decoder)
        assert vae.latent_dim == 2 and vae.elbo(x, eps).shape == (3,)
    for decoder, first in (Sequential([ReLU(), Dense(2, 4)]), "ReLU"), (
            Sequential([]), "Sequential"), (ReLU(), "ReLU"):
        with pytest.raises(ValueError, match=f"decoder begins with {first}.* "
                           "does not say how many numbers a code has"):
            VAE(Dense(4, 4), decoder)
    with pytest.raises(ValueError, match="VAE: the decoder's output has shape "
                       r"\(3, 5\), but \(3, 4\) was expected"):
        VAE(Dense(4, 4), Dense(2, 5)).elbo(x, eps)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 255, -1, 1.001])
@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous"])
def test_pixels_out_of_range_are_named(bad, likelihood):
    vae, (x, eps) = small_vae(likelihood=likelihood), batch(130)
    x[120, 3, 4, 0] = bad
    for who, score in [("VAE", lambda: vae.elbo(x, eps)),
                       ("VAE", lambda: vae.loss_and_grads(x, eps)),
                       ("log_likelihood", lambda: log_likelihood(vae, x, 1))]:
        with pytest.raises(ValueError, match=rf"{who}: image 120 has {bad}.* "
                           r"at pixel \[3, 4, 0\], but numbers from 0 to 1"):
            score()


def test_many_samples_are_decoded_few_at_a_time(monkeypatch):
    vae, sizes = small_vae("float32"), []
    whole = vae.decode(vae.noise(250, 3), apply_sigmoid=True)
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z, **how: (
        sizes.append(len(z)), decode(z, **how))[1])
    np.testing.assert_allclose(vae.sample(250, 3), whole, rtol=1e-5)
    assert sizes == [100, 100, 50]


def test_a_batch_is_forgotten():
    vae, (x, eps) = small_vae(), batch()
    layers = [layer for network in (vae.encoder, vae.decoder)
              for layer in network.layers]
    for work in (vae.forget, lambda: vae.sample(3),
                 lambda: log_likelihood(vae, x, 1)):
        vae.elbo(x, eps)
        assert vae.cache is not None and layers[0].cache is x
        work()
        assert all(kept.cache is None for kept in (vae, *layers))
    small = len(pickle.dumps(vae))
    vae.elbo(np.tile(x, (100, 1, 1, 1)), np.tile(eps, (100, 1)))
    assert len(pickle.dumps(vae)) == small
    assert copy.deepcopy(vae).cache is None and vae.cache is not None


@pytest.mark.parametrize("make", [
    lambda a: a.tolist(), lambda a: a[0, 0], lambda a: np.ma.array(a),
    lambda a: a.view(np.matrix), lambda a: None, lambda a: a.astype(int)])
def test_reparameterize_takes_arrays_alone(make):
    a = make(np.ones((2, 2)))
    with pytest.raises(TypeError, match="reparameterize: mu is .*expected"):
        reparameterize(a, a, a)


@pytest.mark.parametrize("name", ["logvar", "eps"])
def test_reparameterize_broadcasts_nothing(name):
    arrays = {"mu": np.zeros((3, 2)), "logvar": np.zeros((3, 2)),
              "eps": np.zeros((3, 2))}
    with pytest.raises(ValueError, match=f"{name} has shape .1, 2."):
        reparameterize(**arrays | {name: np.zeros((1, 2))})


def test_a_layer_that_comes_to_stand_twice_is_refused():
    vae, (x, eps) = small_vae(), batch()
    vae.decoder.layers[4] = vae.decoder.layers[1]
    with pytest.raises(ValueError, match="VAE: decoder.1 and decoder.4 are "
                       r"one and the same ReLU\(\); make a layer for each"):
        vae.loss_and_grads(x, eps)
