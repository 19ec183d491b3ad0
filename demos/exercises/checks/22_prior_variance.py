"""The KL from a prior that learns its variance, and what goes wrong."""
import numpy as np

from minivae import gaussian_kl

from common.exercise import Exercise, Mistake, call, slopes

OUTPUTS = "loss", "dmu", "dlogvar", "da"


def cases(rng):
    return [{"mu": rng.standard_normal((N, D)),
             "logvar": rng.standard_normal((N, D)),
             "a": rng.standard_normal(D)} for N, D in ((4, 3), (2, 5))]


def kl(mu, logvar, a):
    # measured in the prior's own widths, it is N(0, 1)
    return gaussian_kl(mu * np.exp(-0.5 * a), logvar - a)[0]


def right(mu, logvar, a):
    def loss(mu, logvar, a):
        return kl(mu, logvar, a).mean()
    return dict(zip(OUTPUTS, (loss(mu, logvar, a),
                              *slopes(loss, 1.0, mu, logvar, a))))


def da_per_image(mu, logvar, a):
    return 0.5 * (1 - (mu ** 2 + np.exp(logvar)) * np.exp(-a))


def value(name, look, wrong):
    """A mistake in the value: wrong gives it for each number of a code."""
    return Mistake(name, look, lambda mu, logvar, a: {
        "loss": 0.5 * wrong(mu, logvar, a).sum(1).mean()})


EXERCISE = Exercise(
    needs=("prior_kl",), read="minivae/losses.py",
    hints=("As in exercise 18: log q - log p, and its mean over z ~ q. Only "
           "log p has changed.",
           "log N(z; 0, e^a) = -1/2 * (log(2 pi) + a + z^2 * e^-a), and E[z^2]"
           " = mu^2 + var. So a stands in two places.",
           "All N images share one a: how many numbers has da, and over what "
           "has it to be summed? 1/N is in the loss, for every gradient."),
    cases=cases,
    run=lambda its, **case: call(its.prior_kl, OUTPUTS, **case),
    right=right,
    mistakes=[
        value("a density of the prior without its log-variance, a",
              "a wide prior is a thin one: that must cost something, or a "
              "grows for ever.",
              lambda mu, logvar, a: (mu ** 2 + np.exp(logvar)) * np.exp(-a)
              - 1 - logvar),
        value("a product with e^a where it should be divided",
              "in a wide prior, a code far from 0 is cheap.",
              lambda mu, logvar, a: (mu ** 2 + np.exp(logvar)) * np.exp(a)
              - 1 - logvar + a),
        value("a prior's width that only mu^2 is measured in",
              "E[z^2] has two terms.",
              lambda mu, logvar, a: mu ** 2 * np.exp(-a) + np.exp(logvar)
              - 1 - logvar + a),
        value("a taken for log(sigma) of the prior",
              "e^a is the prior's variance.",
              lambda mu, logvar, a: (mu ** 2 + np.exp(logvar))
              * np.exp(-2 * a) - 1 - logvar + 2 * a),
        value("the KL without its 1/2",
              "the 1/2 of both log-densities stays.",
              lambda mu, logvar, a: 2 * ((mu ** 2 + np.exp(logvar))
                                         * np.exp(-a) - 1 - logvar + a)),
        Mistake("a sum over images, where the loss is a mean",
                "look for a mean.",
                lambda **case: {"loss": kl(**case).sum()}),
        Mistake("a prior that does not learn: da is 0",
                "a stands in the loss, so it has a gradient.",
                lambda mu, logvar, a: {"da": np.zeros_like(a)}),
        Mistake("da for each image, not summed",
                "all images share one a.",
                lambda mu, logvar, a: {
                    "da": da_per_image(mu, logvar, a) / len(mu)}),
        Mistake("da summed over images, without the loss's 1/N",
                "the loss is a mean.",
                lambda mu, logvar, a: {
                    "da": da_per_image(mu, logvar, a).sum(0)}),
        Mistake("da divided by N twice",
                "a mean over images has 1/N already.",
                lambda mu, logvar, a: {
                    "da": da_per_image(mu, logvar, a).mean(0) / len(mu)}),
        Mistake("da with the other sign",
                "codes that lie far from 0 have to make the prior wider.",
                lambda mu, logvar, a: {
                    "da": -da_per_image(mu, logvar, a).mean(0)}),
        Mistake("dmu as for the prior N(0, 1)",
                "in a wide prior, mu is pulled less.",
                lambda mu, logvar, a: {"dmu": mu / len(mu)}),
        Mistake("dlogvar as for the prior N(0, 1)",
                "var is measured in the prior's variance.",
                lambda mu, logvar, a: {
                    "dlogvar": 0.5 * (np.exp(logvar) - 1) / len(mu)}),
        Mistake("dmu and dlogvar without the loss's 1/N",
                "the loss is a mean over images.",
                lambda mu, logvar, a: {
                    "dmu": mu * np.exp(-a),
                    "dlogvar": 0.5 * (np.exp(logvar - a) - 1)})])
