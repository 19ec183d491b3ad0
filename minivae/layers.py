"""The Layer contract, and the layers that are not convolutions.

A layer is a function y = f(x; params) that also knows its own chain rule:
backward takes dL/dy and returns dL/dx, and leaves dL/dparam in `grads`.
That is all of backpropagation; Sequential only chains it.

Letters, in every file: N images, H W height and width, C channels, F filters,
KH KW the kernel's rows and columns, SH SW the strides', P Q those of windows,
D latent dimensions. `dname` is dL/dname, with the shape and dtype of name;
the gradient dy that comes from the layers behind is the upstream gradient.
"""
import math
import operator
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from .backend import Array, Seed, fused, get_xp, move


class Layer:
    """What every layer promises; a layer of your own inherits from it.

    One with parameters begins with super().__init__(w=..., b=...).

    forward(x) -> y     keeps in self.cache what backward will need
    backward(dy) -> dx  goes back through the *last* forward; overwrites
                        self.grads, never adds to it (there is no
                        zero_grad), and changes neither params nor dy
    params, grads       dicts of arrays with the same keys, such as "w", "b"
    """

    cache = None

    def __init__(self, **params):
        self.params = params
        self.grads = {name: np.zeros_like(p) for name, p in params.items()}

    def forward(self, x: Array) -> Array:
        """Return y = f(x)."""
        raise NotImplementedError(f"{self} has no forward")

    def backward(self, dy: Array) -> Array:
        """Return dx, and leave the gradients of the parameters in grads."""
        raise NotImplementedError(f"{self} has no backward")

    def recall(self):
        """Return what forward kept: the first line of every backward."""
        if self.cache is None:
            raise RuntimeError(f"{self}: backward was called before forward; "
                               "there is nothing to go back through")
        return self.cache

    def to(self, xp: ModuleType) -> "Layer":
        """Move the parameters to xp, numpy or cupy, and return self."""
        self.params = {name: move(p, xp) for name, p in self.params.items()}
        self.grads = {name: move(g, xp) for name, g in self.grads.items()}
        self.cache = None
        return self

    def __repr__(self):
        return f"{type(self).__name__}()"


class Dense(Layer):
    """y = x·w + b, for x (N, in_features), w (in_features, units)."""

    def __init__(self, in_features: int, units: int, *, rng: Seed = None,
                 dtype=np.float32):
        check_sizes("Dense", in_features=in_features, units=units)
        self.in_features, self.units = in_features, units
        super().__init__(w=glorot_uniform((in_features, units), rng, dtype),
                         b=np.zeros(units, dtype))

    def forward(self, x: Array) -> Array:
        w, b = self.params["w"], self.params["b"]
        check_array(self, "x", x, ("N", self.in_features), like=w)
        self.cache = x
        return x @ w + b                                     # (N, units)

    def backward(self, dy: Array) -> Array:
        x, w = self.recall(), self.params["w"]
        check_array(self, "dy", dy, (len(x), self.units), like=x)
        # y[n,j] = Σ_i x[n,i]·w[i,j] + b[j], so by the chain rule
        # dw[i,j] = Σ_n x[n,i]·dy[n,j]     db[j] = Σ_n dy[n,j]
        # dx[n,i] = Σ_j dy[n,j]·w[i,j]
        self.grads = {"w": x.T @ dy,                         # (in, units)
                      "b": dy.sum(axis=0)}                   # (units,)
        return dy @ w.T                                      # (N, in)

    def __repr__(self):
        return f"Dense({self.in_features}, {self.units})"


class ReLU(Layer):
    """y = max(x, 0), element by element."""

    def forward(self, x: Array) -> Array:
        check_array(self, "x", x, (...,))
        # With one number 0, NumPy takes three times as long as with an array
        xp = get_xp(x)
        zeros = xp.zeros(x.shape[1:], x.dtype)
        y = xp.maximum(x, zeros)
        self.cache = y
        return y

    def backward(self, dy: Array) -> Array:
        y = self.recall()
        check_array(self, "dy", dy, y.shape, like=y)
        # dy/dx is 1 where x > 0, which is where y > 0, and 0 elsewhere.
        # (At the kink itself, x = 0, we choose 0, as every framework does.)
        return dy * (y > 0)


class Sigmoid(Layer):
    """y = σ(x) = 1 / (1 + e⁻ˣ), element by element."""

    def forward(self, x: Array) -> Array:
        check_array(self, "x", x, (...,))
        y = sigmoid(x)
        self.cache = y
        return y

    def backward(self, dy: Array) -> Array:
        y = self.recall()
        check_array(self, "dy", dy, y.shape, like=y)
        return dy * y * (1 - y)                              # σ' = σ·(1 − σ)


