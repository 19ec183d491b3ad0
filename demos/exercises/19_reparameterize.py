"""The reparameterization trick, and back

A code is drawn from N(mu, sigma^2), with sigma^2 = e^logvar. No gradient
passes through a draw; so draw eps ~ N(0, 1) beforehand, and let z be a smooth
function of mu, logvar and eps that is distributed as the code should be.

Write both functions. eps is given: draw nothing.
"""
import numpy as np


def reparameterize(mu, logvar, eps):
    """Return z ~ N(mu, e^logvar) for eps ~ N(0, 1)."""
    # all (N, D)
    raise NotImplementedError


def reparameterize_backward(dz, mu, logvar, eps):
    """Return dmu and dlogvar for the upstream gradient dz."""
    # all (N, D)
    raise NotImplementedError
