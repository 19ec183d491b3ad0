import numpy as np

from minivae import Layer


class MyReLU(Layer):
    def forward(self, x):
        y = self.cache = np.maximum(x, 0)
        return y

    def backward(self, dy):
        return dy * (self.cache > 0)
