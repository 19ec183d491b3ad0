"""Flatten's backward, and what goes wrong in it."""
import math

import numpy as np

from minivae import Flatten

from common.exercise import Exercise, Mistake, run_layer, stale


def cases(rng):
    # the batch before has other images, of as many numbers
    return [{"x": rng.standard_normal(shape),
             "dy": rng.standard_normal((shape[0], math.prod(shape[1:]))),
             "before": rng.standard_normal(shape[:1] + shape[:0:-1])}
            for shape in ((2, 3, 4, 5), (3, 4, 3, 2), (1, 2, 5))]


def right(x, dy, before):
    return run_layer(Flatten(), x, dy, before)


def channels_first(x, dy, **_):
    if x.ndim == 3:
        raise ValueError("no image")
    N, H, W, C = x.shape
    return {"dx": dy.reshape(N, C, H, W).transpose(0, 2, 3, 1)}


EXERCISE = Exercise(
    needs=("MyFlatten",), read="minivae/layers.py",
    hints=("A permutation's transpose takes each number back to where it "
           "came from.",
           "What forward has done to the shape, backward undoes; forward has "
           "kept the old shape.",
           "NumPy's reshape takes a tuple, and reads and writes in the same "
           "order both times: so one reshape is enough."),
    cases=cases, run=lambda its, **case: run_layer(its.MyFlatten(), **case),
    right=right,
    mistakes=[
        Mistake("dy as it came, still flat",
                "dx has the shape of x: forward has kept it for you.",
                lambda dy, **_: {"dx": dy}),
        Mistake("another order than forward's, first index fastest",
                "forward's reshape lets the last index run fastest; leave "
                "out order='F'.",
                lambda x, dy, **_: {"dx": dy.reshape(x.shape, order="F")}),
        Mistake("images with their channels first, turned round afterwards",
                "reshape alone brings every number back; then no transpose is "
                "left to do.", channels_first),
        Mistake("a transpose of dy before it is reshaped",
                "the rows of dy are the images; they must stay together.",
                lambda x, dy, **_: {"dx": dy.T.reshape(x.shape)}),
        Mistake("an image without the axis of the batch",
                "x.shape begins with N; for more than one image there are too "
                "many numbers.",
                lambda x, dy, **_: {"dx": dy.reshape(x.shape[1:])}),
        Mistake("images with rows and columns exchanged",
                "no number is to move: reshape to the shape that x had, axis "
                "by axis.",
                lambda x, dy, **_: {"dx": np.swapaxes(dy.reshape(
                    x.shape[0], x.shape[2], x.shape[1], *x.shape[3:]), 1, 2)}),
        stale(right)])
