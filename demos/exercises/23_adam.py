"""Adam: two running means that begin at 0

Kingma & Ba (2015), algorithm 1: m is a running mean of the gradient g, v of
its square. Both begin at 0, so at first they are too small, and are corrected:
by how much, at step t = 1, 2, ...?

    m <- beta_1*m + (1 - beta_1)*g
    v <- beta_2*v + (1 - beta_2)*g^2
    p <- p - learning_rate * (m corrected) / (sqrt(v corrected) + epsilon)

Write adam_step. It changes none of its arguments.
"""
import numpy as np


def adam_step(p, g, m, v, t, learning_rate, beta_1, beta_2, epsilon):
    """Return the new p, m and v, where t counts from 1."""
    # p, g, m, v: arrays of one shape; t, learning_rate, ...: numbers
    # m and v are returned as they are before the correction
    raise NotImplementedError
