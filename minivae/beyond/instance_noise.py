"""Instance noise: a discriminator that sees images as through frosted glass.

An image that a generator makes is real in almost all of its pixels, and a
single stray one gives it away. A discriminator D that looks for these is soon
sure of everything; then D's slope, from which the generator learns, says
where there is a stray pixel, and little about the digit. That is so wherever
real and made images lie apart, however little (Arjovsky & Bottou 2017,
section 2). With noise on all images that D sees, of both kinds, their clouds
overlap: D can be sure only of what is seen through it (section 3 there;
Sønderby et al. 2017), and its slope is that of a smoothed D.
"""
from ..backend import Array
from ..checks.arrays import check_same


def add_noise(images: Array, noise: Array | None) -> Array:
    """Return images (N, ...) plus noise of the same shape, if there is any.

    Raises ValueError for another shape, TypeError for another dtype.
    """
    if noise is None:
        return images
    check_same("GAN", ("N", ...), images=images, instance_noise=noise)
    return images + noise
