"""Conv2D: Dense's backward, on windows

With cols = im2col(x), a convolution is y = cols*w + b (a matrix product, with
w as a matrix of KH*KW*C rows and F columns). So it has Dense's chain rule, on
cols; and what col2im is for, you know.

Write backward: return dx, and leave dw and db in self.grads. im2col and col2im
also take the padding, as their last argument.
"""
import numpy as np

from minivae import Conv2D
from minivae.conv import col2im, im2col


class MyConv2D(Conv2D):
    """minivae's Conv2D; its forward keeps x in self.cache."""

    def backward(self, dy):
        # x = self.cache (N, H, W, C), w = self.params["w"] (KH, KW, C, F),
        # dy (N, OH, OW, F); self.kernel_size, self.strides, self.padding
        # -> returns dx (N, H, W, C);
        # self.grads = {"w": dw, "b": db} with dw like w, db (F,)
        raise NotImplementedError
