"""Sending a VAE to a process, whatever layers it is made of."""
import contextlib
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import cloudpickle

from ...layers import Layer, sublayers
from ...vae import VAE


def contents(vae: VAE) -> list:
    """Return all that a VAE is made of, to be compared with `is`.

    Its layers and their attributes, among them the arrays of parameters; and
    what is in those that are lists or dicts. But not what forward and
    backward leave there at every call.
    """
    things, seen = [vae.encoder, vae.decoder, vae.log_p_x], set[int]()
    for thing in things:                       # the list grows meanwhile
        inside: Any = ()
        if isinstance(thing, Layer):
            inside = [a for name, a in vars(thing).items()
                      if name not in ("cache", "grads", "y_kind")]
        elif isinstance(thing, dict):
            inside = thing.values()
        elif isinstance(thing, (list, tuple)):
            inside = thing
        if inside and id(thing) not in seen:
            seen.add(id(thing))
            things += inside
    return things


def pickle_vae(vae: VAE) -> bytes:
    """Pickle a VAE, with the code of layers that only this process knows.

    Raises TypeError, which names a layer that cannot be pickled.
    """
    try:
        with by_value():
            return cloudpickle.dumps(vae)
    except Exception as error:
        what = f"the {type(vae).__name__}"
        for network in "encoder", "decoder":
            what = culprit(getattr(vae, network), network) or what
        raise TypeError(
            f"Workers: {what} cannot be sent to a process ({error}); keep no "
            "lock, file or generator in it, or use one worker") from error


@contextlib.contextmanager
def by_value() -> Iterator[None]:
    """Pickle classes of a module that is being imported with their code.

    By name, a process would import it, too, and everything that it does, even
    training, would be done there once more.
    """
    modules = [module for module in list(sys.modules.values()) if getattr(
        getattr(module, "__spec__", None), "_initializing", False)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def culprit(layer: Layer, name: str) -> str:
    """Name the innermost layer that cannot be pickled, or return ""."""
    try:
        cloudpickle.dumps(layer)
    except Exception:
        parts = [culprit(part, f"{name}.{i}")
                 for i, part in enumerate(sublayers(layer))]
        return next(filter(None, parts), f"{name}, a {type(layer).__name__},")
    return ""


def pickle_answer(answer) -> bytes:
    """Pickle a number, or an error: as it is, if it can be unpickled."""
    if not isinstance(answer, Exception):
        return pickle.dumps(answer)
    try:
        data = cloudpickle.dumps(answer)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(answer).__name__}: {answer}"))
