"""Adam: gradient descent with a step size of its own for every weight."""
import math

from .backend import get_xp


class Adam:
    """Kingma & Ba 2015, algorithm 1, in the order of section 2's last lines.

    There, as in Keras, epsilon is added to √v before v's correction. The
    default rate is the tutorial's, a tenth of Keras'.

    params: a dict of arrays, which step changes in place. The state (m, v
    by the names of params, and t) is plain: it can be printed and saved.
    """

    def __init__(self, params: dict, learning_rate: float = 1e-4,
                 beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7):
        if not 0 < learning_rate < math.inf:
            raise ValueError(f"Adam: learning_rate is {learning_rate}, but "
                             "a finite number above 0 was expected")
        self.params = params
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.m = {k: get_xp(p).zeros_like(p) for k, p in params.items()}
        self.v = {k: get_xp(p).zeros_like(p) for k, p in params.items()}
        self.t = 0

    def step(self, grads: dict) -> None:
        """Move params against grads, a dict with the same names and shapes.

        Raises ValueError where these differ: nothing has changed then.
        """
        shapes = {name: g.shape for name, g in grads.items()}
        wanted = {name: p.shape for name, p in self.params.items()}
        if shapes != wanted:
            odd = ", ".join(sorted({n for n, _ in
                                    shapes.items() ^ wanted.items()}))
            raise ValueError("Adam: gradients and parameters differ in name "
                             f"or shape: {odd}")
        self.t += 1
        # m and v start at 0, so after t steps they are too small by the
        # factors 1 − β₁ᵗ and 1 − β₂ᵗ; both corrections go into the rate:
        rate = (self.learning_rate * math.sqrt(1 - self.beta_2 ** self.t)
                / (1 - self.beta_1 ** self.t))
        for name, p in self.params.items():
            g, m, v = grads[name], self.m[name], self.v[name]
            m += (1 - self.beta_1) * (g - m)      # running mean of g
            v += (1 - self.beta_2) * (g * g - v)  # running mean of g²
            p -= rate * m / (get_xp(v).sqrt(v) + self.epsilon)
