"""A GAN: a generator learns from what a discriminator objects to.

A generator G turns noise z ~ N(0, I) into images; a discriminator D turns an
image into one logit, the log-odds that it is real. D learns to tell real
images from made ones, G to be taken for real (Goodfellow et al. 2014). There
is no bound and no probability of an image here: what the loss of either is
worth depends on how good the other is at the moment.

Real pixels are black or white here; so G's are made so, too, by
straight_through.py. Else grey pixels would give every made image away, and G
would learn to avoid grey, not to draw. For the same reason D can be shown all
images through noise: instance_noise.py. conv_gan.py has networks for images,
demos/gan.py the loop.
"""
import math
from types import ModuleType

import numpy as np

from ..backend import Array, Seed, get_xp, move
from ..checks.arrays import check_array, check_sizes
from ..checks.images import check_not_empty, check_pixels
from ..layers import Layer, check_layers
from ..losses import bernoulli_logpdf
from .instance_noise import add_noise
from .r1 import r1_penalty
from .straight_through import binarize, binarize_backward


# ---- what either of them wants ---------------------------------------------

def discriminator_loss(real: Array,
                       made: Array) -> tuple[Array, Array, Array]:
    """Return −E log σ(real) − E log(1 − σ(made)), and dreal and dmade.

    real and made are D's logits of real and of made images, (N, 1) and (M,
    1). Goodfellow et al. 2014, eq. 1, written in logits: there is no log(0).
    """
    check_not_empty("GAN", real, made)
    xp = get_xp(real)
    yes, dreal = bernoulli_logpdf(xp.ones_like(real), real)
    no, dmade = bernoulli_logpdf(xp.zeros_like(made), made)
    return (-yes.mean() - no.mean(), -dreal / len(real), -dmade / len(made))


def generator_loss(made: Array) -> tuple[Array, Array]:
    """Return −E log σ(made), and dmade: D's logits of made images, (N, 1).

    This is the non-saturating loss (Goodfellow et al. 2014, section 3). The
    other player's loss with its sign changed, E log(1 − σ(made)), has the
    same fixed points; but its slope, −σ(made), vanishes where D is sure that
    an image was made, which is at the beginning. This one's is σ(made) − 1.
    """
    check_not_empty("GAN", made)
    yes, dmade = bernoulli_logpdf(get_xp(made).ones_like(made), made)
    return -yes.mean(), -dmade / len(made)


# ---- both together ---------------------------------------------------------

class GAN:
    """A generator and a discriminator that fit together.

    generator: z (N, latent_dim) -> logits (N, ...), a pixel black where one
    is above 0; it begins with a Dense of latent_dim numbers
    discriminator: images (N, ...) -> logits (N, 1)
    Raises ValueError where they share a layer, and where a call finds that
    their sizes do not fit; TypeError for what is no layer.
    """

    def __init__(self, generator: Layer, discriminator: Layer):
        check_layers("GAN", [("generator", generator),
                             ("discriminator", discriminator)])
        self.generator, self.discriminator = generator, discriminator

    def discriminator_loss_and_grads(
            self, x: Array, z: Array,
            instance_noise: Array | None = None,
            r1: float = 0.0) -> tuple[Array, dict]:
        """Return D's loss on real images x and on those made of noise z.

        x is (N, ...), z (M, latent_dim). instance_noise, (N + M, ...), is
        added to what D sees. r1: the weight of r1_penalty; the gradients, by
        name, include the penalty's then, but the loss does not. Raises
        ValueError where there is no image, a pixel is not in 0..1, or r1 is
        below 0.
        """
        if not 0 <= r1 < math.inf:
            raise ValueError(f"GAN: the weight of R1 is {r1}, but a number "
                             "of at least 0 was expected")
        if type(x) is np.ndarray:
            check_pixels("GAN", x)
        images = binarize(self.generator.forward(z))
        check_array("GAN", "the generator's output", images,
                    ("M", *x.shape[1:]), x)
        xp, N = get_xp(x), len(x)
        seen = add_noise(xp.concatenate([x, images]), instance_noise)
        penalty = r1_penalty(self.discriminator, seen[:N])[1] if r1 else {}
        logits = self.discriminator.forward(seen)
        loss, dreal, dmade = discriminator_loss(logits[:N], logits[N:])
        self.discriminator.backward_params(xp.concatenate([dreal, dmade]))
        grads = self.discriminator.grads
        for name, g in penalty.items():
            grads[name] += r1 * g
        return loss, grads

    def generator_loss_and_grads(
            self, z: Array, instance_noise: Array | None = None,
    ) -> tuple[Array, dict]:
        """Return G's loss on noise z (N, latent_dim), and its gradients.

        instance_noise, (N, ...), is added to what D sees. The gradients come
        through D, which stays as it is, and straight through the step from
        logits to pixels: see straight_through.py. Raises ValueError where z
        is empty.
        """
        pixel_logits = self.generator.forward(z)
        made = self.discriminator.forward(
            add_noise(binarize(pixel_logits), instance_noise))
        loss, dmade = generator_loss(made)
        dimages = self.discriminator.backward(dmade)
        self.generator.backward_params(
            binarize_backward(dimages, pixel_logits))
        return loss, self.generator.grads

    def sample(self, n: int = 100, rng: Seed = None) -> Array:
        """Make n images of noise: (n, ...), pixels of 0 and 1."""
        z = self.noise(n, rng)
        parts = [binarize(self.generator.forward(z[start:start + 100]))
                 for start in range(0, n, 100)]    # a few at a time: memory
        self.generator.forget()
        return get_xp(z).concatenate(parts)

    def to(self, xp: ModuleType) -> "GAN":
        """Move the parameters to xp, numpy or cupy, and return self."""
        for network in self.generator, self.discriminator:
            network.to(xp)
        return self

    def noise(self, n: int, rng: Seed = None) -> Array:
        """Draw z ~ N(0, I) for n images, (n, latent_dim), where G is."""
        check_sizes("noise", n=n)
        w = next(iter(self.generator.params.values()))
        z = np.random.default_rng(rng).standard_normal((n, len(w)))
        return move(z, get_xp(w)).astype(w.dtype, copy=False)
