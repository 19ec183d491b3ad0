import math

import numpy as np


def adam_step(p, g, m, v, t, learning_rate, beta_1, beta_2, epsilon):
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g ** 2
    root = np.sqrt(v) / math.sqrt(1 - beta_2 ** t)
    p = p - learning_rate * m / (1 - beta_1 ** t) / (root + epsilon)
    return p, m, v
