import numpy as np

from minivae import Conv2D
from minivae.conv import windows


class MyConv2D(Conv2D):
    def backward(self, dy):
        x, w = self.cache, self.params["w"]
        (KH, KW), (SH, SW) = self.kernel_size, self.strides
        _, top, bottom = windows(x.shape[1], KH, SH, self.padding)
        _, left, right = windows(x.shape[2], KW, SW, self.padding)
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                part = np.s_[:, SH * p:SH * p + KH, SW * q:SW * q + KW]
                dw += np.einsum("nijc,nf->ijcf", x[part], dy[:, p, q])
                dx[part] += np.einsum("nf,ijcf->nijc", dy[:, p, q], w)
        self.grads = {"w": dw, "b": np.einsum("npqf->f", dy)}
        return dx[:, top:dx.shape[1] - bottom, left:dx.shape[2] - right]
