"""A sigmoid that does not overflow

sigmoid(x) = 1 / (1 + e^-x) lies between 0 and 1, and yet a computer fails at
it: e^800 is too large for float64. And for x = -40 the answer is about 4e-18,
which must not become 0: its logarithm is still to be taken.

Write stable_sigmoid, for x of any size and sign, so that no number on the way
overflows and small answers keep all their digits.
"""
import numpy as np


def stable_sigmoid(x):
    """Return 1 / (1 + e^-x), element by element."""
    # x (N, ...) -> of the same shape; NumPy warns where you let it overflow
    raise NotImplementedError
