"""A GAN: a generator learns from what a discriminator objects to.

A generator G turns noise z ~ N(0, I) into images; a discriminator D turns an
image into one logit, the log-odds that it is real. D learns to tell real
images from made ones, G to be taken for real (Goodfellow et al. 2014). There
is no bound and no probability of an image here: what the loss of either is
worth depends on how good the other is at the moment.

The layers are DCGAN's (Radford, Metz & Chintala 2016): strides in place of
pooling, a leaky ReLU in D. Real pixels are black or white here; so G's are
made so, too, by straight_through.py. Else grey pixels would give every made
image away, and G would learn to avoid grey, not to draw.
"""
import math

import numpy as np

from ..backend import Array, Seed, get_xp, move
from ..checks.arrays import check_array, check_sizes, expects, expects_dy
from ..checks.images import check_image_shape
from ..conv import Conv2D, Conv2DTranspose
from ..layers import (Dense, Flatten, Layer, ReLU, Reshape, Sequential,
                      check_layers)
from ..losses import bernoulli_logpdf, sum_per_image
from .straight_through import binarize, binarize_backward

MOVE = 0.1         # how far R1's difference moves images; 100 pixels have 10


class LeakyReLU(Layer):
    """y = x where x > 0, else slope·x: a ReLU that is never quite off."""

    def __init__(self, slope: float = 0.2):
        super().__init__()
        self.slope = slope

    @expects(...)
    def forward(self, x: Array) -> Array:
        self.cache = x
        return get_xp(x).maximum(x, self.slope * x)

    @expects_dy
    def backward(self, dy: Array) -> Array:
        return get_xp(dy).where(self.cache > 0, dy, self.slope * dy)

    def __repr__(self):
        return f"LeakyReLU({self.slope})"


# ---- what either of them wants ---------------------------------------------

def discriminator_loss(real: Array,
                       made: Array) -> tuple[Array, Array, Array]:
    """Return −E log σ(real) − E log(1 − σ(made)), and dreal and dmade.

    real and made are D's logits of real and of made images, (N, 1) and (M,
    1). Goodfellow et al. 2014, eq. 1, written in logits: there is no log(0).
    """
    check_not_empty(real, made)
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
    check_not_empty(made)
    yes, dmade = bernoulli_logpdf(get_xp(made).ones_like(made), made)
    return -yes.mean(), -dmade / len(made)


def r1_penalty(discriminator: Layer, x: Array,
               step: float = MOVE) -> tuple[Array, dict]:
    """Return ψ = E ½|∂D/∂x|² at real images x (N, ...), and its gradients.

    It keeps D flat where it is right, so that G's gradients stay small near
    the goal: without it, the two may circle for ever (Mescheder, Geiger &
    Nowozin 2018, eq. 9). The gradients are central differences: their error
    falls with the square of step, the length of the mean image's move.
    """
    # With g = ∂D/∂x: ∂ψ/∂θ = E g·∂g/∂θ, a second derivative. But if g, as it
    # is now, counts as a fixed direction, then g·∂D/∂x is D's slope along it,
    #     [D(x + h·g) − D(x − h·g)] / 2h + O(h²),
    # and g·∂g/∂θ is the derivative of that by θ: the difference of two
    # ordinary gradients.
    check_not_empty(x)
    xp, N = get_xp(x), len(x)
    ones = xp.ones_like(discriminator.forward(x))            # (N, 1)
    g = discriminator.backward(ones)
    squares = sum_per_image(g * g)                           # (N,)
    h = step / xp.maximum(xp.sqrt(squares).mean(), 1e-12)
    sides = []
    for moved in x + h * g, x - h * g:
        discriminator.forward(moved)
        discriminator.backward_params(ones / (2 * h * N))
        sides.append(dict(discriminator.grads))
    plus, minus = sides
    return 0.5 * squares.mean(), {name: plus[name] - minus[name]
                                  for name in plus}


def check_not_empty(*batches: Array) -> None:
    """Refuse a batch of none: the mean over it is undefined."""
    if not all(map(len, batches)):
        raise ValueError("GAN: a batch has no image, and the mean over none "
                         "is undefined")


# ---- both together ---------------------------------------------------------

