"""Layer normalisation's backward, and what goes wrong in it."""
from common.exercise import (Exercise, Mistake, added, run_layer, slopes,
                             stale)

EPSILON = 0.1


def cases(rng):
    return [{**{name: rng.standard_normal((N, D))
                for name in ("x", "dy", "before")},
             "gamma": rng.standard_normal(D), "beta": rng.standard_normal(D)}
            for N, D in ((4, 3), (2, 5), (3, 3))]


def normalise(x):
    """Return the normalised rows, and what they were multiplied by."""
    mean = x.mean(1, keepdims=True)
    scale = (x.var(1, keepdims=True) + EPSILON) ** -0.5
    return (x - mean) * scale, scale


def forward(x, gamma, beta):
    return normalise(x)[0] * gamma + beta


def right(x, dy, before, gamma, beta):
    dx, dgamma, dbeta = slopes(forward, dy, x, gamma, beta)
    return {"y": forward(x, gamma, beta), "dx": dx, "dgamma": dgamma,
            "dbeta": dbeta}


def dx(x, du, without=(), axis=1, count=None):
    """Return dx with some of its three terms left out."""
    u, scale = normalise(x)
    count = count or x.shape[axis]
    through_mean = du.sum(axis, keepdims=True) / count
    through_var = u * (du * u).sum(axis, keepdims=True) / count
    return {"dx": scale * (du - ("mean" not in without) * through_mean
                           - ("var" not in without) * through_var)}


EXERCISE = Exercise(
    needs=("LayerNorm",), read="minivae/layers.py",
    hints=("Begin with gamma and beta, as with Dense: each is used by all N "
           "rows. Then du = dL/du is one product away from dy.",
           "x reaches u on three paths: directly, by the mean, and by the "
           "variance. Each gives a term of dx, and the terms add.",
           "The path by the mean takes the mean of du over the row from every "
           "element. The path by the variance takes away what of du points "
           "along u: a mean over the row of du*u comes in. All three terms "
           "are multiplied by scale."),
    cases=cases,
    run=lambda its, x, **case: run_layer(its.LayerNorm(x.shape[1]), x,
                                         **case),
    right=right,
    mistakes=[
        Mistake("mean and variance taken for constants",
                "both are computed from x: two more paths lead from x to u.",
                lambda x, dy, gamma, **_: dx(x, dy * gamma, ("mean", "var"))),
        Mistake("a path that is missing, the one by the variance",
                "scale depends on x; the gradient along u has to go.",
                lambda x, dy, gamma, **_: dx(x, dy * gamma, ("var",))),
        Mistake("a path that is missing, the one by the mean",
                "raise all x of a row by 1: y stays, so dx must sum to 0.",
                lambda x, dy, gamma, **_: dx(x, dy * gamma, ("mean",))),
        Mistake("dx without gamma",
                "y = gamma*u + beta: what is du, given dy?",
                lambda x, dy, **_: dx(x, dy)),
        Mistake("means over the batch, as in batch normalisation",
                "in forward, axis 1 is averaged over; backward follows it.",
                lambda x, dy, gamma, **_: dx(x, dy * gamma, axis=0)),
        Mistake("a variance with 1/(D - 1)",
                "forward divides by D; look for a ddof, or a D - 1.",
                lambda x, dy, gamma, **_: dx(x, dy * gamma,
                                             count=x.shape[1] - 1)),
        Mistake("sums over the row where means belong",
                "mean and var have 1/D in them, and so have their gradients.",
                lambda x, dy, gamma, **_: dx(x, dy * gamma, count=1)),
        Mistake("dgamma without u",
                "y = gamma*u + beta: what does gamma multiply?",
                lambda dy, **_: {"dgamma": dy.sum(0)}),
        Mistake("dgamma with x where the normalised u belongs",
                "gamma multiplies u, which is in the cache.",
                lambda x, dy, **_: {"dgamma": (dy * x).sum(0)}),
        Mistake("dgamma and dbeta as means over the batch",
                "the loss is a mean already: 1/N is in dy, once.",
                lambda x, dy, **_: {
                    "dgamma": (dy * normalise(x)[0]).mean(0),
                    "dbeta": dy.mean(0)}),
        Mistake("dgamma and dbeta summed over the wrong axis",
                "both have one number for each of the D columns.",
                lambda x, dy, **_: {"dgamma": (dy * normalise(x)[0]).sum(1),
                                    "dbeta": dy.sum(1)}),
        stale(right), added(right)])
