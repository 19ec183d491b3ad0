"""A step of Adam, and what goes wrong in it."""
import numpy as np

from minivae import Adam

from common.exercise import Exercise, Mistake, call

OUTPUTS = "p", "m", "v"


def cases(rng):
    # epsilon is large here, so that it shows where it stands
    settings = {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95,
                "epsilon": 0.2}
    return [{"p": rng.standard_normal(shape),
             "g": rng.standard_normal(shape),
             "m": (t > 1) * rng.standard_normal(shape),
             "v": (t > 1) * rng.random(shape), "t": t, **settings}
            for t, shape in ((1, (3, 2)), (2, (5,)), (9, (2, 2, 2)))]


def right(p, g, m, v, t, learning_rate, beta_1, beta_2, epsilon):
    # minivae adds epsilon to sqrt(v), before the correction
    adam = Adam({"p": p.copy()}, learning_rate, beta_1, beta_2,
                epsilon * np.sqrt(1 - beta_2 ** t))
    adam.t = t - 1
    adam.m["p"][...], adam.v["p"][...] = m, v
    adam.step({"p": g})
    return {"p": adam.params["p"], "m": adam.m["p"], "v": adam.v["p"]}


def wrong(step=lambda m, v, epsilon: m / (np.sqrt(v) + epsilon),
          by_m=lambda beta, t: 1 - beta ** t,
          by_v=lambda beta, t: 1 - beta ** t, sign=1):
    """Return p after a step in which something else is computed."""
    def gives(p, g, m, v, t, learning_rate, beta_1, beta_2, epsilon):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g ** 2
        return {"p": p - sign * learning_rate * step(
            m / by_m(beta_1, t), v / by_v(beta_2, t), epsilon)}
    return gives


def none(beta, t):
    return 1


def without_t(beta, t):
    return 1 - beta


def early(beta, t):
    return np.float64(1 - beta ** (t - 1))


def keras(p, g, v, t, beta_2, epsilon, **case):
    return {"p": right(p, g, v=v, t=t, beta_2=beta_2, epsilon=epsilon
                       / np.sqrt(1 - beta_2 ** t), **case)["p"]}


EXERCISE = Exercise(
    needs=("adam_step",), read="minivae/optim.py", single=False,
    hints=("Let g be 1 at every step. What is m after step 1, what after step "
           "2, and what should it be?",
           "After t steps, m = (1 - beta_1^t) * g for a constant g. So by "
           "what must it be divided? v likewise.",
           "Compute new m and v, return them as they are, and use corrected "
           "copies in the last line: sqrt of the corrected v, epsilon added "
           "to the root."),
    cases=cases,
    run=lambda its, **case: call(its.adam_step, OUTPUTS, **case),
    right=right,
    mistakes=[
        Mistake("no bias correction",
                "at t = 1, m is only (1 - beta_1)*g.", wrong(
                    by_m=none, by_v=none)),
        Mistake("a bias correction of m alone",
                "v begins at 0, too.", wrong(by_v=none)),
        Mistake("a bias correction of v alone",
                "m begins at 0, too.", wrong(by_m=none)),
        Mistake("a bias correction by 1 - beta, whatever t is",
                "it has to fade: after many steps nothing is to be corrected.",
                wrong(by_m=without_t, by_v=without_t)),
        Mistake("a bias correction with t - 1",
                "t counts from 1: at the first step the power is 1.",
                wrong(by_m=early, by_v=early)),
        Mistake("a bias correction with t + 1",
                "t counts from 1: at the first step the power is 1.",
                wrong(by_m=lambda beta, t: 1 - beta ** (t + 1),
                      by_v=lambda beta, t: 1 - beta ** (t + 1))),
        Mistake("epsilon inside the root",
                "it is added to the root, not to v.",
                wrong(lambda m, v, epsilon: m / np.sqrt(v + epsilon))),
        Mistake("no epsilon", "it keeps the quotient finite where v is 0.",
                wrong(lambda m, v, epsilon: m / np.sqrt(v))),
        Mistake("epsilon added before v's correction, as Keras does",
                "here v is corrected first, as in the paper.", keras),
        Mistake("v without its root",
                "m / sqrt(v) has no unit: a step of about the learning rate.",
                wrong(lambda m, v, epsilon: m / (v + epsilon))),
        Mistake("a step uphill", "against the gradient: minus.",
                wrong(sign=-1)),
        Mistake("v as a running mean of g, not of its square",
                "v has to be positive: what is its root taken of?",
                lambda g, v, beta_2, **_: {
                    "v": beta_2 * v + (1 - beta_2) * g}),
        Mistake("beta and 1 - beta exchanged",
                "the old value weighs most: beta is near 1.",
                lambda g, m, v, beta_1, beta_2, **_: {
                    "m": (1 - beta_1) * m + beta_1 * g,
                    "v": (1 - beta_2) * v + beta_2 * g ** 2}),
        Mistake("old m and v that are forgotten, so that nothing is a mean",
                "where do the old m and v come in?",
                lambda m, v, **case: right(m=0 * m, v=0 * v, **case),
                published=True),
        Mistake("m and v returned corrected",
                "the correction is for this step only: kept, it would be "
                "applied again and again.",
                lambda **case: (lambda new: {
                    "m": new["m"] / (1 - case["beta_1"] ** case["t"]),
                    "v": new["v"] / (1 - case["beta_2"] ** case["t"])})(
                        right(**case)))])
