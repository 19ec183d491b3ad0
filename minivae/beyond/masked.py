"""Layers that see only what comes before: masked and gated convolutions.

Any distribution of many variables is a product, by the chain rule of
probability:

    p(x₁, x₂, …) = p(x₁)·p(x₂ | x₁)·p(x₃ | x₁, x₂)·…

A network computes all factors at once if its output at each place depends
only on what stands before that place, row by row, as in reading. That is what
a mask is for: it sets to zero all weights for places that come later (van den
Oord et al. 2016, "Pixel recurrent neural networks", section 3.4).
"""
from types import ModuleType

import numpy as np

from ..backend import Array, Seed, get_xp, move
from ..checks.arrays import check_sizes, expects, expects_dy
from ..conv import (Conv2D, Convolution, correlate, correlate_dw,
                    sum_pixels)
from ..layers import Layer, sigmoid


class MaskedConv2D(Conv2D):
    """y = im2col(x)·w + b, from what stands before: (N, H, W, C) -> (…, F).

    size is odd. w has only the rows above and the place's own, (size//2 + 1,
    size, C, F); in the own row, a mask leaves what stands on its left,
    and the place itself unless strict. (Strict is van den Oord's mask A, for
    the first layer; the others are mask B.)
    """

    def __init__(self, in_channels: int, filters: int, size: int, *,
                 strict: bool = False, rng: Seed = None, dtype=np.float32):
        check_sizes("MaskedConv2D", size=size)
        if size % 2 == 0:
            raise ValueError(f"MaskedConv2D: size is {size!r}, but an odd "
                             "number was expected")
        self.above = self.beside = size // 2
        super().__init__(in_channels, filters, (self.above + 1, size),
                         rng=rng, dtype=dtype)
        self.strict = strict
        self.mask = np.ones((self.above + 1, size, 1, 1), bool)
        self.mask[-1, self.beside + (not strict):] = False

    @expects("N", "H", "W", "in_channels")
    def forward(self, x: Array) -> Array:
        xp, beside = get_xp(x), (self.beside, self.beside)
        x = xp.pad(x, ((0, 0), (self.above, 0), beside, (0, 0)))
        self.cache = x
        return correlate(x, self.w_seen, (1, 1), "valid") + self.params["b"]

    def backward(self, dy: Array) -> Array:
        MaskedConv2D.backward_params(self, dy)
        # y[o] = Σ_k x[o + k]·w[k], so dx[i] = Σ_k dy[i − k]·w[k]ᵀ: without a
        # stride, that is a convolution, too, with the kernel turned around.
        # (The row of k is −above … 0: x was padded above, dy is below)
        xp, beside = get_xp(dy), (self.beside, self.beside)
        dy = xp.pad(dy, ((0, 0), (0, self.above), beside, (0, 0)))
        w = self.w_seen[::-1, ::-1].swapaxes(2, 3)           # (KH, KW, F, C)
        return correlate(dy, xp.ascontiguousarray(w), (1, 1), "valid")

    @expects_dy
    def backward_params(self, dy: Array) -> None:
        dw = correlate_dw(self.cache, dy, self.kernel_size, (1, 1), "valid")
        self.grads = {"w": dw * self.mask, "b": sum_pixels(dy)}

    @property
    def w_seen(self) -> Array:
        """The weights, without those that the mask hides."""
        return self.params["w"] * self.mask

    def to(self, xp: ModuleType) -> Layer:
        """Move the parameters and the mask to xp, and return self."""
        self.mask = move(self.mask, xp)
        return super().to(xp)

    def __repr__(self):
        return (f"MaskedConv2D({self.in_channels}, {self.filters}, "
                f"{self.kernel_size[1]}, strict={self.strict})")


class Gate(Layer):
    """y = tanh(a)·σ(b): a and b are x's first and second half of channels.

    One half says what, the other how much of it (van den Oord et al. 2016,
    "Conditional image generation with PixelCNN decoders", eq. 2).
    """

    @expects("N", ...)
    def forward(self, x: Array) -> Array:
        if x.shape[-1] % 2:
            raise ValueError(f"Gate: x has {x.shape[-1]} channels, but an "
                             "even number, for two halves, was expected")
        a, b = get_xp(x).split(x, 2, axis=-1)
        self.cache = get_xp(x).tanh(a), sigmoid(b)
        return self.cache[0] * self.cache[1]

    @expects_dy
    def backward(self, dy: Array) -> Array:
        t, s = self.cache
        # tanh' = 1 − tanh²        σ' = σ·(1 − σ)
        return get_xp(dy).concatenate([dy * s * (1 - t * t),
                                       dy * t * s * (1 - s)], axis=-1)


class Residual(Layer):
    """y = x + f(x): a layer learns what to add (He et al. 2016, eq. 1)."""

    def __init__(self, layer: Layer):
        self.layers = [layer]

    def forward(self, x: Array) -> Array:
        return x + self.layers[0].forward(x)

    def backward(self, dy: Array) -> Array:
        return dy + self.layers[0].backward(dy)       # the Jacobian is I + J_f

    @property
    def params(self) -> dict:
        return self.layers[0].params

    @property
    def grads(self) -> dict:
        return self.layers[0].grads

    def __repr__(self):
        return f"{type(self).__name__}({self.layers[0]})"


class Beside(Residual):
    """y = f(a) + b: a are x's first channels, b as many as f(a) has.

    So a network of a is told b, which any place may know of.
    """

    def __init__(self, layer: Convolution):
        super().__init__(layer)
        self.of_a = layer.in_channels
        self.channels = layer.in_channels + layer.filters

    @expects("N", "H", "W", "channels")
    def forward(self, x: Array) -> Array:
        a, b = x[..., :self.of_a], x[..., self.of_a:]
        return self.layers[0].forward(a) + b

    def backward(self, dy: Array) -> Array:
        da = self.layers[0].backward(dy)
        return get_xp(dy).concatenate([da, dy], axis=-1)