class Reshape(Layer):
    """(N, ...) -> (N, *shape): the same numbers, arranged anew."""

    def __init__(self, shape: Sequence[int]):
        super().__init__()
        self.shape = tuple(shape)
        check_sizes("Reshape", **{f"shape[{i}]": size
                                  for i, size in enumerate(self.shape)})

    def forward(self, x: Array) -> Array:
        check_array(self, "x", x, ("N", ...))
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(f"{self}: x has shape {x.shape}, but "
                             f"{math.prod(self.shape)} numbers an image were "
                             "expected")
        self.cache = x
        return x.reshape(len(x), *self.shape)

    def backward(self, dy: Array) -> Array:
        x = self.recall()
        check_array(self, "dy", dy, (len(x), *self.shape), like=x)
        return dy.reshape(x.shape)

    def __repr__(self):
        return f"Reshape({self.shape})"


class Flatten(Layer):
    """(N, H, W, C) -> (N, H·W·C), or whatever follows N in one row."""

    def forward(self, x: Array) -> Array:
        check_array(self, "x", x, ("N", ...))
        self.cache = x
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: Array) -> Array:
        x = self.recall()
        check_array(self, "dy", dy, (len(x), math.prod(x.shape[1:])), like=x)
        return dy.reshape(x.shape)


class Sequential(Layer):
    """Layers one after another: itself a layer, so that it nests.

    Its params and grads are its layers' own arrays, under "0.w", "2.b", ...
    """

    def __init__(self, layers: Sequence[Layer]):
        self.layers = list(layers)

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array) -> Array:
        # (f∘g)' = (f'∘g)·g': the chain rule, from the last layer to the first
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    @property
    def params(self) -> dict:
        return {f"{i}.{name}": p for i, layer in enumerate(self.layers)
                for name, p in layer.params.items()}

    @property
    def grads(self) -> dict:
        return {f"{i}.{name}": g for i, layer in enumerate(self.layers)
                for name, g in layer.grads.items()}

    def to(self, xp: ModuleType) -> "Sequential":
        for layer in self.layers:
            layer.to(xp)
        return self

    def __repr__(self):
        return f"Sequential({self.layers})"


@fused
def sigmoid(x: Array) -> Array:
    """Return σ(x) without overflow: e^−|x| is never above 1."""
    xp = get_xp(x)
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1, e) / (1 + e)


def glorot_uniform(shape: tuple, rng: Seed = None,
                   dtype=np.float32) -> np.ndarray:
    """Draw weights that keep the size of signals from layer to layer.

    Uniform in ±sqrt(6 / (fan_in + fan_out)), so that neither activations
    (forward) nor gradients (backward) grow or fade (Glorot & Bengio 2010,
    eq. 16). As in Keras, the last two axes of shape are the channels, those
    before them the kernel's.
    """
    rng = np.random.default_rng(rng)
    fan_sum = math.prod(shape[:-2]) * (shape[-2] + shape[-1])
    limit = math.sqrt(6 / fan_sum)
    return rng.uniform(-limit, limit, shape).astype(dtype)


def check_sizes(who, **sizes) -> None:
    """Refuse sizes that are not whole numbers of at least 1."""
    for name, size in sizes.items():
        try:
            good = operator.index(size) >= 1
        except TypeError:
            good = False
        if not good:
            raise ValueError(f"{who}: {name} is {size!r}, but a whole number "
                             "of at least 1 was expected")


def check_array(who, name: str, x: Array, shape: tuple,
                like: Array | None = None) -> None:
    """Refuse an array that a layer was not built for, in one sentence.

    shape: the one expected; letters stand for any size, a last `...` for
    any further axes: ("N", "H", "W", 3), ("N", ...).
    like: an array whose type and dtype x must share; without it, any
    floating dtype will do (complex ones too, for complex-step derivatives).
    Raises ValueError (shape) or TypeError (the rest).
    """
    if type(x) is not type(like) and not (like is None and hasattr(x, "T")):
        wanted = "numpy ndarray" if like is None else _kind(like)
        raise TypeError(f"{who}: {name} is a {_kind(x)}, but a {wanted} was "
                        "expected; convert it first")
    like = x if like is None else like
    if x.dtype.kind not in "fc" or x.dtype != like.dtype:
        wanted = like.dtype if like.dtype.kind in "fc" else "float32"
        raise TypeError(f"{who}: {name} is {x.dtype}, but {wanted} was "
                        f"expected; convert it with .astype('{wanted}')")
    fixed = [s for s in shape if s is not ...]
    same_rank = (x.ndim >= len(fixed) if ... in shape
                 else x.ndim == len(fixed))
    if not same_rank or any(not isinstance(want, str) and want != have
                            for want, have in zip(fixed, x.shape)):
        wanted = ", ".join("..." if s is ... else str(s) for s in shape)
        raise ValueError(f"{who}: {name} has shape {x.shape}, but ({wanted}) "
                         "was expected")


def _kind(x):
    module = type(x).__module__.split(".")[0]
    return f"{module} {type(x).__name__}".removeprefix("builtins ")
