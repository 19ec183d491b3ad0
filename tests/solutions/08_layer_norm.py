import numpy as np

from minivae import Layer


class LayerNorm(Layer):
    def __init__(self, D, epsilon=0.1):
        super().__init__(gamma=np.ones(D), beta=np.zeros(D))
        self.epsilon = epsilon

    def forward(self, x):
        mean = x.mean(axis=1, keepdims=True)
        var = ((x - mean) ** 2).mean(axis=1, keepdims=True)
        scale = 1 / np.sqrt(var + self.epsilon)
        u = (x - mean) * scale
        self.cache = u, scale
        return u * self.params["gamma"] + self.params["beta"]

    def backward(self, dy):
        u, scale = self.cache
        self.grads = {"gamma": (dy * u).sum(axis=0), "beta": dy.sum(axis=0)}
        du = dy * self.params["gamma"]
        return scale * (du - du.mean(axis=1, keepdims=True)
                        - u * (du * u).mean(axis=1, keepdims=True))
