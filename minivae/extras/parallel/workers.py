"""Worker processes for a CPU: each computes a share of `vae.loss_and_grads`.

The loss is a mean over images, so its gradient is the mean of the images'
gradients: it does not matter where each was computed. So a batch is cut into
as many shares as there are cores, and their gradients are summed.

Why processes? NumPy's own threads speed up the matrix products and nothing
between them. Python's threads share one interpreter lock, which each needs
between any two array operations, and a step has hundreds. Processes share
nothing but a block of memory for parameters, batch and gradients. Measured on
two cores, a step of 32 images: 10 ms in one process, where NumPy has two
threads, and 6.6 ms in two processes.
"""
import contextlib
import ctypes
import math
import operator
import os
import pickle
import sys
from collections.abc import Iterator
from multiprocessing import heap
from multiprocessing.sharedctypes import (  # type: ignore[attr-defined]
    rebuild_ctype)
from typing import Any

import cloudpickle
import numpy as np

from ...backend import Array
from ...checks.adam import shapes
from ...checks.arrays import check_array, check_sizes
from ...checks.images import check_pixels
from ...layers import Grads, Layer, sigmoid, sublayers
from ...optim import flatten, unflatten
from ...vae import VAE
from .processes import STARTING, Processes, hear

# What the processes are started with. One thread for matrix products, since
# every core has a process of its own. And memory that is freed stays theirs:
# else the system takes an array's pages back, and clears them for the same
# step's next array. (These two are for glibc's allocator; others ignore them.)
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2 ** 30),
    "MALLOC_TRIM_THRESHOLD_": str(2 ** 31 - 1)}

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

    They read vae's parameters again at every call, and get its layers again
    when one was replaced, or an attribute was. (But not when numbers changed
    in an array that is not a parameter.) What layers gather in a process, such
    as running statistics, does not come back.

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
                                              for index in range(count)])
        self._until_loaded()

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
        try:
            for index in range(shares):
                self.processes.send(index, (task, *cuts[index:index + 2], N,
                                            settings))
            results = [self.processes.receive(i) for i in range(shares)]
        except BaseException:
            self.close()       # answers still to come would be the next call's
            raise
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

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
        for index in range(self.count):
            self.processes.send(index, pickled)
        self._until_loaded()

    def _until_loaded(self):
        try:
            for index in range(self.count):
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


# ---- what each process does ------------------------------------------------

def work(memory, index, at_a_time, pipe):
    """A process's life: take a share, compute it, say that it is done.

    A message is a share's task, or a pickled VAE; the first is in memory.
    """
    np.seterr(over="ignore", invalid="ignore")         # the loss shows it
    message, vae, shared = memory.pop("vae")[0], None, open_memory(memory)
    with contextlib.suppress(EOFError, OSError):       # the parent has gone
        while True:
            try:
                if isinstance(message, tuple):
                    answer = compute(vae, shared, index, at_a_time, *message)
                else:
                    vae, answer = pickle.loads(message), None
            except Exception as error:
                answer = error
            pipe.send_bytes(pickle_answer(answer))
            message = hear(pipe)


def compute(vae, shared, index, at_a_time, task, start, stop, N, settings):
    """Compute a share of N images with the current parameters."""
    params = unflatten(shared["params"], vae.params)
    for name, p in vae.params.items():
        p[...] = params[name]
    parts = [slice(first, min(first + at_a_time, stop))
             for first in range(start, stop, at_a_time)]
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


# ---- what they share -------------------------------------------------------

def share(shape: tuple, dtype: np.dtype) -> tuple:
    """Return memory for an array, which can be given to a process.

    A RawArray, but one whose memory is certain to be there: writing to a file
    in a full file system would end the program without a word.
    """
    size = int(math.prod(shape)) * dtype.itemsize
    try:
        memory: Any = heap.BufferWrapper(size)
        if hasattr(os, "posix_fallocate"):
            arena = memory._state[0][0]
            os.posix_fallocate(arena.fd, 0, arena.size)
        return rebuild_ctype(ctypes.c_byte * size, memory, None), shape, dtype
    except OSError as error:
        raise RuntimeError(f"Workers: {size:,} bytes of shared memory cannot "
                           f"be allocated ({error}); make room in the folder "
                           "for temporary files, or use one worker") from error


def contents(vae: VAE) -> list:
    """Return all that a VAE is made of, to be compared with `is`.

    Its layers and their attributes, among them the arrays of parameters; and
    what is in those that are lists or dicts. But not what forward and
    backward leave there at every call.
    """
    things, seen = [vae.encoder, vae.decoder, vae.log_p_x], set[int]()
    for thing in things:                       # the list grows meanwhile
        inside: Any = ()
        if isinstance(thing, Layer):
            inside = [a for name, a in vars(thing).items()
                      if name not in ("cache", "grads", "y_kind")]
        elif isinstance(thing, dict):
            inside = thing.values()
        elif isinstance(thing, (list, tuple)):
            inside = thing
        if inside and id(thing) not in seen:
            seen.add(id(thing))
            things += inside
    return things


def open_memory(memory) -> dict:
    """Return the shared arrays by name."""
    return {name: np.frombuffer(block, dtype).reshape(shape)
            for name, (block, shape, dtype) in memory.items()}


def pickle_vae(vae: VAE) -> bytes:
    """Pickle a VAE, with the code of layers that only this process knows.

    Raises TypeError, which names a layer that cannot be pickled.
    """
    try:
        with by_value():
            return cloudpickle.dumps(vae)
    except Exception as error:
        what = f"the {type(vae).__name__}"
        for network in "encoder", "decoder":
            what = culprit(getattr(vae, network), network) or what
        raise TypeError(
            f"Workers: {what} cannot be sent to a process ({error}); keep no "
            "lock, file or generator in it, or use one worker") from error


@contextlib.contextmanager
def by_value() -> Iterator[None]:
    """Pickle classes of a module that is being imported with their code.

    By name, a process would import it, too, and everything that it does, even
    training, would be done there once more.
    """
    modules = [module for module in list(sys.modules.values()) if getattr(
        getattr(module, "__spec__", None), "_initializing", False)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def culprit(layer: Layer, name: str) -> str:
    """Name the innermost layer that cannot be pickled, or return ""."""
    try:
        cloudpickle.dumps(layer)
    except Exception:
        parts = [culprit(part, f"{name}.{i}")
                 for i, part in enumerate(sublayers(layer))]
        return next(filter(None, parts), f"{name}, a {type(layer).__name__},")
    return ""


def pickle_answer(answer) -> bytes:
    """Pickle a number, or an error: as it is, if it can be unpickled."""
    if not isinstance(answer, Exception):
        return pickle.dumps(answer)
    try:
        data = cloudpickle.dumps(answer)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(answer).__name__}: {answer}"))


@contextlib.contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
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
