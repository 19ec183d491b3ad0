import numpy as np

from minivae import Layer


class MaxPool(Layer):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        N, H, W, C = x.shape
        S = self.size
        blocks = x.reshape(N, H // S, S, W // S, S, C)
        y = blocks.max(axis=(2, 4))
        self.cache = x, y
        return y

    def backward(self, dy):
        x, y = self.cache
        N, H, W, C = x.shape
        S = self.size
        blocks = x.reshape(N, H // S, S, W // S, S, C)
        mask = (blocks == y[:, :, None, :, None]).astype(dy.dtype)
        share = mask / mask.sum(axis=(2, 4), keepdims=True)
        return np.reshape(share * dy[:, :, None, :, None], x.shape)
