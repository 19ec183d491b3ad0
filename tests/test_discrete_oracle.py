"""Discrete codes and their prior, as PyTorch computes them, to 1e-12."""
import json

import numpy as np
import pytest
from test_oracle import agree, load

from minivae.beyond.categorical import categorical_kl
from minivae.beyond.masked import Gate, MaskedConv2D
from minivae.beyond.straight_through import (gumbel_one_hot,
                                             gumbel_one_hot_backward)

CASES = load("discrete.npz")


@pytest.mark.parametrize("case", [case for case in CASES
                                  if case.startswith("MaskedConv2D")])
def test_masked_convolutions(case):
    a = CASES[case]
    layer = MaskedConv2D(2, 3, **json.loads(str(a["settings"])),
                         dtype="float64")
    layer.params["w"][...], layer.params["b"][...] = a["w"], a["b"]
    agree(layer.forward(a["x"]), a["y"])
    agree(layer.backward(a["dy"]), a["dx"])
    for name in "w", "b":
        agree(layer.grads[name], a[f"d{name}"])


def test_gate():
    a, gate = CASES["Gate"], Gate()
    agree(gate.forward(a["x"]), a["y"])
    agree(gate.backward(a["dy"]), a["dx"])


def test_kl():
    a = CASES["kl"]
    kl, dq, dp = categorical_kl(a["q"], a["p"])
    agree(kl, a["y"])
    for got, want in (dq, a["dq"]), (dp, a["dp"]):
        agree(a["dy"][:, None, None, None] * got, want)


def test_gumbels_straight_through():
    a = CASES["gumbel"]
    agree(gumbel_one_hot(a["logits"], a["noise"]), a["y"])
    agree(gumbel_one_hot_backward(
        a["dy"], a["logits"], a["noise"],
        json.loads(str(a["settings"]))["temperature"]), a["dlogits"])


def test_all_cases_are_tried():
    assert {case.split("-")[0] for case in CASES} == {
        "MaskedConv2D", "Gate", "kl", "gumbel"}
    assert len(CASES) == 7 and np.all([a["y"].size for a in CASES.values()])
