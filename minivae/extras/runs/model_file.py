"""A trained conv_vae in a file, and those that ship with minivae."""
import errno
from pathlib import Path
from typing import Any

import numpy as np

from ...backend import to_numpy
from ...datasets.embedded import DATASETS
from ...layers import sublayers
from ...vae import VAE, conv_vae


def save_model(path: str | Path, vae: VAE, image_shape: tuple) -> None:
    """Write a conv_vae: its parameters by name, and what else it is made of.

    image_shape: (H, W, C). Raises OSError, and ValueError for what load_model
    could not build again: another network, parameters that are not finite.
    """
    params = {name: to_numpy(p) for name, p in vae.params.items()}
    shape = [int(n) for n in image_shape]
    try:
        same = _network_of(params, shape, vae.likelihood)
        for name in "encoder", "decoder":
            if _layers(getattr(vae, name)) != _layers(getattr(same, name)):
                raise ValueError(f"its {name} has other layers than that of a "
                                 "conv_vae")
        if type(vae) is not VAE or vae.log_p_x is not same.log_p_x:
            raise ValueError(f"it is a {type(vae).__name__} of your own, or "
                             "with a likelihood of your own")
    except ValueError as error:
        raise ValueError("save_model: load_model would refuse this network "
                         f"({error}); save a conv_vae whose parameters are "
                         "finite, with the shape of its images") from error
    from . import npz           # loaded only now: `import minivae` is quick
    npz.save(path, params, {"kind": "model", "image_shape": shape,
                            "likelihood": vae.likelihood})


def load_model(path: str | Path) -> VAE:
    """Read a conv_vae that save_model has written, bit for bit.

    path may also name a run's folder, with model.npz in it. Raises
    FileNotFoundError (another OSError for a file that cannot be opened), and
    ValueError if it is not a model, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        path /= "model.npz"
    try:
        return _read(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            errno.ENOENT, "there is no such model; train one with "
            "demos/train_fashion.py", str(path)) from error
    except ValueError as error:
        raise ValueError(
            f"{path} is not a model of minivae, or damaged ({error}); take "
            "another copy, or train one with demos/train_fashion.py"
            ) from error


def load_pretrained(name: str, kind: str = "vae") -> Any:
    """Return a VAE that is trained already: on "fashion" or on "mnist".

    They ship with the package: each is the model.npz of a run of
    demos/train_fashion.py or train_mnist.py, with --epochs 40 --batch-size 64
    --learning-rate 2e-3 --decay. kind: "vae", or one of its relatives (see
    minivae/beyond): "discrete", "gan", "pixelcnn" or "vqvae". Raises
    ValueError for another name or kind.
    """
    if kind != "vae":
        from ...beyond.shipped import load_relative   # a room of its own
        return load_relative(name, kind)
    names = "fashion", "mnist"
    if name not in names:
        raise ValueError(f"there is no pretrained model {name!r}; there are "
                         f"{' and '.join(map(repr, names))}")
    path = DATASETS / f"{name}_model.npz"
    try:
        return _read(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}, which ships with minivae, is missing or damaged "
            f"({error}); restore it with pip install --force-reinstall "
            "minivae, or in a clone with git checkout") from error


def _layers(layer):
    """Return what a layer is: its class itself, not only the name of it."""
    return type(layer), repr(layer), *map(_layers, sublayers(layer))


def _read(path):
    """Return the model in a file; ValueError says why if there is none."""
    from . import npz
    params, about = npz.load(path)
    if about.get("kind") != "model":
        raise ValueError("it is a run's checkpoint, and its model is the "
                         "model.npz beside it")
    return _network_of(params, about.get("image_shape"),
                       about.get("likelihood"))


def _network_of(params, image_shape, likelihood):
    """Return the conv_vae that has these parameters, or raise ValueError."""
    if not isinstance(image_shape, list) or [
            type(n) for n in image_shape] != [int, int, int]:
        raise ValueError(f"its image_shape is {image_shape}, but three sizes, "
                         "H, W and C, were expected")
    for name in "encoder.0.b", "encoder.5.b":
        if name not in params:
            raise ValueError(f"it has no parameter {name}")
    dtypes = {p.dtype.newbyteorder("=") for p in params.values()}
    if dtypes not in ({np.dtype("float32")}, {np.dtype("float64")}):
        raise ValueError("its parameters are "
                         f"{', '.join(sorted(map(str, dtypes)))}, but all "
                         "float32 or all float64 were expected")
    # How large must its largest parameters be? We ask before making any
    H, W, C = image_shape
    F, D = params["encoder.0.b"].size, params["encoder.5.b"].size // 2
    if max(C * F, F * F, (H // 4) * (W // 4) * F * D) > max(
            p.size for p in params.values()):
        raise ValueError("its parameters are too few for its images")
    vae = conv_vae((H, W, C), D, filters=F, likelihood=str(likelihood),
                   dtype=dtypes.pop())
    if ({name: p.shape for name, p in params.items()}
            != {name: p.shape for name, p in vae.params.items()}):
        raise ValueError("its parameters have other names or shapes than "
                         f"those of a conv_vae for images of {H, W, C}")
    for name, p in vae.params.items():
        if not np.isfinite(params[name]).all():
            raise ValueError(f"its parameter {name} is not finite")
        p[...] = params[name]
    return vae
