"""The Bernoulli's log-density from logits, and what goes wrong in it."""
import numpy as np

from minivae import bernoulli_logpdf
from minivae.layers import sigmoid
from minivae.losses import sum_per_image

from common.exercise import Exercise, Mistake, call


def cases(rng):
    def case(shape, low, high, sign=1):
        logits = sign * rng.uniform(low, high, shape)
        return {"x": 1. * (rng.random(shape) < 0.5), "logits": logits}
    return [case((4, 5), -3, 3), case((3, 2, 2, 2), -3, 3),
            case((2, 6), 30, 40, -1), case((2, 3), 800, 900),
            case((2, 3), 800, 900, -1)]


def right(x, logits):
    logpdf, dlogits = bernoulli_logpdf(x, logits)
    return {"logpdf": logpdf, "dlogits": dlogits}


def value(name, look, wrong):
    """A mistake in the value: wrong gives it for each pixel."""
    return Mistake(name, look, lambda x, logits: {
        "logpdf": sum_per_image(wrong(x, logits))})


def from_p(small):
    def gives(x, logits):
        p = sigmoid(logits)
        return x * np.log(p + small) + (1 - x) * np.log(1 - p + small)
    return gives


EXERCISE = Exercise(
    needs=("my_bernoulli_logpdf",), read="minivae/losses.py",
    hints=("log(p) = l - log(1 + e^l), and log(1 - p) = -log(1 + e^l). Put "
           "both into the sum: most of it cancels.",
           "What is left is x*l - log(1 + e^l). For large l, write 1 + e^l = "
           "e^l * (1 + e^-l), and do as with the sigmoid: for both signs at "
           "once there is max(l, 0) and e^-|l|. np.log1p keeps small digits.",
           "The derivative of log(1 + e^l) is a function that you know from "
           "the exercise before (minivae.layers.sigmoid); that of x*l is x."),
    cases=cases,
    run=lambda its, **case: call(its.my_bernoulli_logpdf,
                                 ("logpdf", "dlogits"), **case),
    right=right,
    mistakes=[
        Mistake("a mean over pixels where a sum belongs, in the value",
                "log p of an image is a sum over its pixels, else it is not a "
                "probability's logarithm, and too small beside the KL.",
                lambda x, logits: {
                    "logpdf": right(x, logits)["logpdf"] / x[0].size},
                published=True),
        Mistake("a mean over pixels where a sum belongs, in the gradient",
                "no pixel knows how many others there are.",
                lambda x, logits: {
                    "dlogits": right(x, logits)["dlogits"] / x[0].size}),
        Mistake("a sum over images, too: one number in all",
                "each image has its own log p(x).",
                lambda x, logits: {
                    "logpdf": right(x, logits)["logpdf"].sum()}),
        Mistake("a value per pixel, not summed",
                "an image's log p(x) is the sum over all axes but the first.",
                lambda x, logits: {"logpdf": bernoulli_logpdf(
                    x.reshape(-1, 1), logits.reshape(-1, 1))[0].reshape(
                        x.shape)}),
        value("log(p) of a p that has been rounded to 0 or 1",
              "do not compute p at all: express log(p) by the logit.",
              from_p(0)),
        value("a small constant, 1e-7, in the logarithm",
              "it hides the infinity, and changes the value: what if p is "
              "1e-12? Express log(p) by the logit.", from_p(1e-7)),
        value("a small constant, 1e-8, in the logarithm",
              "it hides the infinity, and changes the value: what if p is "
              "1e-12? Express log(p) by the logit.", from_p(1e-8)),
        value("log(1 + e^l), which overflows for large logits",
              "what is e^800? Take e^l out of the bracket first.",
              lambda x, logit: x * logit - np.log(1 + np.exp(logit))),
        value("a term that is missing, max(l, 0)",
              "log(1 + e^l) is about l for large l; log1p(e^-|l|) is about 0.",
              lambda x, logit: x * logit - np.log1p(np.exp(-abs(logit)))),
        value("ink and paper exchanged", "p belongs to x = 1.",
              lambda x, logit: (1 - x) * logit - np.logaddexp(0, logit)),
        Mistake("minus the log-density, a loss",
                "the larger, the more probable: log p(x) is never above 0.",
                lambda x, logits: {k: -a for k, a in right(
                    x, logits).items()}),
        Mistake("a gradient with the other sign",
                "where x = 1, a larger logit makes x more probable.",
                lambda x, logits: {"dlogits": sigmoid(logits) - x}),
        Mistake("a gradient with an extra factor p(1 - p)",
                "that is the gradient of a squared error; here the factor "
                "cancels.",
                lambda x, logits: {"dlogits": (x - sigmoid(logits)) * sigmoid(
                    logits) * (1 - sigmoid(logits))}),
        Mistake("a gradient in terms of p, not of the logit",
                "d/dl = d/dp * dp/dl: one factor is missing.",
                lambda x, logits: {"dlogits": (
                    x / sigmoid(logits)
                    - (1 - x) / (1 - sigmoid(logits)))})])
