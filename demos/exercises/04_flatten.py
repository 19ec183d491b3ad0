"""Flatten: the same numbers, and their way back

A Flatten makes rows of images: (N, H, W, C) -> (N, H*W*C). No number changes,
so the Jacobian only says which number went where. What is its transpose?

Write backward: from dy, the upstream gradient dL/dy, compute dx = dL/dx.
"""
from minivae import Layer


class MyFlatten(Layer):
    """(N, ...) -> (N, the product of the other sizes)."""

    def forward(self, x):
        self.cache = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        # dy (N, H*W*C) -> dx (N, H, W, C), or whatever shape x had
        raise NotImplementedError
