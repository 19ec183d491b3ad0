"""Glorot's uniform weights: how large should they be at first?

Too small, and signals fade from layer to layer; too large, and they grow.
Glorot and Bengio (2010) draw each weight uniformly from -limit..limit, with

    limit = sqrt(6 / (fan_in + fan_out))

fan_in is how many numbers each output is a sum of, fan_out how many outputs
each input reaches. For a Dense, w is (in, units). For a convolution, w is
(KH, KW, C, F): each output sums over a whole window, KH*KW*C numbers.

Write my_glorot. rng is a numpy.random.Generator; draw from nothing else.
"""
import numpy as np


def my_glorot(shape, rng, dtype=np.float32):
    """Return random weights, an array of a shape and a dtype."""
    # shape: (in, units) or (KH, KW, C, F)
    raise NotImplementedError
