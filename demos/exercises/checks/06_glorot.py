"""How glorot_uniform's weights are distributed, and what goes wrong."""
import math

import numpy as np

from minivae.layers import glorot_uniform

from common.exercise import Exercise, Mistake


def cases(rng):
    return [{"shape": shape, "seed": seed, "dtype": dtype}
            for seed, (shape, dtype) in enumerate([
                ((100, 200), "float32"), ((40, 500), "float64"),
                ((3, 5, 20, 70), "float32")])]


def describe(draw, shape, seed, dtype):
    """Draw twice with one seed; what must be alike for any right answer."""
    w = draw(shape, np.random.default_rng(seed), dtype)
    again = draw(shape, np.random.default_rng(seed), dtype)
    return {"shape": w.shape, "smallest": w.min(), "largest": w.max(),
            "spread": w.std(dtype="float64"), "the dtype": w.itemsize,
            "repeatability": np.float64(w.tobytes() == again.tobytes())}


def mistake(name, look, wrong, published=False):
    return Mistake(name, look, lambda **case: describe(
        lambda shape, rng, dtype: wrong(shape, rng).astype(dtype), **case),
        published)


def uniform(limit):
    """Draw from -limit..limit, where limit is a function of the fans."""
    def draw(shape, rng):
        window = math.prod(shape[:-2])
        a = limit(window * shape[-2], window * shape[-1])
        return rng.uniform(-a, a, shape)
    return draw


def one_side(shape, rng):
    return abs(glorot_uniform(shape, rng, "float64"))


def glorot_normal(shape, rng):
    fans = math.prod(shape[:-2]) * (shape[-2] + shape[-1])
    return math.sqrt(2 / fans) * rng.standard_normal(shape)


def limit_as_sigma(shape, rng):
    return math.sqrt(3) * glorot_normal(shape, rng)


def no_window(shape, rng):
    return uniform(lambda i, o: math.sqrt(6 / (shape[-2] + shape[-1])))(
        shape, rng)


EXERCISE = Exercise(
    needs=("my_glorot",), read="minivae/layers.py",
    hints=("The last two entries of shape are the channels (in, out); all "
           "before them belong to the window. For a Dense there are none.",
           "fan_in = window*shape[-2], fan_out = window*shape[-1], where "
           "window is the product of shape[:-2], and math.prod(()) is 1.",
           "rng.uniform(low, high, shape) draws float64; astype makes the "
           "dtype that was asked for."),
    cases=cases, run=lambda its, **case: describe(its.my_glorot, **case),
    right=lambda **case: describe(glorot_uniform, **case),
    mistakes=[
        mistake("weights from -1..1, of any size",
                "where does limit come in?", uniform(lambda i, o: 1),
                published=True),
        mistake("a 3 where Glorot has a 6",
                "a uniform number from -a..a has a variance of a^2/3; limit "
                "has to give 2/(fan_in + fan_out).",
                uniform(lambda i, o: math.sqrt(3 / (i + o)))),
        mistake("fans that do not count the window",
                "each output of a convolution is a sum over KH*KW*C numbers.",
                no_window),
        mistake("He's limit, sqrt(6 / fan_in), for layers with ReLU",
                "Glorot's has both fans in it.",
                uniform(lambda i, o: math.sqrt(6 / i))),
        mistake("6 / (fan_in + fan_out) without the root",
                "the variance has fans in it; a limit is its square root.",
                uniform(lambda i, o: 6 / (i + o))),
        mistake("sqrt(6) / (fan_in + fan_out): a root that ends too early",
                "look at the parentheses of sqrt.",
                uniform(lambda i, o: math.sqrt(6) / (i + o))),
        mistake("Glorot's normal weights, not his uniform ones",
                "the variance is right, but no weight may lie outside of "
                "-limit..limit.", glorot_normal),
        mistake("normal weights with limit as their standard deviation",
                "limit is where a uniform distribution ends.",
                limit_as_sigma),
        mistake("weights that are never below 0",
                "the interval begins at -limit, not at 0.", one_side),
        Mistake("weights in float64, whatever dtype was asked for",
                "rng.uniform draws float64: convert it at the end.",
                lambda dtype, **case: describe(
                    lambda shape, rng, dtype: glorot_uniform(
                        shape, rng, "float64"), dtype=dtype, **case),
                published=True),
        Mistake("random numbers that are not rng's: no seed repeats them",
                "draw with rng.uniform, not with np.random or a generator of "
                "your own.",
                lambda **case: {"repeatability": np.float64(0)})],
    single=False, rtol=0.03)
