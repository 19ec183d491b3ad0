import numpy as np


def stable_sigmoid(x):
    y = np.empty_like(x)
    y[x > 0] = 1 / (1 + np.exp(-x[x > 0]))
    e = np.exp(x[x <= 0])
    y[x <= 0] = e / (1 + e)
    return y
