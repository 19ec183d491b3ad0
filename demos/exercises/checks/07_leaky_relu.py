"""LeakyReLU's forward and backward, and what goes wrong in them."""
import numpy as np

from common.exercise import Exercise, Mistake, run_layer, slopes, stale


def cases(rng):
    return [{**{name: rng.standard_normal(shape)
                for name in ("x", "dy", "before")}, "slope": slope}
            for shape, slope in (((5, 4), 0.2), ((2, 3, 2, 2), 0.01))]


def leaky(x, slope):
    return np.where(x > 0, x, slope * x)


def run(its, slope, **case):
    return run_layer(its.LeakyReLU(slope), **case)


def right(x, dy, before, slope):
    return {"y": leaky(x, slope),
            "dx": slopes(lambda x: leaky(x, slope), dy, x)[0]}


EXERCISE = Exercise(
    needs=("LeakyReLU",), read="minivae/layers.py",
    hints=("Two straight lines that meet at 0: y on each side is x times a "
           "number, and so is the slope.",
           "np.where(condition, a, b) takes a where the condition holds and b "
           "elsewhere, element by element.",
           "dy/dx is 1 where x > 0, and slope elsewhere: a factor for dy. "
           "What decides is x (or y, which has the same sign), not dy."),
    cases=cases, run=run, right=right,
    mistakes=[
        Mistake("a ReLU: 0 below 0",
                "below 0 both y and its slope are small, but not 0.",
                lambda x, dy, **_: {"y": np.maximum(x, 0),
                                    "dx": dy * (x > 0)}),
        Mistake("max(x, slope): the slope is not multiplied by x",
                "below 0, y is a line through the origin, not a constant.",
                lambda x, slope, **_: {"y": np.maximum(x, slope)}),
        Mistake("the slope on the wrong side",
                "above 0 everything passes; below 0 little does.",
                lambda x, dy, slope, **_: {
                    "y": np.where(x < 0, x, slope * x),
                    "dx": dy * np.where(x < 0, 1, slope)}),
        Mistake("-slope below 0: a line that rises to the left",
                "x is negative there already; |x| has no place here.",
                lambda x, dy, slope, **_: {
                    "y": np.where(x > 0, x, -slope * x),
                    "dx": dy * np.where(x > 0, 1, -slope)}),
        Mistake("a LeakyReLU of the upstream gradient",
                "what decides is where x was above 0, not dy.",
                lambda dy, slope, **_: {"dx": leaky(dy, slope)}),
        Mistake("the slope below 0 without the upstream gradient",
                "below 0, too, the chain rule multiplies by dy.",
                lambda x, dy, slope, **_: {"dx": np.where(x > 0, dy, slope)}),
        Mistake("a default slope: the one that was given is not used",
                "read self.slope, in forward and in backward.",
                lambda x, dy, before, slope: right(x, dy, before, 0.2)),
        stale(right)])
