"""The variational autoencoder: its bound, the bound's gradient, its networks.

An encoder turns an image x into a cloud of codes, q(z|x) = N(mu, e^logvar);
a decoder turns a code z into the probability of ink in every pixel, p(x|z).
Training lifts the evidence lower bound (ELBO), never above log p(x), in nats:

    ELBO(x) = E[ log p(x|z) + log p(z) − log q(z|x) ]   over z ~ q(z|x)

(Kingma & Welling 2014, eq. 2). One z for each image estimates it without
bias, and that single sample is what we train on.
"""
import math
from typing import Any

import numpy as np

from .backend import Array, Seed, get_xp, move
from .conv import Conv2D, Conv2DTranspose
from .layers import (Dense, Flatten, Layer, Network, ReLU, Reshape, Sequential,
                     check_array, check_layers, check_sizes, sigmoid,
                     sublayers)
from .losses import (bernoulli_logpdf, gaussian_logpdf,
                     gaussian_pixels_logpdf)

# log p(x|z) from a decoder's logits; σ(logit) is the mean of a pixel in both
LIKELIHOODS = {"bernoulli": bernoulli_logpdf,
               "continuous": gaussian_pixels_logpdf}


def reparameterize(mu: Array, logvar: Array, eps: Array) -> Array:
    """z = mu + σ·eps, with σ = e^(logvar/2): all of them (N, D).

    z ~ N(mu, σ²) where eps ~ N(0, 1): the draw has become an input, and z a
    smooth function of mu and logvar (Kingma & Welling 2014, section 2.4).
    """
    check_array("reparameterize", "mu", mu, ("N", "D"))
    check_array("reparameterize", "logvar", logvar, mu.shape, like=mu)
    check_array("reparameterize", "eps", eps, mu.shape, like=mu)
    return mu + get_xp(mu).exp(0.5 * logvar) * eps


def reparameterize_backward(dz: Array, logvar: Array,
                            eps: Array) -> tuple[Array, Array]:
    """Return dmu and dlogvar: dz/dmu = 1, and dz/dlogvar = ½·σ·eps."""
    return dz, dz * (0.5 * get_xp(dz).exp(0.5 * logvar) * eps)


