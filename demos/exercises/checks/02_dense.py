"""Dense's backward, and what goes wrong in it."""
from minivae import Dense

from common.exercise import Exercise, Mistake, added, run_layer, stale


def cases(rng):
    # where in = units, a forgotten transpose is no error, but wrong
    return [{"x": rng.standard_normal((N, i)),
             "dy": rng.standard_normal((N, j)),
             "before": rng.standard_normal((N, i)),
             "w": rng.standard_normal((i, j)), "b": rng.standard_normal(j)}
            for N, i, j in ((3, 3, 3), (4, 5, 2))]


def run(its, x, w, **case):
    layer = its.MyDense(*w.shape, dtype=w.dtype)
    return run_layer(layer, x, w=w, **case)


def right(x, w, **case):
    return run_layer(Dense(*w.shape, dtype=w.dtype), x, w=w, **case)


EXERCISE = Exercise(
    needs=("MyDense",), read="minivae/layers.py",
    hints=("Write y[n,j] = sum over i of x[n,i]*w[i,j] + b[j]. Which y does "
           "one x[n,i] reach, which one w[i,j], which one b[j]?",
           "dL/dw[i,j] = sum over n of dL/dy[n,j] * dy[n,j]/dw[i,j], and only "
           "one factor of y[n,j] is left in the derivative. Do the same for "
           "x and b, then find the matrix products with these indices.",
           "Check the shapes: (in, N) times (N, units) is like w, (N, units) "
           "times (units, in) is like x. b is added to every row, so its "
           "gradient collects from all rows."),
    cases=cases, run=run, right=right,
    mistakes=[
        Mistake("a product with w where its transpose belongs",
                "the line of dx. Which index does dy share with w? It only "
                "runs at all where w is square.",
                lambda x, w, dy, **_: {"dx": dy @ w}),
        Mistake("db as a mean over the batch, where a sum belongs",
                "the loss is a mean already, so 1/N is in dy; b reaches every "
                "row.",
                lambda dy, **_: {"db": dy.mean(0)}),
        Mistake("dw as a mean over the batch, where a sum belongs",
                "the loss is a mean already: 1/N is in dy, once.",
                lambda x, dy, **_: {"dw": x.T @ dy / len(x)}),
        Mistake("db summed over the wrong axis",
                "b has one number per unit: which axis of dy (N, units) has "
                "to go?",
                lambda dy, **_: {"db": dy.sum(1)}),
        Mistake("db not summed over the batch",
                "one b is added to every row, so it has one gradient, not N.",
                lambda dy, **_: {"db": dy}),
        Mistake("db as one number, summed over both axes",
                "b has one number per unit, and each its own gradient.",
                lambda dy, **_: {"db": dy.sum()}),
        Mistake("dw transposed",
                "dw has the shape of w, (in, units).",
                lambda x, dy, **_: {"dw": dy.T @ x}),
        Mistake("dw without a transpose",
                "dw sums over the rows n of both x and dy: which index has to "
                "stand inside the product?",
                lambda x, dy, **_: {"dw": x @ dy}),
        stale(right), added(right)])
