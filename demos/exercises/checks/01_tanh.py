"""Tanh's backward, and what goes wrong in it."""
import numpy as np

from common.exercise import Exercise, Mistake, run_layer, slopes, stale


def cases(rng):
    return [{name: rng.standard_normal(shape)
             for name in ("x", "dy", "before")}
            for shape in ((4, 3), (2, 3, 2, 1))]


def right(x, dy, before):
    return {"y": np.tanh(x), "dx": slopes(np.tanh, dy, x)[0]}


EXERCISE = Exercise(
    needs=("Tanh",), read="minivae/layers.py, from Sigmoid on",
    hints=("Sigmoid in minivae/layers.py does the same for another function: "
           "what does its backward read from the cache?",
           "tanh is sinh/cosh. Differentiate this quotient, and use "
           "cosh^2 - sinh^2 = 1.",
           "Where y is 0 the slope is 1, and where y is near -1 or 1 it is "
           "near 0, in the same way on both sides: so the square of y comes "
           "in. The chain rule then multiplies the slope by dy."),
    cases=cases, run=lambda its, **case: run_layer(its.Tanh(), **case),
    right=right,
    mistakes=[
        Mistake("the derivative of the sigmoid",
                "y(1 - y) belongs to 1/(1 + e^-x); derive that of tanh anew.",
                lambda x, dy, before: {
                    "dx": dy * np.tanh(x) * (1 - np.tanh(x))}),
        Mistake("the slope twice",
                "the chain rule multiplies dy by the slope once.",
                lambda x, dy, before: {
                    "dx": dy * (1 - np.tanh(x) ** 2) ** 2}),
        Mistake("1 - y, with y not squared",
                "at y = -1 the function is flat; what does your slope say?",
                lambda x, dy, before: {"dx": dy * (1 - np.tanh(x))}),
        Mistake("the derivative at the wrong place: x where y belongs",
                "look at what forward puts into the cache.",
                lambda x, dy, before: {"dx": dy * (1 - x ** 2)}),
        Mistake("tanh applied twice",
                "the cache holds y, on which tanh has been used already.",
                lambda x, dy, before: {
                    "dx": dy * (1 - np.tanh(np.tanh(x)) ** 2)}),
        Mistake("the slope without the upstream gradient",
                "the chain rule has two factors; where does dy come in?",
                lambda x, dy, before: {"dx": 1 - np.tanh(x) ** 2}),
        Mistake("the upstream gradient, passed through",
                "the layer is not linear: its slope depends on where x is.",
                lambda x, dy, before: {"dx": dy}),
        stale(right)])
