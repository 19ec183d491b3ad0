"""The Layer contract, and the layers that are not convolutions.

A layer is a function y = f(x; params) that also knows its own chain rule: from
dL/dy, the gradient of the loss L, backward computes dL/dx, which it returns,
and dL/dparam, which it leaves in `grads`. That is all of backpropagation;
Sequential only chains it.

Every backward comes from one statement. Let J be the Jacobian of a layer,
J[i, j] = ∂y[i]/∂x[j], with x and y as vectors. The loss depends on x[j]
through every y[i], so dL/dx[j] = Σᵢ dL/dy[i]·J[i, j]. With dx for dL/dx and
dy for dL/dy, as everywhere below, that is

    dx = Jᵀ·dy               (a vector-Jacobian product)

J itself is never built: it has a number for each pair of elements. What is
linear, y = A·x, has J = A, so its backward is multiplication by Aᵀ, for a
convolution as for a Dense (whose images are rows, so that A is wᵀ); what acts
element by element has a diagonal J.

Letters, in every file: N images, H W height and width, OH OW those of a
convolution's output, C channels, F filters, KH KW the kernel's height and
width, SH SW the strides, D latent dimensions. `dname` is dL/dname, with the
shape and dtype of name; dy, which comes from the layers after this one, is
called the upstream gradient.
"""
import math
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .backend import Array, Seed, fused, get_xp, move
from .checks.arrays import check_param, check_sizes, expects, expects_dy
from .checks.networks import Grads, Params


class Layer:
    """What every layer promises; a layer of your own inherits from it.

    One with parameters begins with super().__init__(w=..., b=...).

    forward(x) -> y     keeps in self.cache what backward will need
    backward(dy) -> dx  goes back through the *last* forward; overwrites
                        self.grads, never adds to it (so nobody has to set
                        gradients to zero), and changes neither params nor dy
    params, grads       dicts of arrays with the same keys, such as "w", "b"
    layers              those that it is made of, if it is made of layers
    """

    cache: Any = None
    y_kind: Any = None                 # what dy must be like: see expects_dy
    layers: Sequence["Layer"] = ()

    def __init_subclass__(cls):
        # a subclass that overrides backward alone must not inherit a
        # backward_params that goes around it
        if "backward" in vars(cls) and "backward_params" not in vars(cls):
            cls.backward_params = Layer.backward_params

    def __new__(cls, *args, **kwargs):
        # so that a layer without parameters needs no __init__
        layer = super().__new__(cls)
        vars(layer).update(params={}, grads={})
        return layer

    def __init__(self, **params):
        for name, p in params.items():
            check_param(type(self).__name__, name, p)
        self.params = params
        self.grads = {name: np.zeros_like(p) for name, p in params.items()}

    def forward(self, x: Array) -> Array:
        """Return y = f(x)."""
        raise NotImplementedError(f"{self} has no forward")

    def backward(self, dy: Array) -> Array:
        """Return dx, and leave the gradients of the parameters in grads."""
        raise NotImplementedError(f"{self} has no backward")

    def backward_params(self, dy: Array) -> None:
        """Leave the gradients of the parameters in grads: nobody needs dx."""
        self.backward(dy)

    def to(self, xp: ModuleType) -> "Layer":
        """Move the parameters to xp, numpy or cupy, and return self."""
        own = vars(self)              # not what a Sequential's layers have
        for arrays in own["params"], own["grads"]:
            for name, a in arrays.items():
                arrays[name] = move(a, xp)
        for layer in sublayers(self):
            layer.to(xp)
        self.cache = None
        return self

    def forget(self) -> None:
        """Let go of what forward kept: it can be as large as a batch."""
        self.cache = None
        for layer in sublayers(self):
            layer.forget()

    def __getstate__(self):      # leave the cache out of pickles and copies
        return {name: value for name, value in vars(self).items()
                if name not in ("cache", "y_kind")}

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

    @expects("N", "in_features")
    def forward(self, x: Array) -> Array:
        self.cache = x
        return x @ self.params["w"] + self.params["b"]       # (N, units)

    @expects_dy
    def backward(self, dy: Array) -> Array:
        x, w = self.cache, self.params["w"]
        # y[n,j] = Σ_i x[n,i]·w[i,j] + b[j] is linear in x, in w and in b:
        # dw[i,j] = Σ_n x[n,i]·dy[n,j]     db[j] = Σ_n dy[n,j]
        # dx[n,i] = Σ_j dy[n,j]·w[i,j]
        self.grads = {"w": x.T @ dy,                         # (in, units)
                      "b": dy.sum(axis=0)}                   # (units,)
        return dy @ w.T                                      # (N, in)

    def __repr__(self):
        return f"Dense({self.in_features}, {self.units})"


class ReLU(Layer):
    """y = max(x, 0), element by element."""

    @expects(...)
    def forward(self, x: Array) -> Array:
        y = self.cache = get_xp(x).maximum(x, 0)
        return y

    @expects_dy
    def backward(self, dy: Array) -> Array:
        y = self.cache
        # ∂y/∂x is 1 where x > 0, which is where y > 0, and 0 elsewhere.
        # (At the kink itself, x = 0, we choose 0, as the frameworks do.)
        return dy * (y > 0)


