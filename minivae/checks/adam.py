"""What Adam refuses: rates that cannot work, and arrays not its own."""
import itertools
import math
from collections.abc import Mapping

from ..backend import get_xp
from .arrays import check_array


def check_rate(rate: float) -> None:
    """Refuse a learning rate that cannot work."""
    if not 0 < rate < math.inf:
        raise ValueError(f"Adam: learning_rate is {rate}, but a finite number "
                         "above 0 was expected")


def check_settings(learning_rate: float, beta_1: float, beta_2: float,
                   epsilon: float) -> None:
    """Refuse settings that cannot work."""
    check_rate(learning_rate)
    if not 0 < epsilon < math.inf:             # with 0, a g of 0 gives 0/0
        raise ValueError(f"Adam: epsilon is {epsilon}, but a small number "
                         "above 0 was expected")
    for name, beta in ("beta_1", beta_1), ("beta_2", beta_2):
        if not 0 <= beta < 1:
            raise ValueError(f"Adam: {name} is {beta}, but a number from 0 on "
                             "and below 1 was expected")


def check_params(params: Mapping) -> None:
    """Refuse what cannot be trained, and arrays that share memory."""
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


def shapes(arrays: Mapping) -> dict:
    """Return of each array what may not change: its shape, dtype, device."""
    return {name: (getattr(a, "shape", ()), getattr(a, "dtype", type(a)),
                   get_xp(a).__name__) for name, a in arrays.items()}


def check_grads(grads: Mapping, params: Mapping, made_for: dict) -> None:
    """Refuse gradients of other parameters than Adam was made for.

    made_for: the shapes of params back then.
    """
    # the gradients of a VAE or Sequential carry their parameters along
    theirs = getattr(grads, "params", params)
    if any(p is not params.get(name) for name, p in theirs.items()):
        raise ValueError("Adam: these gradients are not of the parameters "
                         "that Adam was made for, but of others that replaced "
                         "them or of another model; make a new "
                         "Adam(vae.params), after vae.to(...)")
    for what, found in ("gradients", grads), ("params", params):
        odd = {name for name, _ in                      # in one of them only
               shapes(found).items() ^ made_for.items()}
        if odd:
            raise ValueError(f"Adam: {what} differ in name, shape, dtype or "
                             "device from the parameters that Adam was made "
                             f"for: {', '.join(sorted(odd))}")
