"""The variational autoencoder: its bound, the bound's gradient, its networks.

A decoder turns a code z, drawn from the prior p(z) = N(0, I), into a
distribution of images, p(x|z): for each pixel, a probability of ink. How
probable is an image x then? p(x) = ∫ p(x|z)·p(z) dz has no closed form, and a
grid over z is hopeless beyond a few dimensions. But few z could have made x,
and an encoder can learn to say which: q(z|x) = N(mu, σ²), a Gaussian cloud of
codes, independent in each dimension, with σ² = e^logvar. For every single z,
by Bayes' rule,

    p(x) = p(x|z)·p(z) / p(z|x)

Take the logarithm, subtract and add log q(z|x), and take the mean over
z ~ q(z|x):

    log p(x) = E[ log p(x|z) + log p(z) − log q(z|x) ] + KL(q(z|x) ‖ p(z|x))
               ------------------ the ELBO -----------

A KL divergence, E[log q(z|x) − log p(z|x)], is never negative; so the first
term is a lower bound on log p(x), the evidence (Kingma & Welling 2014, eq. 1
and 2). Raising it makes images more probable, or narrows the gap, which is 0
where q(z|x) is the true posterior p(z|x).

The gradient. The mean is over z ~ q(z|x), which depends on the encoder; and
backpropagation cannot pass through a draw: a random number has no derivative
with respect to mu. The *reparameterization trick* draws eps ~ N(0, I) instead
and computes z = mu + σ·eps. z is distributed as before, but the randomness is
an input now, and z a smooth function of mu and σ.

One z for each image estimates the ELBO without bias, and that is what we
train on: Adam averages over many steps anyway. E[log q(z|x) − log p(z)] also
has a closed form, KL(q(z|x) ‖ p(z)) (losses.gaussian_kl). Like the tutorial,
we take the one-sample estimate: it needs no more than two densities, so that
other priors will do; and once q(z|x) is near p(z|x), the noise of the KL
estimate partly cancels that of log p(x|z) (demos/elbo.py measures both).
"""
from types import ModuleType
from typing import Any

import numpy as np

from .backend import Array, Seed, get_xp, move
from .checks.arrays import check_array, check_same, check_sizes
from .checks.images import check_image_shape, check_not_empty, check_pixels
from .checks.networks import Grads, Params, in_features_of
from .conv import Conv2D, Conv2DTranspose
from .layers import (Dense, Flatten, Layer, ReLU, Reshape, Sequential, by_name,
                     check_layers, sigmoid, sublayers)
from .losses import (bernoulli_logpdf, gaussian_logpdf,
                     gaussian_pixels_logpdf)

# log p(x|z) from a decoder's logits; sigmoid(logit) is a pixel's mean in both
LIKELIHOODS = {"bernoulli": bernoulli_logpdf,
               "continuous": gaussian_pixels_logpdf}


def reparameterize(mu: Array, logvar: Array, eps: Array) -> Array:
    """z = mu + σ·eps, with σ = e^(logvar/2): all of them (N, D).

    z ~ N(mu, σ²) where eps ~ N(0, 1): the draw has become an input, and z a
    smooth function of mu and logvar (Kingma & Welling 2014, section 2.4).
    """
    check_same("reparameterize", ("N", "D"), mu=mu, logvar=logvar, eps=eps)
    return mu + get_xp(mu).exp(0.5 * logvar) * eps


def reparameterize_backward(dz: Array, logvar: Array,
                            eps: Array) -> tuple[Array, Array]:
    """Return dmu and dlogvar: ∂z/∂mu = 1, and ∂z/∂logvar = ½·σ·eps."""
    return dz, dz * (0.5 * get_xp(dz).exp(0.5 * logvar) * eps)


