"""Conv2D's backward, and what goes wrong in it."""
import numpy as np

from minivae import Conv2D
from minivae.conv import correlate_dw, correlate_dx, windows

from common.exercise import Exercise, Mistake, added, run_layer, stale


def cases(rng):
    found = []
    for shape, (KH, KW), F, strides, padding in (
            ((2, 5, 5, 2), (3, 3), 3, (1, 1), "valid"),
            ((3, 6, 5, 2), (3, 2), 2, (2, 1), "same")):
        OH, _, _ = windows(shape[1], KH, strides[0], padding)
        OW, _, _ = windows(shape[2], KW, strides[1], padding)
        found.append({
            "x": rng.standard_normal(shape),
            "dy": rng.standard_normal((shape[0], OH, OW, F)),
            "before": rng.standard_normal(shape),
            "w": rng.standard_normal((KH, KW, shape[3], F)),
            "b": rng.standard_normal(F), "strides": strides,
            "padding": padding})
    return found


def compute(cls, x, w, strides, padding, **case):
    KH, KW, C, F = w.shape
    layer = cls(C, F, (KH, KW), strides, padding, dtype=w.dtype)
    return run_layer(layer, x, w=w, **case)


def right(**case):
    return compute(Conv2D, **case)


def dx_with(change):
    """Return dx with another matrix in place of w."""
    def gives(x, w, dy, strides, padding, **_):
        return {"dx": correlate_dx(dy, change(w), x.shape[1:3], strides,
                                   padding)}
    return gives


def reshaped(w):
    """As a matrix, (F, KH*KW*C) by reshape in place of a transpose."""
    return w.reshape(w.shape[3], -1).T.reshape(w.shape)


def dw_with(x=lambda x: x, dy=lambda dy: dy, dw=lambda dw: dw):
    """Return dw with something changed before or afterwards."""
    change_x, change_dy = x, dy

    def gives(x, w, dy, strides, padding, **_):
        return {"dw": dw(correlate_dw(change_x(x), change_dy(dy), w.shape[:2],
                                      strides, padding))}
    return gives


def dw_reshaped(dw):
    """As a matrix, (F, KH*KW*C), whose reshape takes a transpose's place."""
    return dw.reshape(-1, dw.shape[3]).T.reshape(dw.shape)


EXERCISE = Exercise(
    needs=("MyConv2D",), read="minivae/conv.py",
    hints=("Write down Dense's three gradients, with cols for x. What comes "
           "out for x there is dcols here.",
           "For the products, make matrices: cols (N*OH*OW, KH*KW*C), dy "
           "(N*OH*OW, F), w (KH*KW*C, F). dw comes out as a matrix, too.",
           "dcols = dy times w transposed; col2im, with the image's size, "
           "brings it back to x. b is added at each place of each image: "
           "three axes of dy go."),
    cases=cases, run=lambda its, **case: compute(its.MyConv2D, **case),
    right=right,
    mistakes=[
        Mistake("dx with a kernel that is flipped",
                "with col2im no kernel is flipped: it only adds rows back. "
                "(To flip is for a dx that is written as a convolution.)",
                dx_with(lambda w: w[::-1, ::-1])),
        Mistake("w reshaped to (F, KH*KW*C) where a transpose belongs",
                "both have the same shape, but not the same numbers in it.",
                dx_with(reshaped)),
        Mistake("dw reshaped from (F, KH*KW*C), without a transpose",
                "both have the same shape, but not the same numbers in it.",
                dw_with(dw=dw_reshaped)),
        Mistake("dw that is flipped",
                "deep learning's convolution does not flip, nor does dw.",
                dw_with(dw=lambda dw: dw[::-1, ::-1])),
        Mistake("dw from dy upside down",
                "look for a flip of dy; row p of dy belongs to window p.",
                dw_with(dy=lambda dy: dy[:, ::-1])),
        Mistake("dw as a mean over images",
                "the loss is a mean already: 1/N is in dy, once.",
                lambda dy, **case: dw_with(dw=lambda dw: dw / len(dy))(
                    dy=dy, **case)),
        Mistake("db as a mean over images, rows and columns",
                "b is added at each place: its gradient is a sum.",
                lambda dy, **_: {"db": dy.mean((0, 1, 2))}),
        Mistake("db summed over images only",
                "b has one number per filter; rows and columns have to go, "
                "too.", lambda dy, **_: {"db": dy.sum(0)}),
        Mistake("db as one number",
                "each filter has a b of its own: the last axis stays.",
                lambda dy, **_: {"db": np.asarray(dy.sum())}),
        stale(right), added(right)])
