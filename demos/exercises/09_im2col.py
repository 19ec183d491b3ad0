"""im2col: each window becomes a row

A convolution looks at x through a window of KH x KW pixels, which moves by SH
rows or SW columns. im2col copies what it sees, at each of its OH x OW places,
into a row of KH*KW*C numbers; then the convolution is one matrix product.

Write my_im2col for a window that stays inside the image ("valid"). In a row,
the numbers come as in the window: row by row, pixel by pixel, channel by
channel.
"""
import numpy as np


def my_im2col(x, kernel_size, strides):
    """Return cols (N, OH, OW, KH*KW*C) of images x (N, H, W, C)."""
    # (KH, KW), (SH, SW) = kernel_size, strides
    # OH, OW: how many windows fit? Any that fits counts.
    raise NotImplementedError
