"""The same numbers as PyTorch and Keras, to twelve digits.

oracle/*.npz hold what these frameworks computed once, in float64: inputs,
outputs and every gradient under a random upstream. oracle/make_oracle.py
made them; neither framework is needed here.
"""
import json
from pathlib import Path

import numpy as np
import pytest

from minivae import (Adam, Conv2D, Conv2DTranspose, Dense, ReLU, Sigmoid,
                     bernoulli_logpdf, gaussian_kl, gaussian_logpdf)

LAYERS = {"Conv2D": Conv2D, "Conv2DTranspose": Conv2DTranspose,
          "Dense": Dense, "ReLU": ReLU, "Sigmoid": Sigmoid}


def load(name):
    """Read an oracle: {case: {"x": ..., "settings": ...}}."""
    cases = {}
    with np.load(Path(__file__).parent / "oracle" / name) as file:
        for key in file:
            case, _, array = key.partition("/")
            cases.setdefault(case, {})[array] = file[key]
    print(cases.pop("version")[""])
    return cases


CASES = {f"{framework}-{case}": arrays
         for framework in ("torch", "keras")
         for case, arrays in load(f"{framework}.npz").items()}
LAYER_CASES = [case for case in CASES if case.split("-")[1] in LAYERS]


def agree(got, want, tolerance=1e-12):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def test_there_are_enough_cases():
    names = [case.split("-")[1] for case in CASES]
    assert names.count("Conv2D") >= 12 and names.count("Conv2DTranspose") >= 12
    assert {"Dense", "ReLU", "Sigmoid", "bernoulli", "kl", "gaussian",
            "Adam"} <= set(names)


@pytest.mark.parametrize("case", LAYER_CASES)
def test_layer(case):
    a, cls = CASES[case], LAYERS[case.split("-")[1]]
    settings = json.loads(str(a["settings"]))
    if "w" in a:
        sizes = a["x"].shape[-1], a["b"].shape[0]
        layer = cls(*sizes, **settings, dtype="float64")
        for name in "w", "b":               # as they stand: the same layout
            assert layer.params[name].shape == a[name].shape
            layer.params[name] = a[name]
    else:
        layer = cls()
    agree(layer.forward(a["x"]), a["y"])
    agree(layer.backward(a["dy"]), a["dx"])
    for name, gradient in layer.grads.items():
        agree(gradient, a[f"d{name}"])


@pytest.mark.parametrize("case, loss, names", [
    ("torch-bernoulli", bernoulli_logpdf, ["x", "logits"]),
    ("torch-kl", gaussian_kl, ["mu", "logvar"]),
    ("torch-gaussian", gaussian_logpdf, ["z", "mu", "logvar"])])
def test_loss(case, loss, names):
    a = CASES[case]
    value, *gradients = loss(*(a[name] for name in names))
    agree(value, a["y"])
    differentiated = [name for name in names if name != "x"]
    for name, gradient in zip(differentiated, gradients, strict=True):
        agree(a["dy"][:, None] * gradient, a[f"d{name}"])


@pytest.mark.parametrize("case, tolerance", [
    ("torch-Adam", 1e-12),
    ("keras-Adam", 1e-6)])         # Keras rounds beta_1 and beta_2 to float32
def test_adam_takes_the_same_hundred_steps(case, tolerance):
    a = CASES[case]
    p = {"w": a["start"].copy()}
    adam = Adam(p, **json.loads(str(a["settings"])))
    assert len(a["grads"]) == 100
    for g, want in zip(a["grads"], a["path"]):
        adam.step({"w": g})
        agree(p["w"], want, tolerance)
