"""What networks refuse: a parameter replaced in the wrong dict, and more."""
from typing import Any

from ..backend import Array


def in_features_of(first: Any) -> int:
    """Return D; refuse a decoder whose first layer does not say it."""
    if not hasattr(first, "in_features"):
        raise ValueError(f"VAE: the decoder begins with {first}, which does "
                         "not say how many numbers a code has; let it begin "
                         "with a Dense, or with a layer that has in_features")
    return first.in_features


class Params(dict):
    """Parameters by name. To replace an array, do it in its layer, not here.
    """

    def __setitem__(self, name: str, p: Array) -> None:
        # params[name] -= ... ends by assigning the same array: allowed
        if p is not self.get(name):
            raise TypeError(f"{name} would be replaced in this dict only; "
                            "write into it, params[name][...] = ..., or "
                            "replace it in its layer's own params")

    def __reduce__(self):                # a copy or a pickle is a plain dict
        return dict, (dict(self),)


class Grads(dict):
    """Gradients by name, and the params that they are the gradients of.

    So an optimizer can see whether it is about to step the right arrays.
    """

    def __init__(self, grads: dict, params: dict):
        super().__init__(grads)
        self.params = params

    __reduce__ = Params.__reduce__
