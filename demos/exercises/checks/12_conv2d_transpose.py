"""Conv2DTranspose, forward and backward, and what goes wrong in it."""
from minivae import Conv2DTranspose
from minivae.conv import correlate, correlate_dw, correlate_dx

from common.exercise import Exercise, Mistake, added, run_layer, stale


def cases(rng):
    return [{"x": rng.standard_normal((N, H, W, C)),
             "dy": rng.standard_normal((N, H * SH, W * SW, F)),
             "before": rng.standard_normal((N, H, W, C)),
             "w": rng.standard_normal((KH, KW, F, C)),
             "b": rng.standard_normal(F), "strides": (SH, SW),
             "padding": "same"}
            for N, H, W, C, F, (KH, KW), (SH, SW) in (
                (2, 3, 3, 3, 3, (3, 3), (2, 2)),
                (3, 3, 4, 2, 3, (3, 2), (2, 1)))]


def compute(cls, x, w, strides, padding, **case):
    KH, KW, F, C = w.shape
    layer = cls(C, F, (KH, KW), strides, padding, dtype=w.dtype)
    return run_layer(layer, x, w=w, **case)


def right(**case):
    return compute(Conv2DTranspose, **case)


def size(dy):
    return dy.shape[1:3]


def flipped(x, w, dy, b, strides, padding, **_):
    w, dw = w[::-1, ::-1], correlate_dw(dy, x, w.shape[:2], strides, padding)
    return {"y": correlate_dx(x, w, size(dy), strides, padding) + b,
            "dx": correlate(dy, w, strides, padding), "dw": dw[::-1, ::-1]}


def cropped_before(x, w, dy, b, strides, padding, **_):
    """Of the whole, crop the larger half at the top and the left."""
    whole = tuple((n - 1) * S + K for n, S, K in zip(
        x.shape[1:3], strides, w.shape[:2]))
    y = correlate_dx(x, w, whole, strides, "valid")
    top, left = (-(-(a - b) // 2) for a, b in zip(whole, size(dy)))
    OH, OW = size(dy)
    return {"y": y[:, top:top + OH, left:left + OW] + b}


def one_too_small(x, w, dy, b, strides, padding, **_):
    """Of a stride above 1, leave out the output padding."""
    smaller = tuple(n - (S > 1) for n, S in zip(size(dy), strides))
    return {"y": correlate_dx(x, w, smaller, strides, padding) + b}


def channels_exchanged(x, w, dy, b, strides, padding, **_):
    w = w.swapaxes(2, 3)                  # an error unless F = C
    return {"y": correlate_dx(x, w, size(dy), strides, padding) + b}


EXERCISE = Exercise(
    needs=("MyConv2DTranspose",), read="minivae/conv.py",
    hints=("There is a table at the beginning of minivae/conv.py: which of "
           "the three functions stands where?",
           "In the Conv2D whose transpose this is, the image is what we call "
           "y here, and the output what we call x. So x here goes where its "
           "dy goes.",
           "dx is correlate of dy. For dw, the image is dy and what comes out "
           "of it is x: these two change places. db is as in Conv2D."),
    cases=cases,
    run=lambda its, **case: compute(its.MyConv2DTranspose, **case),
    right=right,
    mistakes=[
        Mistake("a kernel that is flipped, forward and backward",
                "no kernel is flipped anywhere: one pixel stamps w as it is.",
                flipped),
        Mistake("a result that is off by one pixel: cropped at the top left",
                "'same' puts the smaller half of the zeros first. Use "
                "output_size and padding as they are, and crop nothing.",
                cropped_before, published=True),
        Mistake("an image one pixel too small where the stride is above 1",
                "several sizes lead to the same number of windows: "
                "output_size says which one is meant (the frameworks call it "
                "output padding).", one_too_small, published=True),
        Mistake("y without b",
                "add b at the end: it has one number per filter.",
                lambda b, **case: {"y": right(b=b, **case)["y"] - b}),
        Mistake("channels and filters of the kernel exchanged",
                "w is (KH, KW, F, C): the Conv2D goes from F to C channels.",
                channels_exchanged),
        Mistake("dx with a kernel that is flipped",
                "dx is the Conv2D itself, with w as it is.",
                lambda x, w, dy, strides, padding, **_: {
                    "dx": correlate(dy, w[::-1, ::-1], strides, padding)}),
        Mistake("dw with channels and filters exchanged",
                "dw is like w, (KH, KW, F, C): which one is the image?",
                lambda **case: {"dw": right(**case)["dw"].swapaxes(2, 3)}),
        Mistake("dw as a mean over images",
                "the loss is a mean already: 1/N is in dy, once.",
                lambda x, **case: {"dw": right(x=x, **case)["dw"] / len(x)}),
        Mistake("db as a mean over images, rows and columns",
                "b is added at each place: its gradient is a sum.",
                lambda dy, **_: {"db": dy.mean((0, 1, 2))}),
        Mistake("db summed over images only",
                "b has one number per filter; rows and columns have to go, "
                "too.", lambda dy, **_: {"db": dy.sum(0)}),
        Mistake("db from x, not from dy",
                "b is added to y.",
                lambda x, **_: {"db": x.sum((0, 1, 2))}),
        stale(right), added(right)])
