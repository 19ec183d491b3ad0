import numpy as np

from minivae import Layer


class MaxPool(Layer):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        N, H, W, C = x.shape
        S = self.size
        self.cache = x
        return x.reshape(N, H // S, S, W // S, S, C).max(axis=(2, 4))

    def backward(self, dy):
        x, S = self.cache, self.size
        dx = np.zeros_like(x)
        for n, p, q, c in np.ndindex(dy.shape):
            block = x[n, S * p:S * p + S, S * q:S * q + S, c]
            i, j = np.unravel_index(block.argmax(), block.shape)
            dx[n, S * p + i, S * q + j, c] = dy[n, p, q, c]
        return dx
