import numpy as np

from minivae import Layer


class LayerNorm(Layer):
    def __init__(self, D, epsilon=0.1):
        super().__init__(gamma=np.ones(D), beta=np.zeros(D))
        self.epsilon = epsilon

    def forward(self, x):
        centred = x - x.mean(axis=1, keepdims=True)
        scale = ((centred ** 2).mean(axis=1, keepdims=True)
                 + self.epsilon) ** -0.5
        self.cache = centred, scale
        return centred * scale * self.params["gamma"] + self.params["beta"]

    def backward(self, dy):
        centred, scale = self.cache
        dx = np.empty_like(dy)
        for n, (c, s) in enumerate(zip(centred, scale)):   # the Jacobian
            D = len(c)
            J = (s * (np.eye(D, dtype=dy.dtype) - 1 / D)
                 - s ** 3 * np.outer(c, c) / D)
            dx[n] = J.T @ (dy[n] * self.params["gamma"])
        self.grads = {
            "gamma": np.einsum("nd,nd,ni->d", dy, centred, scale),
            "beta": np.einsum("nd->d", dy)}
        return dx
