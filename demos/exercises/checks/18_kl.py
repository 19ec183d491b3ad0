"""The KL of a Gaussian from the prior, and what goes wrong in it."""
import numpy as np

from minivae import gaussian_kl

from common.exercise import Exercise, Mistake, call

OUTPUTS = "kl", "dmu", "dlogvar"


def cases(rng):
    return [{name: rng.standard_normal(shape) for name in ("mu", "logvar")}
            for shape in ((4, 3), (2, 5))]


def right(mu, logvar):
    return dict(zip(OUTPUTS, gaussian_kl(mu, logvar)))


def times(factor, *names):
    """Return some of the right outputs, times a factor."""
    return lambda **case: {k: factor * a for k, a in right(**case).items()
                           if k in (names or OUTPUTS)}


def value(name, look, wrong):
    """A mistake in the value: wrong gives it for each number of a code."""
    return Mistake(name, look, lambda mu, logvar: {
        "kl": 0.5 * wrong(mu, logvar, np.exp(logvar)).sum(1)})


EXERCISE = Exercise(
    needs=("my_gaussian_kl",), read="minivae/losses.py",
    hints=("Write both log-densities down, as in the exercise before. "
           "log(2 pi) cancels.",
           "log q - log p = 1/2 * (z^2 - (z - mu)^2/var - logvar). Now take "
           "the mean of each term: E[(z - mu)^2] = var.",
           "Four terms are left in the bracket: one with mu, one with var, "
           "one with logvar, and a number, so that all is 0 for mu = 0, var = "
           "1. d(e^logvar)/dlogvar is e^logvar."),
    cases=cases,
    run=lambda its, **case: call(its.my_gaussian_kl, OUTPUTS, **case),
    right=right,
    mistakes=[
        Mistake("the KL with the other sign, gradients too",
                "a KL is never negative; many write minus the KL, as a part "
                "of the ELBO.", times(-1)),
        Mistake("the KL's value with the other sign",
                "a KL is never negative.", times(-1, "kl")),
        Mistake("the KL without its 1/2, gradients too",
                "the 1/2 of both log-densities stays.", times(2)),
        Mistake("the KL's value without its 1/2",
                "the 1/2 of both log-densities stays.", times(2, "kl")),
        Mistake("a mean over the D numbers where a sum belongs",
                "the numbers of a code are independent: their costs add.",
                lambda mu, logvar: {
                    "kl": right(mu, logvar)["kl"] / mu.shape[1]}),
        Mistake("a sum over codes, too: one number in all",
                "each code has its own KL.",
                lambda **case: {"kl": right(**case)["kl"].sum()}),
        value("a KL without the -1", "for mu = 0 and var = 1 it must be 0.",
              lambda mu, logvar, var: mu ** 2 + var - logvar),
        value("a KL without mu^2", "a cloud far from 0 costs something.",
              lambda mu, logvar, var: var - 1 - logvar),
        value("mu, not squared", "the cost is the same on both sides of 0.",
              lambda mu, logvar, var: mu + var - 1 - logvar),
        value("sigma where sigma^2 belongs",
              "var = e^logvar, with no 1/2 in the exponent.",
              lambda mu, logvar, var: mu ** 2 + var ** 0.5 - 1 - logvar),
        value("logvar taken for log(sigma)",
              "logvar is the logarithm of the variance, sigma^2.",
              lambda mu, logvar, var: mu ** 2 + var ** 2 - 1 - 2 * logvar),
        value("var + logvar: a sign within the bracket",
              "a narrow cloud, logvar far below 0, costs much.",
              lambda mu, logvar, var: mu ** 2 + var - 1 + logvar),
        value("the KL the other way round, of p from q",
              "the mean is over z ~ q; nothing is divided by var then.",
              lambda mu, logvar, var: (1 + mu ** 2) / var - 1 + logvar),
        Mistake("dmu with a 2 that should have cancelled",
                "the derivative of mu^2 meets the 1/2.", times(2, "dmu")),
        Mistake("dlogvar without its 1/2",
                "the whole bracket has a 1/2.", times(2, "dlogvar")),
        Mistake("dlogvar without the -1",
                "logvar stands in two places.",
                lambda mu, logvar: {"dlogvar": 0.5 * np.exp(logvar)}),
        Mistake("the derivative with respect to var, not to logvar",
                "var = e^logvar is one more factor.",
                lambda mu, logvar: {"dlogvar": 0.5 * (
                    1 - np.exp(-logvar))})])