class Sigmoid(Layer):
    """y = σ(x) = 1 / (1 + e⁻ˣ), element by element."""

    @expects(...)
    def forward(self, x: Array) -> Array:
        y = self.cache = sigmoid(x)
        return y

    @expects_dy
    def backward(self, dy: Array) -> Array:
        y = self.cache
        return dy * y * (1 - y)                              # σ' = σ·(1 − σ)


class Reshape(Layer):
    """(N, ...) -> (N, *shape): the same numbers, rearranged."""

    def __init__(self, shape: Sequence[int]):
        super().__init__()
        self.shape = tuple(shape)
        check_sizes("Reshape", **{f"shape[{i}]": size
                                  for i, size in enumerate(self.shape)})

    @expects("N", ...)
    def forward(self, x: Array) -> Array:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(f"{self}: x has shape {x.shape}, but "
                             f"{math.prod(self.shape)} numbers for each of N "
                             "were expected")
        self.cache = x
        return x.reshape(len(x), *self.shape)

    @expects_dy
    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.cache.shape)

    def __repr__(self):
        return f"Reshape({self.shape})"


class Flatten(Layer):
    """(N, ...) -> (N, the product of the other sizes)."""

    @expects("N", ...)
    def forward(self, x: Array) -> Array:
        self.cache = x
        return x.reshape(len(x), math.prod(x.shape[1:]))

    @expects_dy
    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.cache.shape)


class Sequential(Layer):
    """Layers one after another: itself a layer, so that it nests.

    Its params and grads are its layers' own arrays, "0.w", "2.b", ...
    Raises ValueError where one layer object stands in two places.
    """

    def __init__(self, layers: Sequence[Layer]):
        self.layers = list(layers)
        check_layers("Sequential", enumerate(self.layers))

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array) -> Array:
        # The Jacobian of f∘g is J_f·J_g, so its transpose is J_gᵀ·J_fᵀ: the
        # last layer goes first
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def backward_params(self, dy: Array) -> None:
        for layer in reversed(self.layers[1:]):
            dy = layer.backward(dy)
        for first in self.layers[:1]:            # what comes before needs none
            first.backward_params(dy)

    @property
    def params(self) -> dict:
        return Params(by_name("params", enumerate(self.layers)))

    @property
    def grads(self) -> "Grads":
        return Grads(by_name("grads", enumerate(self.layers)), self.params)

    def __repr__(self):
        return f"Sequential({self.layers})"


@fused
def sigmoid(x: Array) -> Array:
    """Return σ(x) without overflow: no power of e is above 1.

    σ(x) is 1 / (1 + e⁻ˣ) where x > 0, and eˣ / (eˣ + 1) elsewhere.
    """
    xp = get_xp(x)
    e = xp.exp(xp.minimum(x, -x))    # −|x|, of complex x (in tests) as well
    return xp.exp(xp.minimum(x, 0)) / (1 + e)


def glorot_uniform(shape: tuple, rng: Seed = None,
                   dtype=np.float32) -> np.ndarray:
    """Draw weights that keep the size of signals from layer to layer.

    Uniform in ±sqrt(6 / (fan_in + fan_out)): behind activations that are
    nearly linear, neither signals (forward) nor gradients (backward) grow or
    fade (Glorot & Bengio 2010, eq. 16). (A ReLU halves their mean square.) As
    in Keras, the last two axes of shape are the channels, those before them
    the kernel's.
    """
    rng = np.random.default_rng(rng)
    fan_sum = math.prod(shape[:-2]) * (shape[-2] + shape[-1])
    limit = math.sqrt(6 / fan_sum)
    return rng.uniform(-limit, limit, shape).astype(dtype)


# ---- layers in layers ------------------------------------------------------

def by_name(which: str, layers: Iterable[tuple]) -> dict[str, Array]:
    """Return the "params" or "grads" of layers, (name, layer), in one dict."""
    return {f"{name}.{key}": a for name, layer in layers
            for key, a in getattr(layer, which).items()}


def sublayers(layer: Layer) -> list[Layer]:
    """Return the layers that a layer is made of: none for most."""
    layers = layer.layers if isinstance(layer.layers, (list, tuple)) else ()
    return [part for part in layers if isinstance(part, Layer)]


def check_layers(caller, layers: Iterable[tuple]) -> None:
    """Refuse one layer object in two places, and what is no layer.

    A layer remembers its last forward and backward only: in two places, what
    belongs to the first would be lost.
    """
    places: dict[int, str] = {}

    def visit(name, layer):
        if not isinstance(layer, Layer):
            raise TypeError(f"{caller}: {name} is {layer!r}, but a layer, "
                            "such as ReLU(), was expected")
        if id(layer) in places:
            raise ValueError(f"{caller}: {places[id(layer)]} and {name} are "
                             f"one and the same {layer}; make a layer for "
                             "each place")
        places[id(layer)] = name
        for i, part in enumerate(sublayers(layer)):
            visit(f"{name}.{i}", part)
    for name, layer in layers:
        visit(name, layer)
