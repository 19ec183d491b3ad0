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
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from types import ModuleType
from typing import Any

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
    layers              those that it is made of, if it is made of layers
    """

    cache: Any = None
    layers: Sequence["Layer"] = ()

    def __new__(cls, *args, **kwargs):
        layer = super().__new__(cls)       # a layer without parameters needs
        vars(layer).update(params={}, grads={})           # no __init__ at all
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

    def recall(self):
        """Return what forward kept: the first line of every backward."""
        if self.cache is None:
            raise RuntimeError(f"{self}: backward was called before forward; "
                               "there is nothing to go back through")
        return self.cache

    def to(self, xp: ModuleType) -> "Layer":
        """Move the parameters to xp, numpy or cupy, and return self."""
        for arrays in self.params, self.grads:
            arrays.update({name: move(a, xp) for name, a in arrays.items()})
        for layer in sublayers(self):
            layer.to(xp)
        self.cache = None
        return self

    def forget(self) -> None:
        """Let go of what forward kept: it can be as large as a batch."""
        self.cache = None
        for layer in sublayers(self):
            layer.forget()

    def __getstate__(self):                    # a pickle or copy without it
        return {k: v for k, v in vars(self).items() if k != "cache"}

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


class Network:
    """Layers under names: what a Sequential and a VAE have in common."""

    def parts(self) -> dict[str, Layer]:
        """Return its layers by name."""
        raise NotImplementedError

    @property
    def params(self) -> "Params":
        """All parameters: "0.w", "2.b", ..., its layers' own arrays."""
        return Params(self)

    @property
    def grads(self) -> "Grads":
        """Their gradients at the last backward, by the same names."""
        return Grads(by_name(self, "grads"), self.params)

    def to(self, xp: ModuleType):
        """Move the parameters to xp, numpy or cupy, and return self."""
        for layer in self.parts().values():
            layer.to(xp)
        return self


class Sequential(Network, Layer):
    """Layers one after another: itself a layer, so that it nests.

    Raises ValueError where one layer object stands in two places.
    """

    def __init__(self, layers: Sequence[Layer]):
        self.layers = list(layers)
        check_layers("Sequential", self.parts())

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array) -> Array:
        # (f∘g)' = (f'∘g)·g': the chain rule, from the last layer to the first
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def parts(self) -> dict[str, Layer]:
        return {str(i): layer for i, layer in enumerate(self.layers)}

    def __repr__(self):
        return f"Sequential({self.layers})"


@fused
def sigmoid(x: Array) -> Array:
    """Return σ(x) without overflow: e^−|x| is never above 1."""
    xp = get_xp(x)
    e = xp.exp(xp.minimum(x, -x))     # (abs would have no complex derivative)
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


# ---- arrays by name --------------------------------------------------------

def by_name(network: Network, which: str) -> dict[str, Array]:
    """Return the "params" or "grads" of a network's layers in one dict."""
    return {f"{part}.{name}": a for part, layer in network.parts().items()
            for name, a in getattr(layer, which).items()}


class Params(Mapping):
    """A network's parameters by name: at any time those of its layers.

    Adam keeps this, and so trains an array that has replaced another, too.
    """

    def __init__(self, network: Network):
        self.network = network

    def __getitem__(self, name: str) -> Array:
        return by_name(self.network, "params")[name]

    def __setitem__(self, name: str, p: Array) -> None:
        if name not in self:
            raise KeyError(name)
        part, _, rest = name.partition(".")                  # of "0.w": "0"
        self.network.parts()[part].params[rest] = p

    def __iter__(self) -> Iterator[str]:
        return iter(by_name(self.network, "params"))

    def __len__(self) -> int:
        return len(by_name(self.network, "params"))

    def items(self) -> ItemsView:          # these two at once: it is quicker
        return by_name(self.network, "params").items()

    def values(self) -> ValuesView:
        return by_name(self.network, "params").values()

    def __repr__(self):
        return repr(dict(self))


class Grads(dict):
    """Gradients by name, and the params that they are the gradients of."""

    def __init__(self, grads: Mapping, params: Mapping):
        super().__init__(grads)
        self.params = params

    def __reduce__(self):                # a copy or a pickle is a plain dict
        return dict, (dict(self),)


# ---- what is refused -------------------------------------------------------

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
    if type(x) is not (get_xp(x).ndarray if like is None else type(like)):
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


def check_param(who, name: str, p: Array) -> None:
    """Refuse a parameter that is not an array of float32 or float64."""
    # (complex: for complex-step derivatives)
    if (type(p) is not get_xp(p).ndarray
            or p.dtype not in (np.float32, np.float64, np.complex128)):
        what = getattr(p, "dtype", f"a {_kind(p)}")
        raise TypeError(f"{who}: {name} is {what}, but an array of float32 or "
                        "float64 was expected; make it with dtype='float32'")


def check_layers(who, parts: dict[str, Layer]) -> None:
    """Refuse one layer object in two places, and what is no layer.

    A layer keeps what its last forward saw, and the gradients of its last
    backward: of two places, those of the other would be lost.
    """
    places: dict[int, str] = {}

    def visit(name, layer):
        if not isinstance(layer, Layer):
            raise TypeError(f"{who}: {name} is {layer!r}, but a layer, such "
                            "as ReLU(), was expected")
        if id(layer) in places:
            raise ValueError(f"{who}: {places[id(layer)]} and {name} are one "
                             f"and the same {layer}; make a layer for each "
                             "place")
        places[id(layer)] = name
        for i, part in enumerate(sublayers(layer)):
            visit(f"{name}.{i}", part)
    for name, layer in parts.items():
        visit(name, layer)


def sublayers(layer: Layer) -> list[Layer]:
    """Return the layers that a layer is made of: none for most."""
    layers = layer.layers if isinstance(layer.layers, (list, tuple)) else ()
    return [part for part in layers if isinstance(part, Layer)]


def _kind(x):
    module = type(x).__module__.split(".")[0]
    return f"{module} {type(x).__name__}".removeprefix("builtins ")
