"""Sequential's backward, and what goes wrong in it."""
from minivae import Dense, Sequential, Sigmoid

from common.exercise import Exercise, Mistake


def cases(rng):
    # square layers: a wrong order is no error, but wrong
    return [{"x": rng.standard_normal((N, D)),
             "dy": rng.standard_normal((N, D)),
             "w": [2 * rng.standard_normal((D, D)) for _ in range(2)]}
            for N, D in ((4, 3), (2, 5))]


def compute(cls, x, dy, w):
    layers = [Dense(*w[0].shape, dtype=x.dtype), Sigmoid(),
              Dense(*w[1].shape, dtype=x.dtype), Sigmoid()]
    for dense, kernel in zip(layers[::2], w):
        dense.params["w"] = kernel.astype(x.dtype)
    network = cls(layers)
    y = network.forward(x)
    dx = network.backward(dy)
    return {"y": y, "dx": dx, "d0.w": layers[0].grads["w"],
            "d2.w": layers[2].grads["w"], "the next y": network.forward(x)}


def mistake(name, look, backward):
    """Let a network go back in another way."""
    cls = type("Wrong", (Sequential,), {"backward": backward})
    return Mistake(name, look, lambda **case: compute(cls, **case))


def in_forward_order(self, dy):
    for layer in self.layers:
        dy = layer.backward(dy)
    return dy


def without_the_first(self, dy):
    for layer in self.layers[:0:-1]:
        dy = layer.backward(dy)
    return dy


def without_the_last(self, dy):
    for layer in self.layers[-2::-1]:
        dy = layer.backward(dy)
    return dy


def not_chained(self, dy):
    for layer in reversed(self.layers):
        dx = layer.backward(dy)
    return dx


def only_the_last(self, dy):
    for layer in reversed(self.layers):
        return layer.backward(dy)


def added_up(self, dy):
    return sum(layer.backward(dy) for layer in reversed(self.layers))


EXERCISE = Exercise(
    needs=("MySequential",), read="minivae/layers.py",
    hints=("Which layer can go first? Only one of them knows dL/d(its output) "
           "from the beginning.",
           "The Jacobian of f(g(x)) is the product J_f * J_g, and its "
           "transpose is J_g^T * J_f^T: applied to dy, J_f^T comes first.",
           "What one layer's backward returns is the upstream gradient of the "
           "layer before it. So it is forward's loop, read from its end."),
    cases=cases, run=lambda its, **case: compute(its.MySequential, **case),
    right=lambda **case: compute(Sequential, **case),
    mistakes=[
        mistake("the layers in forward order",
                "which layer's output is the network's output? dy belongs "
                "there.", in_forward_order),
        mistake("a chain that ends before the first layer",
                "the loop's end: with [:0:-1] or range(n - 1, 0, -1) the "
                "layer at place 0 is left out.", without_the_first),
        mistake("a chain that leaves out the last layer",
                "the loop's beginning: layers[-1] goes first.",
                without_the_last),
        mistake("the same dy for every layer",
                "what a layer's backward returns is what the layer before it "
                "has to get.", not_chained),
        mistake("a return inside of the loop",
                "only one layer was asked; look at the indentation.",
                only_the_last),
        mistake("the sum of all layers' gradients",
                "gradients add where paths meet; here there is one path, a "
                "chain.", added_up)])
