import numpy as np

from minivae import Layer


class LeakyReLU(Layer):
    def __init__(self, slope=0.2):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        self.cache = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy):
        return np.where(self.cache > 0, dy, self.slope * dy)
