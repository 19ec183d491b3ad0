"""How far does the ELBO lie below log p(x)? An estimate between them.

It serves vae.py's first page: there the gap has a formula, here a number.
demos/elbo.py draws it.
"""
import math

import numpy as np

from ..backend import Array, Seed, get_xp
from ..checks.arrays import check_sizes
from ..checks.images import check_pixels
from ..vae import VAE

AT_ONCE = 100          # images, for memory


def log_likelihood(vae: VAE, x: Array, k: int = 50,
                   rng: Seed = None) -> Array:
    """Estimate log p(x) of each image from k codes: (N,), in nats.

    The mean of p(x|z)·p(z)/q(z|x) over z ~ q(z|x) is p(x); one draw of it is
    e^ELBO, with the ELBO from one z. But the logarithm is concave: the mean
    of the logarithm is below the logarithm of the mean (Jensen's inequality),
    and that is the ELBO's gap. The mean of k draws varies less than one, so
    its logarithm lies closer to log p(x), in the mean: the closer, the larger
    k is (Burda et al. 2016, eq. 8). With k = 1 this is the ELBO from one z. x
    is (N, ...).
    """
    check_sizes("log_likelihood", k=k)
    check_pixels("log_likelihood", x)
    rng, xp = np.random.default_rng(rng), get_xp(x)
    bounds = [xp.zeros(0)]
    for start in range(0, len(x), AT_ONCE):
        images = x[start:start + AT_ONCE]
        log_sum = xp.full(len(images), -math.inf)           # in float64
        for _ in range(k):
            elbo = vae.elbo(images, vae.noise(len(images), rng))
            log_sum = xp.logaddexp(log_sum, elbo)
        bounds.append(log_sum - math.log(k))
    vae.forget()
    return xp.concatenate(bounds)
