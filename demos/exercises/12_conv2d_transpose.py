"""Conv2DTranspose: a convolution's dx, used as a forward

A transposed convolution is what its name says: the transpose of a Conv2D. Its
forward is that Conv2D's dx; and since the transpose of a transpose is what it
was, its own dx is that Conv2D's forward. Only b is new: it is added to y.

Write forward and backward, with the three functions that are imported:

    correlate(x, w, strides, padding)                       a Conv2D's y
    correlate_dx(dy, w, image_size, strides, padding)       its dx
    correlate_dw(x, dy, kernel_size, strides, padding)      its dw

Their arguments have the names that they have in that Conv2D: its x, the large
image, is our y, and its y is our x.
"""
import numpy as np

from minivae import Conv2DTranspose
from minivae.conv import correlate, correlate_dw, correlate_dx


class MyConv2DTranspose(Conv2DTranspose):
    """minivae's Conv2DTranspose, for x (N, H, W, C) -> y (N, OH, OW, F)."""

    def forward(self, x):
        # w = self.params["w"] (KH, KW, F, C), b = self.params["b"] (F,)
        # self.output_size(x) is (OH, OW); self.strides, self.padding
        # keep in self.cache what backward needs; return y (N, OH, OW, F)
        raise NotImplementedError

    def backward(self, dy):
        # dy (N, OH, OW, F) -> returns dx (N, H, W, C);
        # self.grads = {"w": dw, "b": db} with dw like w, db (F,)
        raise NotImplementedError
