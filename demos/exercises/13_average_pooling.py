"""Average pooling: what a mean hands back

Each block of size x size pixels becomes one: their mean. Blocks do not
overlap, and H and W are multiples of size. If y moves by the mean of its
block, how much does one pixel of x move it?

Write backward: from dy, the upstream gradient dL/dy, compute dx = dL/dx.
"""
import numpy as np

from minivae import Layer


class AveragePool(Layer):
    """Means of blocks: x (N, H, W, C) -> y (N, H/size, W/size, C)."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        N, H, W, C = x.shape
        S = self.size
        return x.reshape(N, H // S, S, W // S, S, C).mean(axis=(2, 4))

    def backward(self, dy):
        # dy (N, H/size, W/size, C) -> dx (N, H, W, C)
        raise NotImplementedError
