import numpy as np


def my_gaussian_kl(mu, logvar):
    kl, dmu, dlogvar = np.zeros_like(mu[:, 0]), mu.copy(), np.empty_like(mu)
    for n, d in np.ndindex(mu.shape):
        sigma = np.exp(logvar[n, d] / 2)
        kl[n] += (sigma ** 2 + mu[n, d] ** 2) / 2 - np.log(sigma) - 0.5
        dlogvar[n, d] = (sigma - 1 / sigma) * sigma / 2
    return kl, dmu, dlogvar
