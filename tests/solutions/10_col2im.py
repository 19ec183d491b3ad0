import numpy as np


def my_col2im(cols, image_size, kernel_size, strides):
    N, OH, OW, _ = cols.shape
    (KH, KW), (SH, SW) = kernel_size, strides
    cols = cols.reshape(N, OH, OW, KH, KW, -1)
    x = np.zeros((N, *image_size, cols.shape[-1]), cols.dtype)
    for i in range(KH):
        for j in range(KW):
            x[:, i:i + SH * OH:SH, j:j + SW * OW:SW] += cols[:, :, :, i, j]
    return x
