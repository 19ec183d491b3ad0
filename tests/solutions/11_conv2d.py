from minivae import Conv2D
from minivae.conv import col2im, im2col


class MyConv2D(Conv2D):
    def backward(self, dy):
        x, w = self.cache, self.params["w"]
        settings = self.kernel_size, self.strides, self.padding
        F = dy.shape[-1]
        cols = im2col(x, *settings)
        matrix = w.reshape(-1, F)
        dw = cols.reshape(-1, len(matrix)).T @ dy.reshape(-1, F)
        self.grads = {"w": dw.reshape(w.shape), "b": dy.sum(axis=(0, 1, 2))}
        return col2im(dy @ matrix.T, x.shape[1:3], *settings)
