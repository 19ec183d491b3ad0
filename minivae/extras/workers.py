"""Worker processes for a CPU: each computes a share of `vae.loss_and_grads`.

The loss is a mean over images, so its gradient is the mean of the images'
gradients: it does not matter where each was computed. So a batch is cut into
as many shares as there are cores, and their gradients are summed.

Why processes? NumPy's own threads speed up the matrix products and nothing
between them. Python's threads share one interpreter lock, which each needs
between any two array operations, and a step has hundreds. Processes share
nothing but a block of memory for parameters, batch and gradients.
"""
import contextlib
import multiprocessing
import os
import signal

import numpy as np

from ..backend import Array
from ..layers import check_array
from ..vae import VAE

# What the processes are started with. One thread for matrix products, since
# every core has a process of its own. And memory that is freed stays theirs:
# else the system takes an array's pages, and clears them for the next one of
# the same step. (These two are for glibc's allocator; others ignore them.)
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2 ** 30),
    "MALLOC_TRIM_THRESHOLD_": str(2 ** 31 - 1)}


class Workers:
    """loss_and_grads and elbo_terms of a VAE, computed by count processes.

    with Workers(vae, (28, 28, 1), count=2) as workers:
        loss, grads = workers.loss_and_grads(x, eps)

    They read vae's parameters anew at every call. Batches have at most
    max_batch images. Raises RuntimeError where a process has died.
    """

    def __init__(self, vae: VAE, image_shape: tuple, count: int,
                 max_batch: int = 512):
        self.vae, self.max_batch = vae, max_batch
        sizes = {"params": (sum(p.size for p in vae.params.values()),),
                 "x": (max_batch, *image_shape),
                 "eps": (max_batch, vae.latent_dim),
                 "terms": (2, max_batch)}
        sizes["grads"] = (count, *sizes["params"])
        dtype = next(iter(vae.params.values())).dtype
        context = multiprocessing.get_context("spawn")
        memory = {name: (context.RawArray("b", int(np.prod(shape))
                                          * dtype.itemsize), shape, dtype)
                  for name, shape in sizes.items()}
        self.shared = open_memory(memory)
        self.pipes = []
        with environment(ENVIRONMENT):
            for index in range(count):
                pipe, theirs = context.Pipe()
                context.Process(target=work, daemon=True,
                                args=(vae, memory, index, theirs)).start()
                theirs.close()
                self.pipes.append(pipe)

    def loss_and_grads(self, x: Array, eps: Array) -> tuple[float, dict]:
        """As VAE.loss_and_grads: the sum of what the processes found."""
        losses = self._run("loss_and_grads", x, eps)
        flat = self.shared["grads"][:len(losses)].sum(axis=0)
        return sum(losses), named(flat, self.vae)

    def elbo_terms(self, x: Array, eps: Array) -> tuple[Array, Array]:
        """As VAE.elbo_terms: each process fills its part."""
        self._run("elbo_terms", x, eps)
        reconstruction, kl = self.shared["terms"][:, :len(x)].copy()
        return reconstruction, kl

    def _run(self, task, x, eps) -> list:
        N = len(x)
        if not 0 < N <= self.max_batch:
            raise ValueError(f"Workers: the batch has {N} images, but 1 to "
                             f"{self.max_batch} were expected")
        for name, a in ("x", x), ("eps", eps):
            of_all = self.shared[name]
            check_array("Workers", name, a, (N, *of_all.shape[1:]), of_all)
        self.shared["x"][:N], self.shared["eps"][:N] = x, eps
        for name, p in named(self.shared["params"], self.vae).items():
            p[...] = self.vae.params[name]
        shares = min(len(self.pipes), N)
        cuts = [N * i // shares for i in range(shares + 1)]
        pipes = self.pipes[:shares]
        try:
            for pipe, start, stop in zip(pipes, cuts, cuts[1:]):
                pipe.send((task, start, stop, N))
            results = [pipe.recv() for pipe in pipes]
        except (EOFError, OSError) as error:
            raise RuntimeError("a worker process has died; with --workers 1 "
                               "there is none") from error
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

    def close(self) -> None:
        """End the processes."""
        for pipe in self.pipes:
            pipe.close()                   # they see the end of their pipe

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def work(vae, memory, index, pipe):
    """A process's life: take a share, compute it, say that it is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)       # Ctrl-C is the parent's
    np.seterr(over="ignore", invalid="ignore")         # the loss shows it
    shared = open_memory(memory)
    mine = named(shared["grads"][index], vae)
    while True:
        try:
            task, start, stop, N = pipe.recv()
        except EOFError:                               # the parent has gone
            return
        x, eps = shared["x"][start:stop], shared["eps"][start:stop]
        for name, p in named(shared["params"], vae).items():
            vae.params[name][...] = p
        try:
            result = getattr(vae, task)(x, eps)
            if task == "elbo_terms":
                shared["terms"][:, start:stop], result = result, None
            else:
                loss, grads = result
                # of a mean over start … stop, the part of one over N
                part = (stop - start) / N
                for name, g in grads.items():
                    np.multiply(g, part, out=mine[name])
                result = float(loss) * part
        except Exception as error:
            result = error
        pipe.send(result)


def open_memory(memory) -> dict:
    """Return the shared arrays by name."""
    return {name: np.frombuffer(block, dtype).reshape(shape)
            for name, (block, shape, dtype) in memory.items()}


def named(flat: np.ndarray, vae: VAE) -> dict:
    """Return parts of flat (P,), shaped and named as vae's parameters."""
    parts, start = {}, 0
    for name, p in vae.params.items():
        parts[name] = flat[start:start + p.size].reshape(p.shape)
        start += p.size
    return parts


@contextlib.contextmanager
def environment(settings: dict):
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
