"""Max pooling's backward, and what goes wrong in it, also where pixels tie."""
from dataclasses import replace

import numpy as np

from common.exercise import Exercise, Mistake, run_layer, slopes, stale


def cases(rng):
    found = [{"x": rng.standard_normal((N, S * h, S * w, C)),
              "dy": rng.standard_normal((N, h, w, C)),
              "before": rng.standard_normal((N, S * h, S * w, C)), "size": S}
             for N, h, w, C, S in ((2, 2, 2, 2, 2), (1, 2, 3, 1, 3))]
    ties = {name: np.copy(a) for name, a in found[0].items()}
    ties["size"] = 2
    ties["x"][:, :2, :2] = 1.0
    return [*found, ties]


def blocks(a, size):
    """Return a (N, H, W, C) as (N, OH, OW, C, size*size)."""
    N, H, W, C = a.shape
    parts = a.reshape(N, H // size, size, W // size, size, C)
    return parts.transpose(0, 1, 3, 5, 2, 4).reshape(
        N, H // size, W // size, C, -1)


def back(parts, size):
    """Undo blocks."""
    N, OH, OW, C, _ = parts.shape
    a = parts.reshape(N, OH, OW, C, size, size).transpose(0, 1, 4, 2, 5, 3)
    return a.reshape(N, OH * size, OW * size, C)


def describe(x, size, dx):
    """Return dx where no pixels tie, and its sum over each block."""
    if np.shape(dx) != x.shape:
        return {"dx": dx, "dx, summed over each block": dx}
    parts = blocks(x, size)
    tied = (parts == parts.max(-1, keepdims=True)).sum(-1) > 1
    sums = blocks(np.asarray(dx), size)
    return {"dx": back(sums * ~tied[..., None], size),
            "dx, summed over each block": sums.sum(-1)}


def run(its, x, size, **case):
    outputs = run_layer(its.MaxPool(size), x, **case)
    return {"y": outputs["y"], **describe(x, size, outputs["dx"])}


def winners(x, dy, size, best=np.argmax):
    """Give dy to one pixel of each block."""
    parts = blocks(x, size)
    mask = np.arange(size * size) == best(parts, -1)[..., None]
    return back(mask * dy[..., None], size)


def right(x, dy, before, size):
    # finite differences, where there is no kink; else one of those that tie
    parts = blocks(x, size)
    top = np.sort(parts, -1)
    if (top[..., -1] == top[..., -2]).any():
        dx = winners(x, dy, size)
    else:
        dx = slopes(lambda x: blocks(x, size).max(-1), dy, x)[0]
    return {"y": parts.max(-1), **describe(x, size, dx)}


def mistake(name, look, gives):
    return Mistake(name, look, lambda x, dy, before, size: describe(
        x, size, gives(x, dy, size)))


def everyone(x, dy, size):
    return np.repeat(np.repeat(dy, size, axis=1), size, axis=2)


def all_that_tie(x, dy, size):
    parts = blocks(x, size)
    mask = parts == parts.max(-1, keepdims=True)
    return back(mask * dy[..., None], size)


def exchanged(x, dy, size):
    """Read a place in a block as column*size + row."""
    parts = blocks(x, size)
    row, column = np.divmod(parts.argmax(-1), size)
    mask = np.arange(size * size) == (column * size + row)[..., None]
    return back(mask * dy[..., None], size)


EXERCISE = Exercise(
    needs=("MaxPool",), read="minivae/gradcheck.py",
    hints=("In each block, which pixels of x move y? What is dy/dx there, and "
           "elsewhere?",
           "Compare the blocks of x with y, spread out over its blocks: that "
           "gives a mask. Then count how many in a block are True.",
           "With blocks (N, OH, S, OW, S, C) and y[:, :, None, :, None], the "
           "mask comes from ==, and mask / mask.sum(axis=(2, 4), "
           "keepdims=True) adds up to 1 in each block."),
    cases=cases, run=run, right=right,
    mistakes=[
        mistake("pixels that tie and each get the whole gradient",
                "a mask of x == y has several True in such a block; the block "
                "must give dy back once.", all_that_tie),
        mistake("a gradient for every pixel of a block",
                "only the largest moves y; where does a mask come in?",
                everyone),
        mistake("average pooling's gradient",
                "the mean knows all pixels of a block, the maximum only one.",
                lambda x, dy, size: everyone(x, dy, size) / size ** 2),
        mistake("the gradient given to the smallest",
                "y is the maximum of a block.",
                lambda x, dy, size: winners(x, dy, size, np.argmin)),
        mistake("a place in the block with row and column exchanged",
                "argmax counts row by row: row = place // size.", exchanged),
        mistake("the gradient given to the upper left pixel",
                "which one was the largest? The cache has x and y.",
                lambda x, dy, size: back(
                    (np.arange(size * size) == 0) * dy[..., None], size)),
        mistake("y times the upstream gradient",
                "the winner's slope is 1, however large it is.",
                lambda x, dy, size: winners(
                    x, dy * blocks(x, size).max(-1), size)),
        mistake("the mask alone, without the upstream gradient",
                "the chain rule has two factors; where does dy come in?",
                lambda x, dy, size: winners(x, np.ones_like(dy), size)),
        replace(stale(right), gives=lambda x, dy, before, size: describe(
            x, size, winners(before, dy, size)))])
