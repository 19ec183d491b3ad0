import numpy as np


def adam_step(p, g, m, v, t, learning_rate, beta_1, beta_2, epsilon):
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (g * g - v)
    m_hat, v_hat = m / (1 - beta_1 ** t), v / (1 - beta_2 ** t)
    new = np.empty_like(p)
    for i in np.ndindex(p.shape):
        new[i] = p[i] - learning_rate * m_hat[i] / (v_hat[i] ** 0.5 + epsilon)
    return new, m, v
