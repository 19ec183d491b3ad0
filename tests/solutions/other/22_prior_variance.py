import numpy as np

from minivae import gaussian_kl


def prior_kl(mu, logvar, a):
    width = np.exp(a / 2)
    kl, dmu, dlogvar = gaussian_kl(mu / width, logvar - a)
    N = len(mu)
    da = -(dlogvar + 0.5 * dmu * mu / width)
    return (kl.sum() / N, dmu / width / N, dlogvar / N,
            np.einsum("nd->d", da) / N)
