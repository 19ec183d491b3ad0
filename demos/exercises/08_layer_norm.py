"""Layer normalisation: a mean and a variance that depend on x, too

Each row of x (N, D) is shifted to a mean of 0 and scaled to a variance near 1:

    u = (x - mean) / sqrt(var + epsilon)        y = gamma*u + beta

mean and var are those of the row itself, var with 1/D. So one element of x
moves its row's mean and its variance, and by them every element of y.

Write backward: return dx, and leave dgamma and dbeta in self.grads.
"""
import numpy as np

from minivae import Layer


class LayerNorm(Layer):
    """y = gamma*u + beta, for u the normalised rows of x (N, D)."""

    def __init__(self, D, epsilon=0.1):
        super().__init__(gamma=np.ones(D), beta=np.zeros(D))
        self.epsilon = epsilon

    def forward(self, x):
        mean = x.mean(axis=1, keepdims=True)                 # (N, 1)
        var = ((x - mean) ** 2).mean(axis=1, keepdims=True)  # (N, 1)
        scale = 1 / np.sqrt(var + self.epsilon)              # (N, 1)
        u = (x - mean) * scale                               # (N, D)
        self.cache = u, scale
        return u * self.params["gamma"] + self.params["beta"]

    def backward(self, dy):
        # u (N, D), scale (N, 1) = self.cache; gamma (D,); dy (N, D)
        # -> returns dx (N, D);
        # self.grads = {"gamma": dgamma, "beta": dbeta}, each (D,)
        raise NotImplementedError
