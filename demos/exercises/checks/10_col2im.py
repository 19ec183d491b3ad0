"""col2im, and what goes wrong in it."""
import numpy as np

from minivae.conv import col2im, windows

from common.exercise import Exercise, Mistake


def cases(rng):
    found = []
    for N, (H, W), C, kernel, strides in (
            (2, (6, 6), 2, (2, 2), (1, 1)), (2, (7, 6), 3, (3, 2), (2, 1)),
            (1, (5, 8), 1, (2, 3), (2, 2))):
        OH, OW = (windows(size, K, S, "valid")[0]
                  for size, K, S in zip((H, W), kernel, strides))
        found.append({
            "cols": rng.standard_normal((N, OH, OW,
                                         kernel[0] * kernel[1] * C)),
            "image_size": (H, W), "kernel_size": kernel, "strides": strides})
    return found


def right(cols, image_size, kernel_size, strides):
    return {"x": col2im(cols, image_size, kernel_size, strides, "valid")}


def put_back(cols, image_size, kernel_size, strides, by_window):
    """Write where col2im adds; the loop is over windows, or inside them."""
    N, OH, OW, _ = cols.shape
    (KH, KW), (SH, SW) = kernel_size, strides
    cols = cols.reshape(N, OH, OW, KH, KW, -1)
    x = np.zeros((N, *image_size, cols.shape[-1]), cols.dtype)
    if by_window:
        for p in range(OH):
            for q in range(OW):
                x[:, SH * p:SH * p + KH, SW * q:SW * q + KW] = cols[:, p, q]
    else:
        for i in range(KH):
            for j in range(KW):
                x[:, i:i + SH * OH:SH, j:j + SW * OW:SW] = cols[:, :, :, i, j]
    return {"x": x}


def averaged(cols, **case):
    times = right(np.ones_like(cols), **case)["x"]
    return {"x": right(cols, **case)["x"] / np.maximum(times, 1)}


def rearranged(change):
    """Return what comes of cols whose windows are changed before."""
    def gives(cols, kernel_size, **case):
        windows = cols.reshape(*cols.shape[:3], *kernel_size, -1)
        return right(change(windows).reshape(cols.shape),
                     kernel_size=kernel_size, **case)
    return gives


def channels_first(windows):
    KH, KW, C = windows.shape[3:]
    return np.moveaxis(windows.reshape(*windows.shape[:3], C, KH, KW), 3, 5)


def columns_first(windows):
    KH, KW, C = windows.shape[3:]
    return np.swapaxes(windows.reshape(*windows.shape[:3], KW, KH, C), 3, 4)


EXERCISE = Exercise(
    needs=("my_col2im",), read="minivae/conv.py",
    hints=("im2col with its assignment turned round: what stood on the left "
           "now stands on the right. But one thing must change.",
           "A transpose adds: two numbers that were copied from one pixel "
           "both go back to it, and meet there.",
           "Begin with zeros. In two loops over the places i, j inside of the "
           "window, add cols[:, :, :, i, j] to the same strided slice that "
           "im2col reads: in one such slice no pixel occurs twice."),
    cases=cases, run=lambda its, **case: {"x": its.my_col2im(**case)},
    right=right,
    mistakes=[
        Mistake("numbers that overwrite each other, place by place",
                "where windows overlap, a pixel has been copied several "
                "times: what does it get from each of its copies?",
                lambda **case: put_back(**case, by_window=False)),
        Mistake("windows that overwrite each other",
                "where windows overlap, a pixel gets a sum. (Where an array "
                "of places names one twice, += adds only once.)",
                lambda **case: put_back(**case, by_window=True)),
        Mistake("a mean over the windows that have seen a pixel",
                "col2im is no inverse of im2col, but its transpose: it adds.",
                averaged),
        Mistake("windows that are flipped",
                "place i, j goes back to where im2col has read i, j.",
                rearranged(lambda a: a[:, :, :, ::-1, ::-1])),
        Mistake("windows with rows and columns exchanged",
                "a row of cols is (KH, KW, C), C fastest.",
                rearranged(columns_first)),
        Mistake("windows with their channels first",
                "a row of cols is (KH, KW, C), C fastest.",
                rearranged(channels_first)),
        Mistake("an image that ends with the last window",
                "image_size says how large it is; what no window has seen "
                "is 0.",
                lambda cols, image_size, kernel_size, strides: right(
                    cols, tuple((n - 1) * S + K for n, S, K in zip(
                        cols.shape[1:3], strides, kernel_size)),
                    kernel_size, strides))])
