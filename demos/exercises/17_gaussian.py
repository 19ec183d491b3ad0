"""How probable is a code? A Gaussian's log-density

A code z has D numbers, each from a Gaussian of its own:

    log N(z; mu, var) = -1/2 * (log(2 pi) + log(var) + (z - mu)^2/var)

summed over the D numbers. The encoder gives logvar = log(var), which may be
any number, where var would have to be positive.

Write my_gaussian_logpdf: the value and its three gradients.
"""
import numpy as np


def my_gaussian_logpdf(z, mu, logvar):
    """Return log N of each code, and its gradients dz, dmu, dlogvar."""
    # z, mu, logvar (N, D) -> logpdf (N,); dz, dmu, dlogvar (N, D)
    raise NotImplementedError