class VAE:
    """A VAE of any two networks that fit together.

    encoder: images (N, ...) -> (N, 2·D), mu and logvar side by side
    decoder: codes z (N, D) -> logits (N, ...), one for each pixel; it begins
    with a Dense, or another layer with in_features = D
    likelihood: "bernoulli" for pixels of 0 and 1, "continuous" for all grey
    values in between (a Gaussian)
    Raises ValueError where they share a layer, and where a call finds that
    their sizes do not fit; TypeError for what is no layer.
    """

    cache: Any = None
    __getstate__ = Layer.__getstate__

    def __init__(self, encoder: Layer, decoder: Layer,
                 likelihood: str = "bernoulli"):
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"VAE: likelihood is {likelihood!r}; it can be "
                             f"{' or '.join(map(repr, LIKELIHOODS))}")
        self.encoder, self.decoder = encoder, decoder
        check_layers("VAE", self._networks())
        self.latent_dim                  # raises if the decoder does not say D
        self.likelihood = likelihood
        self.log_p_x = LIKELIHOODS[likelihood]

    # ---- the bound and its gradient ----------------------------------------

    def elbo_terms(self, x: Array, eps: Array) -> tuple[Array, Array]:
        """Return (reconstruction, kl), each (N,) in nats, from one sample.

        x is (N, ...), eps (N, D) ~ N(0, 1). reconstruction = log p(x|z) and
        kl = log q(z|x) − log p(z), at z = reparameterize(mu, logvar, eps).
        The mean of kl over eps is KL(q(z|x) ‖ p(z)); one draw can be below 0.
        Raises ValueError for pixels that are not in 0..1. (On a GPU values are
        not checked here: that would make the CPU wait.)
        """
        if type(x) is np.ndarray:
            check_pixels("VAE", x)
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar, eps)
        logits = self.decode(z)
        check_array("VAE", "the decoder's output", logits, x.shape, like=x)
        log_p_x, dlogits = self.log_p_x(x, logits)
        log_p_z, dz_prior, _, _ = gaussian_logpdf(z)
        # z is eps, shifted and stretched by σ; so its density is that of eps,
        # divided by the product of all σ (change of variables). It equals
        # gaussian_logpdf(z, mu, logvar), but there z − mu would lose eps to
        # rounding where σ is small. (dlogits and dz_prior are the gradients
        # of log p(x|z) and log p(z), not yet of the loss.)
        log_q = gaussian_logpdf(eps)[0] - 0.5 * logvar.sum(axis=1)
        self.cache = logvar, dlogits, dz_prior
        return log_p_x, log_q - log_p_z

    def elbo(self, x: Array, eps: Array) -> Array:
        """Return the one-sample ELBO of each image x: (N,), in nats."""
        reconstruction, kl = self.elbo_terms(x, eps)
        return reconstruction - kl

    def loss_and_grads(self, x: Array, eps: Array,
                       beta: float = 1.0) -> tuple[Array, dict]:
        """Return the loss, one number, and its gradients by name.

        With beta = 1 it is minus the mean ELBO. x is (N, ...), eps (N, D).
        beta weighs the KL: above 1 codes cost more than they should (Higgins
        et al. 2017), below 1 less, and with 0 and eps = 0 what remains is an
        ordinary autoencoder's loss. Raises ValueError for an empty batch.
        """
        check_not_empty("loss_and_grads", x)
        check_layers("VAE", self._networks())    # they may have been changed
        reconstruction, kl = self.elbo_terms(x, eps)
        loss = (beta * kl - reconstruction).mean()

        # Backwards, from the loss to the encoder:
        #   loss = 1/N Σ [ β·log q(z|x) − log p(x|z) − β·log p(z) ]
        N, (logvar, dlogits, dz_prior) = len(x), self.cache
        # through log p(x|z), whose gradient is dlogits, and the decoder
        dz = self.decoder.backward(-dlogits / N)
        # z also enters log p(z), so the two gradients add
        dz = dz - beta * dz_prior / N
        # z = mu + e^(logvar/2)·eps
        dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
        # log q(z|x) = log N(eps; 0, I) − Σ ½·logvar: no z, but logvar itself
        dlogvar = dlogvar - beta * 0.5 / N
        # and through the encoder; nobody needs the images' gradient
        self.encoder.backward_params(
            get_xp(dz).concatenate([dmu, dlogvar], axis=1))
        return loss, self.grads

    # ---- the two networks --------------------------------------------------

    def encode(self, x: Array) -> tuple[Array, Array]:
        """Images x (N, ...) -> mu and logvar, each (N, D)."""
        code = self.encoder.forward(x)
        check_array("encode", "the encoder's output", code,
                    (len(x), 2 * self.latent_dim))
        return code[:, :self.latent_dim], code[:, self.latent_dim:]

    def decode(self, z: Array, apply_sigmoid: bool = False) -> Array:
        """Codes z (N, D) -> logits, or with sigmoid: probabilities of ink.

        (For the continuous likelihood: the mean grey values.)
        """
        logits = self.decoder.forward(z)
        return sigmoid(logits) if apply_sigmoid else logits

    def sample(self, n: int = 100, rng: Seed = None) -> Array:
        """Decode n codes z ~ N(0, 1), as decode does with apply_sigmoid.

        N(0, 1) is the prior p(z). The KL has pulled all q(z|x) towards it:
        together they come to cover most of it, so that most of these codes lie
        near some image's. Returns (n, ...).
        """
        z = self.noise(n, rng)
        parts = [self.decode(z[start:start + 100], apply_sigmoid=True)
                 for start in range(0, n, 100)]    # a few at a time: memory
        self.forget()
        return get_xp(z).concatenate(parts)

    def noise(self, n: int, rng: Seed = None) -> Array:
        """Draw eps ~ N(0, 1), (n, D), for n images.

        Drawn in float64 by NumPy, then rounded: so float32 and float64, CPU
        and GPU see the same numbers.
        """
        check_sizes("noise", n=n)
        rng = np.random.default_rng(rng)
        return self.asarray(rng.standard_normal((n, self.latent_dim)))

    def asarray(self, a: Array) -> Array:
        """Return a as an array of the parameters' dtype, on their device."""
        w = next(iter(self.params.values()))
        return move(a, get_xp(w)).astype(w.dtype, copy=False)

    @property
    def latent_dim(self) -> int:
        """D: what the decoder's first layer takes."""
        first = self.decoder
        while sublayers(first):
            first = sublayers(first)[0]
        return in_features_of(first)

    @property
    def params(self) -> dict:
        """All parameters: "encoder.0.w", ..., the layers' own arrays."""
        return Params(by_name("params", self._networks()))

    @property
    def grads(self) -> dict:
        """Their gradients at the last loss_and_grads, by the same names."""
        return Grads(by_name("grads", self._networks()), self.params)

    def to(self, xp: ModuleType) -> "VAE":
        """Move the parameters to xp, numpy or cupy, and return self."""
        for _, network in self._networks():
            network.to(xp)
        return self

    def forget(self) -> None:
        """Let go of what the last batch has left for backward."""
        self.cache = None
        for _, network in self._networks():
            network.forget()

    def _networks(self):
        return ("encoder", self.encoder), ("decoder", self.decoder)


