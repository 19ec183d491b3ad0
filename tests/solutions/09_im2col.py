import numpy as np


def my_im2col(x, kernel_size, strides):
    N, H, W, C = x.shape
    (KH, KW), (SH, SW) = kernel_size, strides
    OH, OW = (H - KH) // SH + 1, (W - KW) // SW + 1
    cols = np.empty((N, OH, OW, KH, KW, C), x.dtype)
    for i in range(KH):
        for j in range(KW):
            cols[:, :, :, i, j] = x[:, i:i + SH * OH:SH, j:j + SW * OW:SW]
    return cols.reshape(N, OH, OW, KH * KW * C)
