"""For every layer of minivae, examples to try it on: (layer, x).

test_layers.py finds the layers by itself; one without an example fails.
"""
import importlib
import pkgutil

import numpy as np

import minivae
from minivae import (Conv2D, Conv2DTranspose, Dense, Flatten, Layer, ReLU,
                     Reshape, Sequential, Sigmoid)
from minivae.beyond.conv_gan import LeakyReLU
from minivae.beyond.masked import Beside, Gate, MaskedConv2D, Residual
from minivae.beyond.pixelcnn import PixelCNN
from minivae.beyond.upsample import Upsample


def examples(cls, dtype="float64") -> list:
    """Return fresh, reproducible examples [(layer, x), ...] of a layer."""
    rng = np.random.default_rng(0)
    settings = {"rng": rng, "dtype": dtype}

    def x(*shape):
        return rng.standard_normal(shape).astype(dtype)

    # The two shapes that show every planted convolution bug: a large kernel
    # on a square, and odd sizes with everything different along the axes.
    square = (2, 3, 4), {"strides": 2}
    oblong = (2, 3, (3, 2)), {"strides": (2, 1), "padding": "same"}
    makers = {
        Dense: lambda: [(Dense(5, 3, **settings), x(4, 5)),
                        (Dense(1, 1, **settings), x(1, 1))],
        ReLU: lambda: [(ReLU(), x(3, 4, 5, 2)), (ReLU(), x(6, 7))],
        LeakyReLU: lambda: [(LeakyReLU(), x(3, 4, 5, 2)),
                            (LeakyReLU(0.5), x(6, 7))],
        Sigmoid: lambda: [(Sigmoid(), 3 * x(3, 4, 5, 2))],
        Flatten: lambda: [(Flatten(), x(3, 4, 5, 2)), (Flatten(), x(3, 2))],
        Reshape: lambda: [(Reshape((2, 3, 4)), x(3, 24)),
                          (Reshape((4,)), x(2, 2, 2))],
        Sequential: lambda: [
            (Sequential([Dense(4, 3, **settings), Sigmoid(), Sequential(
                [Dense(3, 6, **settings), Reshape((3, 2, 1))]),
                Conv2D(1, 2, 2, **settings)]), x(3, 4)),
            (Sequential([]), x(2, 3))],
        Conv2D: lambda: [
            (Conv2D(*square[0], **square[1], **settings), x(2, 8, 8, 2)),
            (Conv2D(*oblong[0], **oblong[1], **settings), x(3, 7, 6, 2))],
        Conv2DTranspose: lambda: [
            (Conv2DTranspose(*square[0], **square[1], **settings),
             x(2, 4, 4, 2)),
            (Conv2DTranspose(*oblong[0], **oblong[1], **settings),
             x(3, 4, 5, 2))],
        MaskedConv2D: lambda: [
            (MaskedConv2D(2, 3, 3, strict=True, **settings), x(2, 4, 5, 2)),
            (MaskedConv2D(1, 2, 5, **settings), x(2, 5, 4, 1))],
        Gate: lambda: [(Gate(), x(2, 3, 4, 6)), (Gate(), x(3, 2))],
        Residual: lambda: [
            (Residual(Sequential([Dense(4, 4, **settings), Sigmoid()])),
             x(3, 4)),
            (Residual(Sigmoid()), x(3, 4))],
        Beside: lambda: [
            (Beside(MaskedConv2D(2, 3, 3, **settings)), x(2, 4, 5, 5)),
            (Beside(Conv2D(1, 1, 3, padding="same", **settings)),
             x(3, 2, 2, 2))],
        Upsample: lambda: [
            (Upsample(2, 3, (7, 7), **settings), x(2, 4, 4, 2)),
            (Upsample(1, 2, (5, 4), **settings), x(3, 3, 2, 1))],
        PixelCNN: lambda: [
            (PixelCNN(3, 4, 1, reach=5, **settings), x(2, 3, 4, 3)),
            (PixelCNN(2, 2, 2, reach=3, conditional=True, **settings),
             x(1, 5, 3, 4))],
    }
    if cls not in makers:
        raise LookupError(f"the layer {cls.__name__} has no example in "
                          "tests/examples.py, so nothing checks it")
    made = makers[cls]()
    for layer, _ in made:                 # a bias of 0 would hide its absence
        for name, p in layer.params.items():
            if name.endswith("b"):
                p[...] = x(*p.shape)
    return made


def all_layers() -> list:
    """Return every class of minivae that is a Layer and has a forward."""
    for module in pkgutil.walk_packages(minivae.__path__, "minivae."):
        if not module.name.startswith("minivae.datasets"):
            importlib.import_module(module.name)
    found, queue = [], [Layer]
    while queue:
        cls = queue.pop()
        queue += cls.__subclasses__()
        if (cls.forward is not Layer.forward
                and cls.__module__.startswith("minivae.")
                and "gpu" not in cls.__module__):      # see test_recorded.py
            found.append(cls)
    return sorted(found, key=lambda cls: cls.__name__)
