import numpy as np

from minivae import Layer


class LeakyReLU(Layer):
    def __init__(self, slope=0.2):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        y = self.cache = np.maximum(x, 0) + self.slope * np.minimum(x, 0)
        return y

    def backward(self, dy):
        dx = dy.copy()
        dx[self.cache < 0] *= self.slope
        return dx
