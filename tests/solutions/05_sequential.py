from minivae import Sequential


class MySequential(Sequential):
    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy
