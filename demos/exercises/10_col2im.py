"""col2im: the transpose of im2col

im2col is linear: it only copies numbers. So its backward is its transpose,
which takes each number of cols back to the pixel that it was copied from. A
pixel that was copied several times, because windows overlap, gets a gradient
from each of its copies.

Write my_col2im, for windows that stay inside the image ("valid").
"""
import numpy as np


def my_col2im(cols, image_size, kernel_size, strides):
    """Return x (N, H, W, C) of cols (N, OH, OW, KH*KW*C)."""
    # (H, W), (KH, KW), (SH, SW) = image_size, kernel_size, strides
    # pixels that no window has seen get 0
    raise NotImplementedError
