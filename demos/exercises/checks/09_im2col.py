"""im2col, and what goes wrong in it."""
import numpy as np

from minivae.conv import im2col

from common.exercise import Exercise, Mistake


def cases(rng):
    return [{"x": rng.standard_normal(shape), "kernel_size": kernel,
             "strides": strides}
            for shape, kernel, strides in (
                ((2, 6, 6, 2), (2, 3), (1, 2)),
                ((1, 7, 5, 3), (3, 2), (2, 1)),
                ((3, 4, 4, 1), (2, 2), (2, 2)))]


def right(x, kernel_size, strides):
    return {"cols": im2col(x, kernel_size, strides, "valid")}


def rearranged(order):
    """Return cols whose rows hold KH, KW and C in another order."""
    def gives(x, kernel_size, strides):
        cols = right(x, kernel_size, strides)["cols"]
        parts = cols.reshape(*cols.shape[:3], *kernel_size, x.shape[-1])
        return {"cols": parts.transpose(0, 1, 2, *order).reshape(cols.shape)}
    return gives


def flipped(x, kernel_size, strides):
    cols = right(x, kernel_size, strides)["cols"]
    parts = cols.reshape(*cols.shape[:3], *kernel_size, x.shape[-1])
    return {"cols": parts[:, :, :, ::-1, ::-1].reshape(cols.shape)}


def strides_not_used(x, kernel_size, strides):
    OH, OW = right(x, kernel_size, strides)["cols"].shape[1:3]
    return {"cols": im2col(x, kernel_size, (1, 1), "valid")[:, :OH, :OW]}


def last_window_lost(x, kernel_size, strides):
    # (H - KH) // SH windows, where there is one more
    return {"cols": right(x, kernel_size, strides)["cols"][:, :-1, :-1]}


EXERCISE = Exercise(
    needs=("my_im2col",), read="minivae/conv.py",
    hints=("Draw a row of 5 pixels and a window of 3, with a stride of 2: the "
           "window has 2 places. Now put that into a formula for OH.",
           "Two loops suffice, over the places i, j inside of the window: "
           "which pixels stand at i, j of all windows at once? They lie SH "
           "rows and SW columns apart.",
           "Make an empty array (N, OH, OW, KH, KW, C) and fill [:, :, :, i, "
           "j] with a strided slice of x that begins at row i, column j and "
           "has OH x OW pixels. A reshape at the end makes the rows."),
    cases=cases,
    run=lambda its, **case: {"cols": its.my_im2col(**case)},
    right=right,
    mistakes=[
        Mistake("strides that are exchanged: rows by SW, columns by SH",
                "strides is (rows, columns).",
                lambda x, kernel_size, strides: right(
                    x, kernel_size, strides[::-1])),
        Mistake("windows with rows and columns exchanged",
                "in a row of cols, KW runs faster than KH: look at the order "
                "of the axes before the last reshape.",
                rearranged((4, 3, 5))),
        Mistake("windows with their channels first",
                "in a row of cols, C runs fastest: (KH, KW, C).",
                rearranged((5, 3, 4))),
        Mistake("windows that are flipped",
                "deep learning's convolution does not flip: the upper left "
                "pixel comes first.", flipped),
        Mistake("windows that move by 1, whatever the strides",
                "the right number of windows, but where does each begin?",
                strides_not_used),
        Mistake("one window too few, along each axis",
                "with as many pixels as the kernel has there is 1 window, "
                "not 0.", last_window_lost),
        Mistake("places of windows with rows and columns exchanged",
                "cols[n, p, q] is the window in row p, column q.",
                lambda **case: {"cols": np.swapaxes(
                    right(**case)["cols"], 1, 2)}),
        Mistake("rows that are not reshaped: KH, KW, C as axes of their own",
                "cols has four axes, (N, OH, OW, KH*KW*C).",
                lambda x, kernel_size, strides: {
                    "cols": (cols := right(x, kernel_size, strides)["cols"])
                    .reshape(*cols.shape[:3], *kernel_size, -1)})])
