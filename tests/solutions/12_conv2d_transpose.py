from minivae import Conv2DTranspose
from minivae.conv import correlate, correlate_dw, correlate_dx


class MyConv2DTranspose(Conv2DTranspose):
    def forward(self, x):
        self.cache = x
        y = correlate_dx(x, self.params["w"], self.output_size(x),
                         self.strides, self.padding)
        return y + self.params["b"]

    def backward(self, dy):
        x, w = self.cache, self.params["w"]
        dw = correlate_dw(dy, x, self.kernel_size, self.strides, self.padding)
        self.grads = {"w": dw, "b": dy.sum(axis=(0, 1, 2))}
        return correlate(dy, w, self.strides, self.padding)
