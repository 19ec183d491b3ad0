"""Max pooling: the winner takes the gradient

Each block of size x size pixels becomes one: the largest. Blocks do not
overlap, and H and W are multiples of size. While the largest pixel stays the
largest, y moves exactly as it does, and the others have no say.

Where two pixels of a block tie there is a kink, as in ReLU at 0. Choose: one
of them gets the gradient, or they share it. But together they get it once.

Write backward: from dy, the upstream gradient dL/dy, compute dx = dL/dx.
"""
import numpy as np

from minivae import Layer


class MaxPool(Layer):
    """Maxima of blocks: x (N, H, W, C) -> y (N, H/size, W/size, C)."""

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
        # dy (N, H/size, W/size, C) -> dx (N, H, W, C)
        raise NotImplementedError
