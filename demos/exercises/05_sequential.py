"""Sequential: the chain rule for a whole network

A network is a composition of layers, y = f3(f2(f1(x))). Each layer knows its
own backward, which takes dL/d(its output), returns dL/d(its input), and leaves
the gradients of its parameters in its grads. How do they make a whole?

Write backward, which returns dL/dx of the network's input. self.layers is the
list of layers, in forward order.
"""
from minivae import Sequential


class MySequential(Sequential):
    """Layers one after another; forward is minivae's."""

    def backward(self, dy):
        # dy has the shape of the network's output, dx that of its input
        raise NotImplementedError
