import numpy as np

from minivae import Layer


class Tanh(Layer):
    def forward(self, x):
        y = self.cache = np.tanh(x)
        return y

    def backward(self, dy):
        y = self.cache
        return dy * (1 - y ** 2)
