"""Layers made of the kernels of kernels.cu, which CUDA can record."""
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from ...backend import Array
from ...conv import Conv2D, Conv2DTranspose
from ...layers import Dense, Flatten, Layer, ReLU, Reshape, Sequential
from ...vae import VAE
from . import kernels


class Fused(Layer):
    """A Dense, Conv2D or Conv2DTranspose, with the ReLUs on both its sides.

    relu: a ReLU follows, and forward computes it, too. masked: x came out of
    one, and backward goes back through that, too: dx · (x > 0), as in ReLU.
    The parameters are those of the layer. Backward leaves their gradients in
    sums, in parts (parts, size), which the caller provides and adds.
    """

    def __init__(self, layer: Any, relu: bool, masked: bool):
        self.layer, self.relu, self.masked = layer, relu, masked
        self.params, self.sums = layer.params, dict[str, Array]()
        self.is_transpose = isinstance(layer, Conv2DTranspose)

    def forward(self, x: Array) -> Array:      # (N, H, W, C) to (N, ..., F)
        self.cache, layer = x, self.layer
        shape = (1, *layer.output_size(x), layer.filters) if (
            self.is_transpose) else x.shape
        self.sizes = kernels.sizes_of(shape, self.params["w"].shape,
                                      layer.strides, layer.padding)
        compute = (kernels.correlate_dx if self.is_transpose
                   else kernels.correlate)
        return compute(x, self.params["w"], self.sizes, relu=self.relu,
                       bias=self.params["b"])

    def backward(self, dy: Array) -> Array:
        self.backward_params(dy)
        compute = (kernels.correlate if self.is_transpose
                   else kernels.correlate_dx)
        return compute(dy, self.params["w"], self.sizes,
                       mask=self.cache if self.masked else None)

    def backward_params(self, dy: Array) -> None:
        # a transposed convolution's y is the image, its x has the windows
        images, windows = ((dy, self.cache) if self.is_transpose
                           else (self.cache, dy))
        kernels.correlate_dw(images, windows, self.sizes, self.sums["w"])
        kernels.sum_rows(dy, self.sums["b"])

    def parts(self, xp: ModuleType) -> dict[str, int]:
        """Return in how many parts backward leaves them, after a forward."""
        N, s = len(self.cache), self.sizes
        rows = N * (s.H * s.W if self.is_transpose else s.OH * s.OW)
        return {"w": kernels.product_dw(N, s).parts(xp),
                "b": max(1, min(rows // 128, 1024))}


class FusedDense(Fused):
    """A Dense: a convolution of images of one pixel."""

    def __init__(self, layer: Any, relu: bool, masked: bool):
        super().__init__(layer, relu, masked)
        self.in_features = layer.in_features          # which a VAE asks for

    def forward(self, x: Array) -> Array:
        # x (N, in) as images (N, 1, 1, in), w as a kernel (1, 1, in, units)
        self.cache, w = x[:, None, None], self.params["w"][None, None]
        self.sizes = kernels.sizes_of(self.cache.shape, w.shape, (1, 1),
                                      "valid")
        return kernels.correlate(self.cache, w, self.sizes, relu=self.relu,
                                 bias=self.params["b"])[:, 0, 0]

    def backward(self, dy: Array) -> Array:
        self.backward_params(dy)
        return kernels.correlate_dx(
            dy[:, None, None], self.params["w"][None, None], self.sizes,
            mask=self.cache if self.masked else None)[:, 0, 0]

    def backward_params(self, dy: Array) -> None:
        super().backward_params(dy[:, None, None])


FUSED = {Dense: FusedDense, Conv2D: Fused, Conv2DTranspose: Fused}
RESHAPING = Reshape, Flatten


def leaves(network: Layer | VAE) -> Iterator[Layer]:
    """Yield the layers that Sequentials, however nested, are made of."""
    if isinstance(network, VAE):
        yield from (*leaves(network.encoder), *leaves(network.decoder))
    elif type(network) is Sequential:
        for layer in network.layers:
            yield from leaves(layer)
    else:
        yield network


def fuse(network: Layer) -> Sequential:
    """Return a network's twin: the same parameters, in layers of kernels.

    A layer that is not known here stays as it is.
    """
    layers = list(leaves(network))
    twins: list[Layer] = []
    after_relu = False         # so that what comes now goes back through it
    for here, layer in enumerate(layers):
        if type(layer) in FUSED:
            relu = absorbed(layers[here + 1:])
            twins.append(FUSED[type(layer)](layer, relu, after_relu))
            after_relu = relu
        elif not (after_relu and type(layer) is ReLU):
            twins.append(layer)
            after_relu = after_relu and type(layer) in RESHAPING
    return Sequential(twins)


def absorbed(following: Sequence[Layer]) -> bool:
    """Return whether a ReLU comes first, and its backward finds a place.

    That is in the next layer of kernels, if nothing but a Reshape or Flatten
    stands between.
    """
    if not following or type(following[0]) is not ReLU:
        return False
    rest = [type(layer) for layer in following[1:]]
    return next((kind in FUSED for kind in rest if kind not in RESHAPING),
                False)
