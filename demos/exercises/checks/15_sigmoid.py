"""A stable sigmoid, and what goes wrong in one."""
import numpy as np

from minivae.layers import sigmoid

from common.exercise import Exercise, Mistake


def cases(rng):
    return [{"x": rng.standard_normal((4, 3))},
            {"x": rng.uniform(-50, -30, (2, 3, 2))},
            {"x": rng.uniform(-700, -600, 5)},
            {"x": rng.uniform(-900, -800, 5)},
            {"x": rng.uniform(800, 900, 5)}]


def mistake(name, look, wrong):
    return Mistake(name, look, lambda x: {"y": wrong(x)})


def e(x):
    return np.exp(x)


EXERCISE = Exercise(
    needs=("stable_sigmoid",), read="minivae/layers.py",
    hints=("e^-x is harmless for x > 0. For x < 0, multiply numerator and "
           "denominator by e^x.",
           "So there are two forms of one function, each good on its side. "
           "np.where computes both everywhere, the bad one, too: use it on "
           "what goes into exp, or assign to y[x > 0] and y[x <= 0].",
           "e^-|x| is never above 1. The denominator of both forms is 1 + "
           "e^-|x|; only the numerator differs: 1 on one side, e^x on the "
           "other."),
    cases=cases, run=lambda its, x: {"y": its.stable_sigmoid(x)},
    right=lambda x: {"y": sigmoid(x)},
    mistakes=[
        mistake("1/(1 + e^-x), which overflows where x is far below 0",
                "what is e^-x for x = -800?", lambda x: 1 / (1 + e(-x))),
        mistake("e^x/(1 + e^x), which overflows where x is far above 0",
                "what is e^x for x = 800? And infinity over infinity?",
                lambda x: e(x) / (1 + e(x))),
        mistake("np.where, which computes both sides everywhere",
                "the side that is not taken overflows, too: change what goes "
                "into exp, not what comes out.",
                lambda x: np.where(x > 0, 1 / (1 + e(-x)),
                                   e(x) / (1 + e(x)))),
        mistake("x clipped to -500..500",
                "it hides the warning, not the problem: beyond the limit all "
                "answers are the same.",
                lambda x: 1 / (1 + e(-np.clip(x, -500, 500)))),
        mistake("x clipped to -30..30",
                "it hides the warning, not the problem: sigmoid(-40) is not "
                "sigmoid(-30).",
                lambda x: 1 / (1 + e(-np.clip(x, -30, 30)))),
        mistake("(1 + tanh(x/2))/2, whose digits cancel below 0",
                "tanh(-20) is -1 to 17 digits; what is left of 1 + tanh?",
                lambda x: 0.5 * (1 + np.tanh(0.5 * x))),
        mistake("1 - 1/(1 + e^x), whose digits cancel below 0",
                "a tiny answer cannot come from 1 minus something near 1.",
                lambda x: 1 - 1 / (1 + e(np.minimum(x, 700)))),
        mistake("sigmoid(|x|): never below 1/2",
                "for x < 0 the denominator is right, the numerator is not.",
                lambda x: 1 / (1 + e(-abs(x)))),
        mistake("sigmoid(-x)", "look at the sign in the exponent.",
                lambda x: sigmoid(-x)),
        mistake("tanh", "it goes from -1 to 1; a sigmoid goes from 0 to 1.",
                np.tanh)])
