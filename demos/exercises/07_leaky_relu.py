"""LeakyReLU: a ReLU that is never quite off

y = x where x > 0, and y = slope*x elsewhere, with a small slope such as 0.2:
so a unit whose x is always below 0 still gets a gradient, and can recover.

Write forward and backward. What will backward need from the cache?
"""
import numpy as np

from minivae import Layer


class LeakyReLU(Layer):
    """y = x above 0, slope*x below, element by element."""

    def __init__(self, slope=0.2):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        # x (N, ...) -> y, of the same shape; keep in self.cache what you need
        raise NotImplementedError

    def backward(self, dy):
        # dy (N, ...) -> dx, of the same shape
        raise NotImplementedError
