"""A prior that learns how wide it is

The prior N(0, 1) says how far codes should lie from 0. Let it learn: N(0,
e^a), with a vector a of D numbers, one for each dimension, the same for all
images. The KL of q = N(mu, e^logvar) from it has a closed form, too, which
for a = 0 is gaussian_kl:

    loss = mean over images of KL( N(mu, e^logvar) || N(0, e^a) )

Write prior_kl: this loss and its three gradients.
"""
import numpy as np


def prior_kl(mu, logvar, a):
    """Return the loss, one number, and its gradients dmu, dlogvar, da."""
    # mu, logvar (N, D), a (D,) -> a number; (N, D), (N, D), (D,)
    raise NotImplementedError