class VAE(Network):
    """A VAE of any two networks that fit together.

    encoder: images (N, ...) -> (N, 2·D), mu beside logvar
    decoder: codes z (N, D) -> logits (N, ...), one for each pixel; it begins
    with a Dense, or another layer whose in_features are D
    likelihood: "bernoulli" for pixels of 0 and 1, "continuous" for all grey
    values in between (a Gaussian)
    Raises ValueError where these do not fit, or share a layer.
    """

    cache: Any = None
    __getstate__ = Layer.__getstate__

    def __init__(self, encoder: Layer, decoder: Layer,
                 likelihood: str = "bernoulli"):
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"VAE: likelihood is {likelihood!r}; it can be "
                             f"{' or '.join(map(repr, LIKELIHOODS))}")
        self.encoder, self.decoder = encoder, decoder
        check_layers("VAE", self.parts())
        self.latent_dim                          # refuses a decoder without
        self.likelihood = likelihood
        self.log_p_x = LIKELIHOODS[likelihood]

    # ---- the bound and its gradient ----------------------------------------

    def elbo_terms(self, x: Array, eps: Array) -> tuple[Array, Array]:
        """Return (reconstruction, kl), each (N,) in nats, from one sample.

        x is (N, ...), eps (N, D) ~ N(0, 1). reconstruction = log p(x|z) and
        kl = log q(z|x) − log p(z), at z = reparameterize(mu, logvar, eps).
        The mean of kl over eps is KL(q(z|x) ‖ p(z)); one draw can be below 0.
        Raises ValueError for pixels that are not in 0..1. (On a GPU nothing
        is looked at here, since each look would wait for it.)
        """
        if type(x) is np.ndarray:
            check_pixels("VAE", x)
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar, eps)
        logits = self.decode(z)
        check_array("VAE", "the decoder's output", logits, x.shape, like=x)
        log_p_x, dlogits = self.log_p_x(x, logits)
        log_p_z, dz_prior, _, _ = gaussian_logpdf(z)
        # z is eps, shifted and stretched by σ; so its density is that of
        # eps, over σ. (It equals gaussian_logpdf(z, mu, logvar), but there
        # z − mu would lose eps to rounding where σ is small.)
        log_q = gaussian_logpdf(eps)[0] - 0.5 * logvar.sum(axis=1)
        self.cache = logvar, dlogits, dz_prior
        return log_p_x, log_q - log_p_z

    def elbo(self, x: Array, eps: Array) -> Array:
        """Return the one-sample ELBO of each image x: (N,), in nats."""
        reconstruction, kl = self.elbo_terms(x, eps)
        return reconstruction - kl

    def loss_and_grads(self, x: Array, eps: Array,
                       beta: float = 1.0) -> tuple[Array, dict]:
        """Return minus the mean ELBO, one number, and its gradients by name.

        x is (N, ...), eps (N, D). beta weighs the KL: above 1 codes cost
        more than they should (Higgins et al. 2017), below 1 less, and with
        0 and eps = 0 there is left what an ordinary autoencoder minimises.
        Raises ValueError for a batch of none.
        """
        if len(x) == 0:
            raise ValueError("loss_and_grads: the batch has no image, and the "
                             "mean over none is undefined")
        reconstruction, kl = self.elbo_terms(x, eps)
        loss = (beta * kl - reconstruction).mean()

        # loss = −1/N Σ [log p(x|z) + β·(log p(z) − log q(z|x))], from its end
        # to its beginning. Forward has kept d log p(x|z)/dlogits and
        # d log p(z)/dz; z feeds both terms, so their gradients add up. In
        # log q = const(eps) − Σ ½·logvar there is no z, but logvar itself.
        N, (logvar, dlogits, dz_prior) = len(x), self.cache
        dz = self.decoder.backward(-dlogits / N) - beta * dz_prior / N
        dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
        dlogvar = dlogvar - beta * 0.5 / N
        self.encoder.backward(get_xp(dz).concatenate([dmu, dlogvar], axis=1))
        return loss, self.grads

    def log_likelihood(self, x: Array, k: int = 50,
                       rng: Seed = None) -> Array:
        """Estimate log p(x) of each image from k codes: (N,), in nats.

        e^ELBO from one z, w = p(x|z)·p(z)/q(z|x), is p(x) in the mean over
        z ~ q(z|x). But the logarithm bends downwards, so E[log w] is below
        log p(x): that is the ELBO. The mean of k draws of w varies less, and
        its logarithm lies in between, the closer the larger k is (Burda et
        al. 2016, eq. 8): with k = 1 this is the ELBO. x is (N, ...).
        """
        check_sizes("log_likelihood", k=k)
        check_pixels("log_likelihood", x)
        rng, xp = np.random.default_rng(rng), get_xp(x)
        parts = [xp.zeros(0)]
        for start in range(0, len(x), 100):        # few at a time, for memory
            few = x[start:start + 100]
            log_sum = xp.full(len(few), -math.inf)          # log Σ w, float64
            for _ in range(k):
                log_w = self.elbo(few, self.noise(len(few), rng))
                log_sum = xp.logaddexp(log_sum, log_w)
            parts.append(log_sum - math.log(k))
        self.forget()
        return xp.concatenate(parts)

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
        """Decode n codes z ~ N(0, 1): each pixel's probability of ink.

        N(0, 1) is the prior p(z), towards which the KL has pulled every
        q(z|x): so most of these codes lie near some image's. (n, H, W, C)
        """
        z = self.noise(n, rng)
        parts = [self.decode(z[start:start + 100], apply_sigmoid=True)
                 for start in range(0, n, 100)]    # few at a time, for memory
        self.forget()
        return get_xp(z).concatenate(parts)

    def noise(self, n: int, rng: Seed = None) -> Array:
        """Draw eps ~ N(0, 1), (n, D), for n images.

        It is rounded only after it was drawn, and by NumPy: so float32 and
        float64, CPU and GPU see the same numbers.
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
        if not hasattr(first, "in_features"):
            raise ValueError(f"VAE: the decoder begins with {first}, which "
                             "does not say how many numbers a code has; let "
                             "it begin with a Dense, or with a layer that "
                             "has in_features")
        return first.in_features

    def parts(self) -> dict[str, Layer]:
        """Return the two networks; their parameters are "encoder.0.w", ..."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def forget(self) -> None:
        """Let go of what the last batch has left for backward."""
        self.cache = None
        self.encoder.forget()
        self.decoder.forget()


def conv_vae(image_shape: tuple = (28, 28, 1), latent_dim: int = 2, *,
             filters: int = 32, likelihood: str = "bernoulli",
             rng: Seed = None, dtype=np.float32) -> VAE:
    """The tutorial's network; with its defaults, 69,989 parameters.

    image_shape: (H, W, C), H and W multiples of 4 from 8 on. filters: those
    of the first convolution; all others follow. likelihood: as for VAE. rng:
    a numpy Generator, or a seed for one.
    """
    who = "conv_vae"
    if not isinstance(image_shape, (tuple, list)) or len(image_shape) != 3:
        raise ValueError(f"{who}: image_shape is {image_shape}, but three "
                         "sizes (H, W, C) were expected")
    H, W, C = image_shape
    check_sizes(who, height=H, width=W, channels=C, latent_dim=latent_dim,
                filters=filters)
    if H % 4 or W % 4 or min(H, W) < 8:
        raise ValueError(
            f"{who}: images of {H} x {W} do not fit: the decoder doubles "
            "height and width twice and the encoder's two 3 x 3 convolutions "
            "need 8 pixels, so both must be multiples of 4, 8 or more; crop "
            "or pad them")
    settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
    D, F, h, w = latent_dim, filters, H // 4, W // 4

    # A 3 × 3 window every 2 pixels fits (n − 1) // 2 times into n pixels;
    # twice, that makes of 4·h pixels h − 1.
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


def check_pixels(who, x: Array) -> None:
    """Refuse pixels x (N, ...) of floating point that are not in 0..1."""
    if not hasattr(x, "dtype"):
        raise TypeError(f"{who}: the images are a {type(x).__name__}, but an "
                        "array was expected")
    if x.dtype.kind != "f" or not x.size or (x.min() >= 0 and x.max() <= 1):
        return                                # (of NaN, neither would be true)
    at = np.unravel_index(int(((x >= 0) & (x <= 1)).argmin()), x.shape)
    n, *pixel = map(int, at)
    raise ValueError(f"{who}: image {n} has {float(x[at])} at pixel {pixel}, "
                     "but numbers from 0 to 1 were expected; mend or rescale "
                     "the data")
