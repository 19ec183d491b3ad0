"""Worker processes for a CPU: each computes a share of `vae.loss_and_grads`.

The loss is a mean over images, so its gradient is the mean of the images'
gradients: it does not matter where each was computed. So a batch is cut into
as many shares as there are cores, and their gradients are summed.

Why processes? NumPy's own threads speed up the matrix products and nothing
between them. Python's threads share one interpreter lock, which each needs
between any two array operations, and a step has hundreds. Processes share
nothing but a block of memory for parameters, batch and gradients. Measured on
two cores (demos/benchmark.py --profile): a step of 32 images takes 30 to 65 %
longer in one process, where NumPy has two threads, than in two processes.
"""
import operator
import os

import numpy as np

from ...backend import Array
from ...checks.adam import shapes
from ...checks.arrays import check_array, check_sizes
from ...checks.images import check_pixels
from ...checks.networks import Grads
from ...layers import sigmoid
from ...optim import flatten, unflatten
from ...vae import VAE
from .memory import (ENVIRONMENT, ONE_THREAD, environment, keep_freed_memory,
                     open_memory, share)
from .pickling import contents, pickle_vae
from .processes import STARTING, Processes
from .work import compute, work

START_LIMIT = 120          # seconds in which a process must be ready


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:                             # not on every system
        return os.cpu_count() or 1


class Workers:
    """A VAE whose batches are computed by count processes, in shares.

    with Workers(vae, (28, 28, 1), count=2) as workers:
        loss, grads = workers.loss_and_grads(x, eps)

    One of them is this process, which computes the first share with vae
    itself. The others, the workers, read vae's parameters again at every call,
    and get its layers again when one was replaced, or an attribute was. (But
    not when numbers changed in an array that is not a parameter.) What layers
    gather, such as running statistics, stays in the process that saw it.
    During a call NumPy multiplies with one thread here; and from then on this
    process keeps the memory that its arrays free (see memory.py).

    Batches have at most max_batch images; a process computes at_a_time of
    them at once, so that what its layers keep for backward stays small
    however large the batch. vae's layers may be defined anywhere, in a
    notebook as well.

    Raises TypeError if the VAE cannot be sent to a process, and RuntimeError
    if processes cannot be started, or one has ended, or a parameter has
    another shape or dtype than at the start.
    """

    def __init__(self, vae: VAE, image_shape: tuple, count: int,
                 max_batch: int = 512, at_a_time: int = 32):
        check_sizes("Workers", count=count, max_batch=max_batch,
                    at_a_time=at_a_time)
        self.vae, self.max_batch, self.count = vae, max_batch, count
        self.at_a_time = at_a_time
        self.shapes, self.sent = shapes(vae.params), contents(vae)
        sizes = {"params": (sum(p.size for p in vae.params.values()),),
                 "x": (max_batch, *image_shape),
                 "eps": (max_batch, vae.latent_dim),
                 "terms": (2, max_batch)}
        sizes["grads"] = (count, *sizes["params"])
        dtype = next(iter(vae.params.values())).dtype
        memory = {name: share(shape, dtype) for name, shape in sizes.items()}
        self.shared = open_memory(memory)
        pickled = np.frombuffer(pickle_vae(vae), np.uint8)
        memory["vae"] = share(pickled.shape, pickled.dtype)
        open_memory(memory)["vae"][:] = pickled
        with STARTING, environment(ENVIRONMENT):
            self.processes = Processes(work, [(memory, index, at_a_time)
                                              for index in range(1, count)])
        self._until_loaded()
        keep_freed_memory()

    def loss_and_grads(self, x: Array, eps: Array,
                       beta: float = 1.0) -> tuple[float, dict]:
        """Like VAE.loss_and_grads: the sum of what the processes computed."""
        losses = self._run("loss_and_grads", beta, x=x, eps=eps)
        flat = self.shared["grads"][:len(losses)].sum(axis=0)
        params = self.vae.params
        return sum(losses), Grads(unflatten(flat, params), params)

    def elbo_terms(self, x: Array, eps: Array) -> tuple[Array, Array]:
        """Like VAE.elbo_terms: each process fills in its part."""
        self._run("elbo_terms", x=x, eps=eps)
        reconstruction, kl = self.shared["terms"][:, :len(x)].copy()
        return reconstruction, kl

    def decode(self, z: Array, apply_sigmoid: bool = False) -> Array:
        """Like VAE.decode."""
        check_array("Workers", "z", z, ("N", self.latent_dim),
                    like=self.shared["eps"])
        self._run("decode", eps=z)         # the logits will take x's place
        logits = self.shared["x"][:len(z)].copy()
        return sigmoid(logits) if apply_sigmoid else logits

    def __getattr__(self, name):
        return getattr(self.vae, name)     # all else is the VAE's own

    def __reduce__(self):
        raise TypeError("Workers cannot be copied or pickled, since processes "
                        "cannot; make new Workers")

    def _run(self, task, *settings, **arrays) -> list:
        N = len(next(iter(arrays.values())))
        if not 0 < N <= self.max_batch:
            raise ValueError(f"Workers: the batch has {N} images, but 1 to "
                             f"{self.max_batch} were expected")
        for name, a in arrays.items():
            of_all = self.shared[name]
            check_array("Workers", name, a, (N, *of_all.shape[1:]), of_all)
            if name == "x":       # a process does not know an image's index
                check_pixels("Workers", a)
            of_all[:N] = a
        self._keep_up()
        self.shared["params"][...] = flatten(self.vae.params)
        shares = min(self.count, N)
        cuts = [N * i // shares for i in range(shares + 1)]
        mine, *others = ((task, start, stop, N, settings)
                         for start, stop in zip(cuts, cuts[1:]))
        try:
            for index, other in enumerate(others):
                self.processes.send(index, other)
            results = [self._compute(mine)]
            results += [self.processes.receive(i) for i in range(len(others))]
        except BaseException:
            self.close()       # answers still to come would be the next call's
            raise
        self.sent = contents(self.vae)   # what layers gather here stays here
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

    def _compute(self, task):
        """Compute this process's share, as work does those of the workers."""
        try:
            with ONE_THREAD:
                return compute(self.vae, self.shared, 0, self.at_a_time, *task)
        except Exception as error:       # raised when all others have answered
            return error

    def _keep_up(self):
        """Give the processes the layers that the VAE has now."""
        now = contents(self.vae)
        if len(now) == len(self.sent) and all(
                map(operator.is_, now, self.sent)):
            return
        if odd := {name for name, _ in
                   self.shapes.items() ^ shapes(self.vae.params).items()}:
            raise RuntimeError(
                f"Workers: {', '.join(sorted(odd))} has another name, shape, "
                "dtype or device than when they were made; make new Workers")
        pickled, self.sent = pickle_vae(self.vae), now
        for index in range(self.count - 1):
            self.processes.send(index, pickled)
        self._until_loaded()

    def _until_loaded(self):
        try:
            for index in range(self.count - 1):
                error = self.processes.receive(index, START_LIMIT)
                if error is not None:
                    raise RuntimeError(
                        "a worker process cannot load the VAE ("
                        f"{type(error).__name__}: {error}); define its layers "
                        "in a module that can be imported, or use one worker"
                    ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes."""
        self.processes.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
