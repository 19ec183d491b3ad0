from functools import reduce

from minivae import Sequential


class MySequential(Sequential):
    def backward(self, dy):
        return reduce(lambda d, layer: layer.backward(d), self.layers[::-1],
                      dy)