def conv_vae(image_shape: tuple = (28, 28, 1), latent_dim: int = 2, *,
             filters: int = 32, likelihood: str = "bernoulli",
             rng: Seed = None, dtype=np.float32) -> VAE:
    """The tutorial's network; with its defaults, 69,989 parameters.

    image_shape: (H, W, C), H and W multiples of 4, at least 8. filters: those
    of the first convolution; all others follow. likelihood: as for VAE. rng:
    a numpy Generator, or a seed for one.
    """
    H, W, C = check_image_shape("conv_vae", image_shape)
    check_sizes("conv_vae", latent_dim=latent_dim, filters=filters)
    settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
    D, F, h, w = latent_dim, filters, H // 4, W // 4

    # Height: 4·h pixels, then (4·h − 3) // 2 + 1 = 2·h − 1 windows of 3 with a
    # stride of 2, then (2·h − 4) // 2 + 1 = h − 1. Width alike.
    encoder = Sequential([                                   # (N, H, W, C)
        Conv2D(C, F, 3, strides=2, **settings), ReLU(),
        Conv2D(F, 2 * F, 3, strides=2, **settings), ReLU(),
        Flatten(),                                # (N, (h−1)·(w−1)·2F)
        Dense((h - 1) * (w - 1) * 2 * F, 2 * D, **settings)])   # (N, 2·D)

    up = {"strides": 2, "padding": "same", **settings}
    decoder = Sequential([                                   # (N, D)
        Dense(D, h * w * F, **settings), ReLU(),
        Reshape((h, w, F)),                                  # (N, h, w, F)
        Conv2DTranspose(F, 2 * F, 3, **up), ReLU(),     # (N, 2h, 2w, 2F)
        Conv2DTranspose(2 * F, F, 3, **up), ReLU(),     # (N, 4h, 4w, F)
        Conv2DTranspose(F, C, 3, padding="same", **settings)])
    return VAE(encoder, decoder, likelihood)                 # (N, H, W, C)
