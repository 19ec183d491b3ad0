"""Training for this room's models: Adam, with a rate that falls to 0."""
from collections.abc import Callable, Mapping

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ..backend import Array, Seed, get_xp, move
from ..checks.images import check_batch_size
from ..extras.parallel.memory import keep_freed_memory
from ..optim import Adam


def descend(params: Mapping, loss_and_grads: Callable, N: int, steps: int, *,
            batch_size: int = 32, learning_rate: float = 2e-3,
            rng: Seed = None, name: str = "training") -> None:
    """Change params in place, by so many steps of Adam.

    loss_and_grads(indices) computes the loss of some of N images, and its
    gradients by name. In an epoch each comes once, in random order (but for
    the last few, if N is no multiple of batch_size). Shows a bar with a name,
    and the loss. Raises FloatingPointError where the loss is not finite.
    """
    check_batch_size(batch_size, N)
    rng = np.random.default_rng(rng)
    adam, xp = Adam(params, learning_rate), get_xp(next(iter(params.values())))
    keep_freed_memory()
    bar = tqdm(range(steps), name, unit=" steps", leave=False, disable=None)
    with threadpool_limits(1):      # small products: more threads would wait
        for step in bar:
            at = step % (N // batch_size) * batch_size
            if at == 0:
                order = move(rng.permutation(N), xp)
            loss, grads = loss_and_grads(order[at:at + batch_size])
            if step % 10 == 0:             # each look at it waits for a GPU
                check_finite(loss, step, learning_rate)
                bar.set_postfix_str(f"loss {float(loss):.2f}", refresh=False)
            adam.learning_rate = learning_rate * (1 - step / steps)
            adam.step(grads)


def check_finite(loss: Array, step: int, learning_rate: float) -> None:
    """Refuse a loss that is infinite or NaN."""
    if not np.isfinite(float(loss)):
        raise FloatingPointError(
            f"at step {step + 1} the loss is {float(loss)}; try a learning "
            f"rate below {learning_rate:g}")
