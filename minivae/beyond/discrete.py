"""A VAE whose codes are discrete, and whose prior is learnt: the same bound.

An image becomes a small grid of codes, one of K at each place. The encoder
gives each place a distribution q, the decoder turns codes into an image, and
the prior is a PixelCNN, which learns how probable codes are, given those
before. Nothing else is new: the bound is the VAE's,

    ELBO = E[ log p(x | codes) ] − E[ Σ KL(q_i ‖ p(· | codes before i)) ]

with a sum over places i, and each KL in closed form, since K possibilities can
be summed over. All three networks climb it together: the prior comes to expect
what the encoder says, and the encoder says what the prior can expect. That is
what a VQ-VAE lacks, whose codes are learnt for reconstruction alone.

The gradient: the KL's with respect to q is exact. Codes are drawn by Gumbel's
trick; decoder and prior both take them as input, and the gradients of both
pass straight through (straight_through.py), which is biased.
"""
import numpy as np

from ..backend import Array, Seed
from ..checks.arrays import check_array, check_sizes
from ..checks.images import check_image_shape, check_not_empty, check_pixels
from ..conv import Conv2D, Conv2DTranspose
from ..layers import Layer, ReLU, Sequential, check_layers, sigmoid
from ..losses import bernoulli_logpdf
from ..vae import VAE
from .categorical import categorical_kl, one_hot
from .masked import Residual
from .pixelcnn import PixelCNN
from .straight_through import gumbel_one_hot, gumbel_one_hot_backward
from .weights import read_weights


class DiscreteVAE(VAE):
    """A VAE with codes (N, h, w), each a whole number from 0 to K-1.

    encoder: images x (N, H, W, C) -> q's logits (N, h, w, K)
    decoder: codes as one-hot (N, h, w, K) -> logits of pixels (N, H, W, C)
    prior: codes as one-hot -> logits (N, h, w, K), from the codes before
    code_shape: (h, w)
    temperature: see gumbel_one_hot_backward
    """

    def __init__(self, encoder: Layer, decoder: Layer, prior: PixelCNN,
                 code_shape: tuple[int, int], temperature: float = 1.0):
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.code_shape, self.temperature = code_shape, temperature
        check_layers("DiscreteVAE", self._networks())

    def elbo_terms(self, x: Array, gumbel: Array) -> tuple[Array, Array]:
        """Return (reconstruction, kl), each (N,) in nats, from one draw.

        gumbel is (N, h, w, K) ~ Gumbel(0, 1), as noise returns it.
        """
        q_logits = self.encode(x)
        codes = gumbel_one_hot(q_logits, gumbel)
        log_p_x, dlogits = bernoulli_logpdf(x, self.decoder.forward(codes))
        kl, dq, dp = categorical_kl(q_logits, self.prior.forward(codes))
        self.cache = q_logits, gumbel, dlogits, dq, dp
        return log_p_x, kl

    def loss_and_grads(self, x: Array, gumbel: Array,
                       beta: float = 1.0) -> tuple[Array, dict]:
        """Return the loss and its gradients by name, as a VAE does."""
        check_not_empty("DiscreteVAE", x)
        reconstruction, kl = self.elbo_terms(x, gumbel)
        loss = (beta * kl - reconstruction).mean()
        N, (q_logits, gumbel, dlogits, dq, dp) = len(x), self.cache
        # the codes are the input of two networks, so two gradients add
        dcodes = (self.decoder.backward(-dlogits / N)
                  + self.prior.backward(beta * dp / N))
        # q's logits choose the codes, and are in the KL
        dq_logits = beta * dq / N + gumbel_one_hot_backward(
            dcodes, q_logits, gumbel, self.temperature)
        self.encoder.backward_params(dq_logits)
        return loss, self.grads

    def encode(self, x: Array) -> Array:
        """Images x (N, H, W, C) -> the logits of q, (N, h, w, K).

        Raises ValueError for pixels that are not in 0..1.
        """
        if type(x) is np.ndarray:
            check_pixels("DiscreteVAE", x)
        q_logits = self.encoder.forward(x)
        check_array("DiscreteVAE", "the encoder's output", q_logits,
                    (len(x), *self.code_shape, self.prior.K))
        return q_logits

    def decode(self, codes: Array, apply_sigmoid: bool = False) -> Array:
        """Codes (N, h, w) -> logits, or with sigmoid: probabilities of ink."""
        logits = self.decoder.forward(
            one_hot(codes, self.prior.K, self.prior.dtype))
        return sigmoid(logits) if apply_sigmoid else logits

    def sample(self, n: int = 100, rng: Seed = None) -> Array:
        """Draw codes from the prior, and decode them: (n, H, W, C)."""
        codes = self.prior.sample(n, *self.code_shape, rng)
        images = self.decode(codes, apply_sigmoid=True)
        self.forget()
        return images

    def noise(self, n: int, rng: Seed = None) -> Array:
        """Draw noise ~ Gumbel(0, 1) for n images: (n, h, w, K)."""
        check_sizes("noise", n=n)
        shape = n, *self.code_shape, self.prior.K
        return self.asarray(np.random.default_rng(rng).gumbel(size=shape))

    def _networks(self):
        return (*super()._networks(), ("prior", self.prior))


def discrete_vae(image_shape: tuple = (28, 28, 1), K: int = 32, *,
                 filters: int = 32, rng: Seed = None,
                 dtype=np.float32) -> DiscreteVAE:
    """A DiscreteVAE of a grid of codes, a fourth of the image each way."""
    H, W, C = check_image_shape("discrete_vae", image_shape)
    check_sizes("discrete_vae", K=K, filters=filters)
    settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
    F = filters
    down = {"strides": 2, "padding": "same", **settings}

    def residual(channels):
        return Residual(Sequential([ReLU(), Conv2D(
            channels, channels, 3, padding="same", **settings)]))
    encoder = Sequential([                                   # (N, H, W, C)
        Conv2D(C, F, 3, **down), ReLU(),                     # (N, 2h, 2w, F)
        Conv2D(F, 2 * F, 3, **down), residual(2 * F), ReLU(),
        Conv2D(2 * F, K, 1, **settings)])                    # (N, h, w, K)
    decoder = Sequential([                                   # (N, h, w, K)
        Conv2D(K, 2 * F, 3, padding="same", **settings), residual(2 * F),
        ReLU(), Conv2DTranspose(2 * F, F, 3, **down), ReLU(),
        Conv2DTranspose(F, F, 3, **down), ReLU(),            # (N, H, W, F)
        Conv2DTranspose(F, C, 3, padding="same", **settings)])
    return DiscreteVAE(encoder, decoder,
                       PixelCNN(K, 2 * F, blocks=2, reach=7, **settings),
                       (H // 4, W // 4))


def load_discrete(name: str) -> DiscreteVAE:
    """Return the one that ships for "mnist" or "fashion".

    Trained by python demos/discrete.py --images NAME. Raises ValueError for
    another name, and where its file is damaged.
    """
    vae = discrete_vae(rng=0)
    read_weights(name, "discrete", vae)
    return vae
