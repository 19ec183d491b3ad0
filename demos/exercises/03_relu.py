"""ReLU: a gradient that is let through, or not

y = max(x, 0) has a slope of 1 where x > 0 and of 0 where x < 0. Which is the
slope at x = 0, at the kink itself? There is none; the frameworks choose 0.

Write backward: from dy, the upstream gradient dL/dy, compute dx = dL/dx.
"""
import numpy as np

from minivae import Layer


class MyReLU(Layer):
    """y = max(x, 0), element by element."""

    def forward(self, x):
        y = self.cache = np.maximum(x, 0)
        return y

    def backward(self, dy):
        # dy (N, ...) -> dx, of the same shape; 0 where x is exactly 0
        raise NotImplementedError
