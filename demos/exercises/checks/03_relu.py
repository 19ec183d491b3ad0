"""ReLU's backward, and what goes wrong in it."""
import numpy as np

from minivae import ReLU

from common.exercise import Exercise, Mistake, run_layer, stale


def cases(rng):
    found = [{name: rng.standard_normal(shape)
              for name in ("x", "dy", "before")}
             for shape in ((5, 4), (2, 3, 2, 2))]
    on_the_kink = {name: a.copy() for name, a in found[0].items()}
    on_the_kink["x"][:, 1] = 0
    return [*found, on_the_kink]


def right(x, dy, before):
    return run_layer(ReLU(), x, dy, before)


EXERCISE = Exercise(
    needs=("MyReLU",), read="minivae/layers.py",
    hints=("Element by element: where x > 0, y moves as x does; where x < 0, "
           "y does not move at all.",
           "The cache holds y = max(x, 0). From y alone you can tell where x "
           "was above 0.",
           "A comparison gives an array of True and False, which count as 1 "
           "and 0 in a product with dy."),
    cases=cases, run=lambda its, **case: run_layer(its.MyReLU(), **case),
    right=right,
    mistakes=[
        Mistake("max(dy, 0): the ReLU of the upstream gradient",
                "the gradient itself may be negative; what decides is where "
                "x was.",
                lambda dy, **_: {"dx": np.maximum(dy, 0)}),
        Mistake("every gradient let through, as y >= 0 is always true",
                "the cache holds y, which is never below 0: the comparison "
                "has to be strict.",
                lambda dy, **_: {"dx": dy}),
        Mistake("a gradient passed at the kink, x = 0",
                "compare strictly: at exactly 0 we choose a slope of 0.",
                lambda x, dy, **_: {"dx": dy * (x >= 0)}),
        Mistake("the slope without the upstream gradient",
                "the chain rule has two factors; where does dy come in?",
                lambda x, **_: {"dx": 1. * (x > 0)}),
        Mistake("y times the upstream gradient",
                "the slope is 1 where x > 0, however large x is.",
                lambda x, dy, **_: {"dx": dy * np.maximum(x, 0)}),
        Mistake("the gradient of what is below 0",
                "the comparison is the wrong way round.",
                lambda x, dy, **_: {"dx": dy * (x <= 0)}),
        stale(right)])
