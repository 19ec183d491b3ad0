"""Average pooling's backward, and what goes wrong in it."""
import numpy as np

from common.exercise import Exercise, Mistake, run_layer, slopes


def cases(rng):
    return [{"x": rng.standard_normal((N, S * h, S * w, C)),
             "dy": rng.standard_normal((N, h, w, C)),
             "before": rng.standard_normal((N, S * h, S * w, C)), "size": S}
            for N, h, w, C, S in ((2, 2, 2, 2, 2), (1, 2, 3, 1, 3))]


def forward(x, size):
    N, H, W, C = x.shape
    return x.reshape(N, H // size, size, W // size, size, C).mean((2, 4))


def right(x, dy, before, size):
    return {"y": forward(x, size),
            "dx": slopes(lambda x: forward(x, size), dy, x)[0]}


def spread(dy, size):
    """Give each number of dy to its whole block."""
    return np.repeat(np.repeat(dy, size, axis=1), size, axis=2)


def upper_left(dy, size, **_):
    dx = np.zeros((len(dy), dy.shape[1] * size, dy.shape[2] * size,
                   dy.shape[3]))
    dx[:, ::size, ::size] = dy
    return {"dx": dx}


EXERCISE = Exercise(
    needs=("AveragePool",), read="minivae/layers.py",
    hints=("Write the mean of a block out as a sum. What does one pixel stand "
           "beside in it?",
           "All pixels of a block get the same gradient, as the mean does not "
           "know one from another.",
           "np.repeat(a, S, axis=1) writes each row S times, one below the "
           "other; the same for columns. And one factor of a mean is left."),
    cases=cases,
    run=lambda its, size, **case: run_layer(its.AveragePool(size), **case),
    right=right,
    mistakes=[
        Mistake("the gradient of a sum: 1/size^2 is missing",
                "a mean over size x size pixels divides by their number.",
                lambda dy, size, **_: {"dx": spread(dy, size)}),
        Mistake("a division by size, not by size^2",
                "how many pixels are in a block?",
                lambda dy, size, **_: {"dx": spread(dy, size) / size}),
        Mistake("copies of the whole of dy side by side, not blocks",
                "np.tile repeats the image; a pixel has to be repeated.",
                lambda dy, size, **_: {
                    "dx": np.tile(dy, (1, size, size, 1)) / size ** 2}),
        Mistake("the whole gradient for one pixel of each block",
                "every pixel of a block moves its mean.", upper_left),
        Mistake("blocks with rows and columns exchanged",
                "row p of dy belongs to the rows from p*size on.",
                lambda dy, size, **_: {"dx": np.swapaxes(
                    spread(dy, size), 1, 2) / size ** 2}),
        Mistake("a division by the number of blocks",
                "divide by the number of pixels in a block.",
                lambda dy, size, **_: {
                    "dx": spread(dy, size) / dy[0, ..., 0].size}),
        Mistake("dy as it came, smaller than x",
                "dx has the shape of x.", lambda dy, **_: {"dx": dy})])
