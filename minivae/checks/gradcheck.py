"""What a gradient check refuses, and what it reports beside gradients."""
from collections.abc import Mapping

import numpy as np

from ..backend import Array, get_xp
from ..layers import Layer


def check_inputs(caller, arrays: Mapping, h: float, tolerance: float,
                 moved: bool = False) -> None:
    """Refuse arrays in which no step h can be taken, or none that tells.

    moved: their elements are moved in place.
    """
    limit = tolerance * h / np.finfo(float).eps
    for name, a in arrays.items():
        xp = get_xp(a)
        if type(a) is not xp.ndarray:
            raise TypeError(f"{caller}: {name} is {_what(a)}, but an array of "
                            "float64 was expected")
        if a.dtype != np.float64:
            raise TypeError(
                f"{caller}: {name} is {a.dtype}, but finite differences need "
                "float64: of float32's 7 digits a difference loses 4. Build "
                "the layer with dtype='float64' and convert x with "
                ".astype('float64')")
        if moved and xp is np and not a.flags.writeable:
            raise ValueError(f"{caller}: {name} is read-only, but its "
                             "elements have to be moved; use a copy of it")
        if not a.size or abs(a).max() <= limit:
            continue
        if not xp.isfinite(a).all():
            raise ValueError(f"{caller}: {name} has elements that are not "
                             "finite")
        raise ValueError(
            f"{caller}: {name} has elements of up to "
            f"{float(abs(a).max()):.1g}, and a step of {h} drowns in their "
            f"rounding; scale them to {limit:.0g} or less")


def check_result(what: str, a: Array | float, numbers: tuple = ()) -> None:
    """Refuse what is no array of float64, nor a number, where it may be one.
    """
    if (type(a) is get_xp(a).ndarray or isinstance(a, numbers)) and (
            np.dtype(getattr(a, "dtype", type(a))) == np.float64):
        return
    raise TypeError(f"{what} {_what(a)}, but an array of float64 was expected")


def check_results(caller, y: Array | float, dy: Array | float,
                  pairs: dict) -> None:
    """Refuse a function's y and its claimed gradients where they do not fit.
    """
    for key, (_, da) in pairs.items():
        if da is not None:
            check_result(f"{caller}: d{key} is", da, (np.generic,))
    check_result(f"{caller}: f returns", y, (float, int, np.generic))
    if np.shape(y) != np.shape(dy):
        raise ValueError(f"{caller}: dy has shape {np.shape(dy)}, but y has "
                         f"{np.shape(y)}; they must have the same")


def check_gradients(layer: Layer, dx: Array) -> None:
    """Refuse what backward gives if it is not arrays (of any kind)."""
    if not isinstance(layer.grads, Mapping):
        raise TypeError(f"check_layer: {layer}.grads is {_what(layer.grads)}, "
                        "but a dict was expected")
    found = {"backward returns": dx} | {
        f"grads[{name!r}] is": g for name, g in layer.grads.items()}
    for what, g in found.items():
        if not hasattr(g, "dtype"):
            raise TypeError(f"check_layer: {layer}.{what} {_what(g)}, but an "
                            "array was expected")


def _what(a):
    if a is None:
        return "None"
    plain = type(a) is get_xp(a).ndarray
    return str(a.dtype) if plain else f"a value of type {type(a).__name__}"


def broken_promises(layer: Layer, x: Array, dy: Array,
                    other: Array) -> list[str]:
    """Return which promises of Layer a layer breaks, a sentence for each.

    x and other are two inputs of one shape, dy is an upstream gradient for
    either.
    """
    problems, xp = [], get_xp(x)

    def same(a, b):
        return xp.array_equal(a, b, equal_nan=True)

    def run(x):
        kept = {"x": x, "dy": dy, **layer.params}
        before = {name: a.copy() for name, a in kept.items()}
        y = layer.forward(x).copy()
        dx = layer.backward(dy)
        for name, a in kept.items():
            if not same(a, before[name]):
                problems.append(f"forward or backward changes {name}")
                a[...] = before[name]
        check_gradients(layer, dx)
        found = {"x": dx, **layer.grads}
        return y, {name: g.copy() for name, g in found.items()}

    y, first = run(x)
    run(other)
    y_again, again = run(x)
    if type(layer).backward_params is not Layer.backward_params:
        layer.backward_params(dy)
        problems += [f"backward_params leaves another d{name} than backward"
                     for name, g in layer.grads.items()
                     if not same(g, again[name])]
    if not xp.isfinite(y).all():
        problems.append("forward gives values that are not finite")
    if not same(y, y_again):
        problems.append("forward is not deterministic: the same x gives "
                        "another y; draw noise outside and pass it in")
    else:
        problems += [f"d{name} depends on earlier calls: backward adds to "
                     "it, or goes back through an old x"
                     for name in first if not same(first[name], again[name])]
    problems += odd_gradients({"x": x, **layer.params}, first)
    return list(dict.fromkeys(problems))


def odd_gradients(arrays: dict, grads: dict) -> list[str]:
    """Return, a sentence each, which gradients are not like their arrays."""
    problems = []
    if grads.keys() != arrays.keys():
        problems.append(f"grads has {sorted(grads.keys() - {'x'})}, but "
                        f"params has {sorted(arrays.keys() - {'x'})}")
    for name, a in arrays.items():
        g = grads.get(name, a)
        if (g.shape, g.dtype) != (a.shape, a.dtype):
            problems.append(f"d{name} is {g.dtype} of shape {g.shape}, but "
                            f"{name} is {a.dtype} of shape {a.shape}")
    return problems
