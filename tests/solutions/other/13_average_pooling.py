import numpy as np

from minivae import Layer


class AveragePool(Layer):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        N, H, W, C = x.shape
        S = self.size
        self.cache = x.shape
        return x.reshape(N, H // S, S, W // S, S, C).mean(axis=(2, 4))

    def backward(self, dy):
        dx, S = np.empty(self.cache, dy.dtype), self.size
        for i in range(dx.shape[1]):
            for j in range(dx.shape[2]):
                dx[:, i, j] = dy[:, i // S, j // S] / (S * S)
        return dx
