"""Adam: gradient descent with a step size of its own for every weight."""
import itertools
import math
from collections.abc import Mapping

from .backend import Array, fused, get_xp
from .layers import check_array


class Adam:
    """Kingma & Ba 2015, algorithm 1, in the order of section 2's last lines.

    There, as in Keras, epsilon is added to √v before v's correction. The
    default rate is the tutorial's, a tenth of Keras'.

    params: arrays by name, which step changes in place; those of a VAE or
    Sequential are looked up in its layers at every step. The state (m, v by
    the names of params, and t) can be printed, saved, and written into.
    Raises ValueError for a rate, beta or epsilon that cannot work, and for
    one array under two names: it would be stepped twice.
    """

    def __init__(self, params: Mapping, learning_rate: float = 1e-4,
                 beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7):
        if not 0 < learning_rate < math.inf:
            raise ValueError(f"Adam: learning_rate is {learning_rate}, but "
                             "a finite number above 0 was expected")
        if not 0 < epsilon < math.inf:         # with 0, a g of 0 gives 0/0
            raise ValueError(f"Adam: epsilon is {epsilon}, but a small "
                             "number above 0 was expected")
        for name, beta in ("beta_1", beta_1), ("beta_2", beta_2):
            if not 0 <= beta < 1:
                raise ValueError(f"Adam: {name} is {beta}, but a number from "
                                 "0 on and below 1 was expected")
        check_params(params)
        self.params, self._kinds = params, kinds(params)
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        # One vector for all of m, and one for v: so a step is few operations
        # on long arrays, not many on short ones
        vector = flatten(params)
        self._m, self._v = (get_xp(vector).zeros_like(vector)
                            for _ in range(2))
        self.t = 0

    @property
    def m(self) -> dict:
        """The running mean of each gradient, by name: parts of the vector."""
        return unflatten(self._m, self.params)

    @property
    def v(self) -> dict:
        """The running mean of its square, likewise."""
        return unflatten(self._v, self.params)

    def step(self, grads: dict) -> None:
        """Move params against grads, a dict with the same names and shapes.

        Raises ValueError where these differ, or where params are no longer
        those that Adam was made for: nothing has changed then.
        """
        params = dict(self.params.items())
        check_step(self._kinds, params, grads)
        self.t += 1
        # m and v start at 0, so after t steps they are too small by the
        # factors 1 − β₁ᵗ and 1 − β₂ᵗ; both corrections go into the rate:
        rate = (self.learning_rate * math.sqrt(1 - self.beta_2 ** self.t)
                / (1 - self.beta_1 ** self.t))
        g = flatten({name: grads[name] for name in params})
        change = _update(self._m, self._v, g, 1 - self.beta_1,
                         1 - self.beta_2, rate, self.epsilon)
        for name, d in unflatten(change, params).items():
            params[name] -= d                                # in place


@fused
def _update(m, v, g, new_in_m, new_in_v, rate, epsilon):
    # Running means of g and of g²: with 1 − β of the new, β of the old is left
    m += new_in_m * (g - m)
    v += new_in_v * (g * g - v)
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


def kinds(arrays: Mapping) -> dict:
    """Return of each array what may not change: its device, dtype, shape."""
    return {name: (get_xp(a).__name__, getattr(a, "dtype", type(a)),
                   getattr(a, "shape", ())) for name, a in arrays.items()}


def check_params(params: Mapping) -> None:
    """Refuse what cannot be trained, and one array under two names."""
    if not params:
        raise ValueError("Adam: there is no parameter to train")
    first = next(iter(params.values()))
    for name, p in params.items():
        check_array("Adam", name, p, (...,))
        check_array("Adam", name, p, (...,), like=first)
    for (a, p), (b, q) in itertools.combinations(params.items(), 2):
        if get_xp(p).shares_memory(p, q):
            raise ValueError(f"Adam: {a} and {b} share memory, and would be "
                             "stepped twice; give each an array of its own")


def check_step(before: dict, params: dict, grads: Mapping) -> None:
    """Refuse to step other parameters, or with other gradients, than meant.
    """
    now, given = kinds(params), kinds(grads)
    if now != before:
        raise ValueError(
            f"Adam: {_odd(now, before)} has another name, shape, dtype or "
            "device than when Adam was made; make a new Adam(vae.params), "
            "after vae.to(...)")
    if given != now:
        raise ValueError("Adam: gradients and parameters differ in name, "
                         f"shape, dtype or device: {_odd(given, now)}")
    if len(set(map(id, params.values()))) < len(params):
        check_params(params)                           # says which are one
    # gradients of a VAE or Sequential say of which parameters they are
    theirs = getattr(grads, "params", params)
    if any(p is not params[name] for name, p in theirs.items()):
        raise ValueError("Adam: these gradients are not of the parameters "
                         "that Adam was made for, but of others that replaced "
                         "them or of another model; make a new "
                         "Adam(vae.params)")


def _odd(a, b):
    return ", ".join(sorted({name for name, _ in a.items() ^ b.items()}))
