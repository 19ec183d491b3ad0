import numpy as np


def reparameterize(mu, logvar, eps):
    return mu + np.exp(0.5 * logvar) * eps


def reparameterize_backward(dz, mu, logvar, eps):
    return dz, dz * 0.5 * np.exp(0.5 * logvar) * eps
