import numpy as np


def reparameterize(mu, logvar, eps):
    return mu + np.sqrt(np.exp(logvar)) * eps


def reparameterize_backward(dz, mu, logvar, eps):
    z = reparameterize(mu, logvar, eps)
    return dz.copy(), dz * (z - mu) / 2