class GAN:
    """A generator and a discriminator that fit together.

    generator: z (N, D) -> logits (N, ...), a pixel black where one is above
    0; it begins with a Dense, or another layer with in_features = D
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
            r1: float = 0.0) -> tuple[Array, dict]:
        """Return D's loss on real images x and on those made of noise z.

        x is (N, ...), z (M, D). r1: the weight of r1_penalty, which its
        gradients, by name, then include, and the loss does not. Raises
        ValueError where there is no image, or r1 is below 0.
        """
        if not 0 <= r1 < math.inf:
            raise ValueError(f"GAN: the weight of R1 is {r1}, but a number "
                             "of at least 0 was expected")
        made = binarize(self.generator.forward(z))
        check_array("GAN", "the made images", made, ("M", *x.shape[1:]), x)
        penalty = r1_penalty(self.discriminator, x)[1] if r1 else {}
        xp, N = get_xp(x), len(x)
        logits = self.discriminator.forward(xp.concatenate([x, made]))
        loss, dreal, dmade = discriminator_loss(logits[:N], logits[N:])
        self.discriminator.backward_params(xp.concatenate([dreal, dmade]))
        grads = self.discriminator.grads
        for name, g in penalty.items():
            grads[name] += r1 * g
        return loss, grads

    def generator_loss_and_grads(self, z: Array) -> tuple[Array, dict]:
        """Return G's loss on noise z (N, D), and its gradients by name.

        They come through D, which stays as it is, and straight through the
        step from logits to pixels: see straight_through.py. Raises ValueError
        where there is no noise.
        """
        logits = self.generator.forward(z)
        made = self.discriminator.forward(binarize(logits))
        loss, dmade = generator_loss(made)
        dimages = self.discriminator.backward(dmade)
        self.generator.backward_params(binarize_backward(dimages, logits))
        return loss, self.generator.grads

    def sample(self, n: int = 100, rng: Seed = None) -> Array:
        """Make n images of noise: (n, ...), pixels of 0 and 1."""
        z = self.noise(n, rng)
        parts = [binarize(self.generator.forward(z[start:start + 100]))
                 for start in range(0, n, 100)]    # a few at a time: memory
        self.generator.forget()
        return get_xp(z).concatenate(parts)

    def noise(self, n: int, rng: Seed = None) -> Array:
        """Draw z ~ N(0, I) for n images, (n, D), on the generator's device."""
        check_sizes("noise", n=n)
        w = next(iter(self.generator.params.values()))
        z = np.random.default_rng(rng).standard_normal((n, len(w)))
        return move(z, get_xp(w)).astype(w.dtype, copy=False)


def conv_gan(image_shape: tuple = (28, 28, 1), latent_dim: int = 16, *,
             filters: int = 32, rng: Seed = None, dtype=np.float32) -> GAN:
    """DCGAN's layers, two of each kind, and a dense one of 128 in D.

    image_shape: (H, W, C), H and W multiples of 4, at least 8. filters: those
    next to the image; there are twice as many farther in.
    """
    H, W, C = check_image_shape("conv_gan", image_shape)
    check_sizes("conv_gan", latent_dim=latent_dim, filters=filters)
    settings = {"rng": np.random.default_rng(rng), "dtype": dtype}
    F, h, w = filters, H // 4, W // 4
    # A kernel of 4 with a stride of 2: each pixel is in as many windows as
    # any other, so that there is no checkerboard (demos/strides.py)
    half = {"strides": 2, "padding": "same", **settings}
    generator = Sequential([                                 # (N, D)
        Dense(latent_dim, h * w * 2 * F, **settings), ReLU(),
        Reshape((h, w, 2 * F)),                              # (N, h, w, 2F)
        Conv2DTranspose(2 * F, F, 4, **half), ReLU(),        # (N, 2h, 2w, F)
        Conv2DTranspose(F, C, 4, **half)])                   # (N, H, W, C)
    discriminator = Sequential([                             # (N, H, W, C)
        Conv2D(C, F, 4, **half), LeakyReLU(),                # (N, 2h, 2w, F)
        Conv2D(F, 2 * F, 4, **half), LeakyReLU(),            # (N, h, w, 2F)
        Flatten(), Dense(h * w * 2 * F, 128, **settings), LeakyReLU(),
        Dense(128, 1, **settings)])                          # (N, 1)
    return GAN(generator, discriminator)
