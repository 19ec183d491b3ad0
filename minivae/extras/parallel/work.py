"""What each process does: compute its share of a batch."""
import contextlib
import pickle

import numpy as np

from ...backend import Array
from ...optim import flatten, unflatten
from ...vae import VAE
from .memory import keep_freed_memory, open_memory
from .pickling import pickle_answer
from .processes import hear


def work(memory, index, at_a_time, pipe):
    """A worker's life: take a share, compute it, say that it is done.

    A message is a share's task, or a pickled VAE; the first is in memory.
    """
    keep_freed_memory()
    message, vae, shared = memory.pop("vae")[0], None, open_memory(memory)
    with contextlib.suppress(EOFError, OSError):       # the parent has gone
        while True:
            try:
                if isinstance(message, tuple):
                    params = unflatten(shared["params"], vae.params)
                    for name, p in vae.params.items():
                        p[...] = params[name]
                    answer = compute(vae, shared, index, at_a_time, *message)
                else:
                    vae, answer = pickle.loads(message), None
            except Exception as error:
                answer = error
            pipe.send_bytes(pickle_answer(answer))
            message = hear(pipe)


def compute(vae, shared, index, at_a_time, task, start, stop, N, settings):
    """Compute a share of a batch of N images, those from start to stop."""
    parts = [slice(first, min(first + at_a_time, stop))
             for first in range(start, stop, at_a_time)]
    with np.errstate(over="ignore", invalid="ignore"):  # the loss shows it
        return TASKS[task](vae, shared, parts, index, N, *settings)


def sums(vae: VAE, x: Array, eps: Array, beta: float = 1.0,
         at_a_time: int = 32) -> tuple[Array, Array]:
    """Return the sum of all images' losses, and that of their gradients.

    The latter is one vector. Images, at least one, are computed a few at a
    time, so that memory stays small however many there are.
    """
    loss, vector = 0.0, 0.0
    for start in range(0, len(x), at_a_time):
        some = slice(start, start + at_a_time)
        mean, grads = vae.loss_and_grads(x[some], eps[some], beta)
        loss += len(x[some]) * mean
        vector += len(x[some]) * flatten(grads)
    return loss, vector


def share_of_grads(vae, shared, parts, index, N, beta) -> float:
    """Return what a share of N images adds to the loss; store its gradient."""
    share, at_a_time = slice(parts[0].start, parts[-1].stop), parts[0]
    loss, vector = sums(vae, shared["x"][share], shared["eps"][share], beta,
                        at_a_time.stop - at_a_time.start)
    shared["grads"][index] = vector / N
    return float(loss) / N


def fill_terms(vae, shared, parts, *_) -> None:
    """Compute elbo_terms of some parts of a batch, into shared memory."""
    for part in parts:
        shared["terms"][:, part] = vae.elbo_terms(shared["x"][part],
                                                  shared["eps"][part])


def fill_logits(vae, shared, parts, *_) -> None:
    """Decode some parts of a batch of codes, into shared memory."""
    for part in parts:
        shared["x"][part] = vae.decode(shared["eps"][part])


TASKS = {"loss_and_grads": share_of_grads, "elbo_terms": fill_terms,
         "decode": fill_logits}
