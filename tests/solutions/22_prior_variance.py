import numpy as np


def prior_kl(mu, logvar, a):
    N = len(mu)
    ratio = (mu ** 2 + np.exp(logvar)) * np.exp(-a)
    loss = 0.5 * (ratio - 1 - logvar + a).sum(axis=1).mean()
    return (loss, mu * np.exp(-a) / N, 0.5 * (np.exp(logvar - a) - 1) / N,
            0.5 * (1 - ratio).mean(axis=0))
