import numpy as np


def my_col2im(cols, image_size, kernel_size, strides):
    N, OH, OW, size = cols.shape
    (KH, KW), (SH, SW) = kernel_size, strides
    x = np.zeros((N, *image_size, size // (KH * KW)), cols.dtype)
    for n in range(N):
        for p in range(OH):
            for q in range(OW):
                x[n, SH * p:SH * p + KH, SW * q:SW * q + KW] += (
                    cols[n, p, q].reshape(KH, KW, -1))
    return x
