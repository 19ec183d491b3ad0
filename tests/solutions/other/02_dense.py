import numpy as np

from minivae import Dense


class MyDense(Dense):
    def backward(self, dy):
        x, w = self.cache, self.params["w"]
        dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[0])
        for n in range(len(x)):
            for i in range(x.shape[1]):
                for j in range(w.shape[1]):
                    dx[n, i] += dy[n, j] * w[i, j]
                    dw[i, j] += dy[n, j] * x[n, i]
            db += dy[n]
        self.grads = {"w": dw, "b": db}
        return dx
