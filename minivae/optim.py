"""Adam: gradient descent with a step size of its own for every weight.

Kingma & Ba 2015, algorithm 1, for each parameter p with gradient g, at step t,
with α the learning rate:

    m ← β₁·m + (1 − β₁)·g          running mean of the gradient
    v ← β₂·v + (1 − β₂)·g²         running mean of its square
    m̂ = m / (1 − β₁ᵗ)              corrected for their beginning at 0
    v̂ = v / (1 − β₂ᵗ)
    p ← p − α·m̂ / (√v̂ + ε)

Three rearrangements save operations. The first line is m += (1 − β₁)·(g − m),
v likewise. Both corrections go into one number, α·√(1 − β₂ᵗ) / (1 − β₁ᵗ),
which multiplies m / (√v + ε) (section 2's last lines): this one changes the
result a little, since ε is added to √v, as in Keras, and not to √v̂. And all
parameters are one long vector: a step takes a few operations in all, not a
few per parameter.
"""
import math
from collections.abc import Mapping

from .backend import Array, fused, get_xp, has_quick_form
from .checks.adam import (check_grads, check_params, check_rate,
                          check_settings, shapes)


class Adam:
    """Adam, with Keras' arithmetic, for the parameters of a VAE or layer.

    params: arrays by name, which step changes in place. The default rate is
    the tutorial's, a tenth of Keras'. The state (m, v by the names of params,
    and t) can be printed, saved, and written into. Raises ValueError for a
    rate, beta or epsilon that cannot work, and for arrays that share memory:
    they would be stepped twice.
    """

    def __init__(self, params: Mapping, learning_rate: float = 1e-4,
                 beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7):
        check_settings(learning_rate, beta_1, beta_2, epsilon)
        check_params(params)
        self.params, self.shapes = params, shapes(params)
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        vector = flatten(params)
        self._m, self._v = (get_xp(vector).zeros_like(vector)
                            for _ in range(2))
        self.t = 0

    @property
    def m(self) -> dict:
        """The running mean of each gradient, by name: views of one vector."""
        return unflatten(self._m, self.params)

    @property
    def v(self) -> dict:
        """The running mean of its square, likewise."""
        return unflatten(self._v, self.params)

    def step(self, grads: Mapping) -> None:
        """Move params against grads, a dict with the same names and shapes.

        Raises ValueError where these differ, or are the gradients of other
        parameters than Adam was made for: nothing has changed then.
        """
        check_rate(self.learning_rate)
        check_grads(grads, self.params, self.shapes)
        self.t += 1
        rate = (self.learning_rate * math.sqrt(1 - self.beta_2 ** self.t)
                / (1 - self.beta_1 ** self.t))
        move(self.params, self._m, self._v, grads, 1 - self.beta_1,
             1 - self.beta_2, rate, self.epsilon)


@has_quick_form
def move(params: Mapping, m: Array, v: Array, grads: Mapping,
         one_minus_beta_1: float, one_minus_beta_2: float, rate: float,
         epsilon: float) -> None:
    """Change params, and the vectors m and v, in place."""
    g = flatten({name: grads[name] for name in params})
    change = _update(m, v, g, one_minus_beta_1, one_minus_beta_2, rate,
                     epsilon)
    for name, d in unflatten(change, params).items():
        p = params[name]
        p -= d


@fused
def _update(m, v, g, one_minus_beta_1, one_minus_beta_2, rate, epsilon):
    # changes m and v in place, and returns the change of the parameters
    m += one_minus_beta_1 * (g - m)
    v += one_minus_beta_2 * (g * g - v)
    return rate * m / (get_xp(v).sqrt(v) + epsilon)


def flatten(arrays: Mapping) -> Array:
    """Return a dict's arrays in one vector, in its order."""
    vectors = [a.ravel() for a in arrays.values()]
    return get_xp(vectors[0]).concatenate(vectors)


def unflatten(vector: Array, like: Mapping) -> dict:
    """Return parts of a vector, named and shaped like a dict's arrays: views.
    """
    parts, start = {}, 0
    for name, a in like.items():
        parts[name] = vector[start:start + a.size].reshape(a.shape)
        start += a.size
    return parts
