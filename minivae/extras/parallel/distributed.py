"""Training on many machines: put `mpiexec -n 16` in front, add --distributed.

The loss of a batch is a mean over its N images, and differentiation is
linear: the gradient of a sum is the sum of the gradients.

    L = 1/N · Σₙ Lₙ          dL/dp = 1/N · Σₙ dLₙ/dp

So it does not matter where a summand is computed. Each process (MPI calls it
a rank) computes the sum over its own images of every batch. One all-reduce
adds up the ranks' sums and gives all of them the result; and since all start
with the same parameters, and divide by the same N, all take the same step of
Adam. In between, no rank waits for another, and this one vector is all that it
learns from the others. (workers.py does the same for the cores of one machine:
a rank is one more level of the same sum.)

To train.py, this is a VAE with another loss_and_grads. The arrays that MPI
adds up are NumPy's: those of a GPU go through the host, which works with every
MPI. (They are as long as the parameters, 280 KB for the tutorial's network.
MPI on a GPU's memory, or NCCL, would save the two copies.)
"""
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from ...backend import Array, get_xp, move, to_numpy
from ...checks.networks import Grads
from ...data import to_float
from ...optim import unflatten
from ...train import draw_batches
from ...vae import VAE
from ..runs.checkpoint import Stop
from .work import sums
from .workers import Workers, cores

PATIENCE = 10          # seconds that a rank which fails waits for the others


class Distributed:
    """A VAE whose batches are shared by all ranks of comm.

    model is the VAE, or Workers, which compute a rank's share on several
    cores. All ranks must call the same methods in the same order.
    """

    def __init__(self, model: VAE | Workers, comm: Any, at_a_time: int = 32):
        self.model: Any = model
        self.comm, self.at_a_time = comm, at_a_time
        self.share = comm.rank, comm.size
        self.stop = AgreedStop()
        for p in model.params.values():           # all start with rank 0's
            p[...] = model.asarray(comm.bcast(to_numpy(p)))

    def epoch(self, images: Array, batch_size: int, rng: np.random.Generator
              ) -> Iterator[tuple[Array, Array]]:
        """Like train.epoch: of each batch, this rank's share, maybe empty."""
        i, n = self.share
        for places, eps in draw_batches(self.model, images, batch_size, rng):
            N = len(places)
            mine = slice(N * i // n, N * (i + 1) // n)
            yield to_float(images[places[mine]], eps.dtype), eps[mine]
        self.model.forget()

    def loss_and_grads(self, x: Array, eps: Array,
                       beta: float = 1.0) -> tuple[float, dict]:
        """Like VAE.loss_and_grads, of the whole batch: the same on all ranks.

        x and eps are this rank's share of it, which may be empty.
        """
        loss, vector = sums(self.model, x, eps, beta, self.at_a_time)
        P = sum(p.size for p in self.model.params.values())
        mine = np.empty(P + 3, eps.dtype)
        mine[:P] = to_numpy(vector) if len(x) else 0
        mine[P:] = float(loss), len(x), bool(self.stop.heard)
        total = self._add_up(mine)
        loss, N, wishes = total[P:].tolist()
        if wishes:                       # seen by all ranks after this batch
            self.stop.asked = self.stop.heard or "another rank was stopped"
        mean = move(total[:P] / N, get_xp(eps))
        params = self.model.params
        return loss / N, Grads(unflatten(mean, params), params)

    def elbo_terms(self, x: Array, eps: Array) -> tuple[Array, Array]:
        """Like VAE.elbo_terms: of x (N, ...), each rank computes its share."""
        (i, n), N = self.share, len(x)
        mine = slice(N * i // n, N * (i + 1) // n)
        terms = np.zeros((2, N), eps.dtype)
        if len(x[mine]):
            terms[:, mine] = [to_numpy(term) for term in
                              self.model.elbo_terms(x[mine], eps[mine])]
        reconstruction, kl = move(self._add_up(terms), get_xp(eps))
        return reconstruction, kl

    def _add_up(self, mine):
        total = np.empty_like(mine)
        self.comm.Allreduce(mine, total)                 # MPI.SUM is implied
        return total

    def __getattr__(self, name):
        return getattr(self.model, name)         # all else is the model's own

    def __reduce__(self):
        raise TypeError("Distributed cannot be copied or pickled, since its "
                        "communicator cannot; make a new one")


class AgreedStop(Stop):
    """A Stop on which all ranks agree: asked changes with a sum, not before.

    If it changed at once, one rank would stop, and the others would wait for
    it in the next sum.
    """

    heard = ""

    def note(self, name: str) -> None:
        """Remember it, and tell the others with the next sum."""
        self.heard = name


# ---- the ranks -------------------------------------------------------------

def communicator() -> Any:
    """Return the communicator of all ranks; RuntimeError without MPI."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(
            f"--distributed needs mpi4py and an MPI ({error}): pip install "
            "mpi4py mpich, then put mpiexec -n 4 in front of the command"
        ) from error
    return MPI.COMM_WORLD


def bind_rank(comm: Any, xp: ModuleType) -> int:
    """Give a rank its part of its machine: a GPU, or some of the cores.

    Returns how many ranks are on this machine.
    """
    from mpi4py import MPI
    from threadpoolctl import threadpool_limits
    here = comm.Split_type(MPI.COMM_TYPE_SHARED)
    if xp is np:
        threadpool_limits(max(1, cores() // here.size))
    else:
        count = xp.cuda.runtime.getDeviceCount()
        xp.cuda.Device(here.rank % count).use()
    return here.size


def on_rank_0(comm: Any | None, function: Callable) -> Any:
    """Return what function() returns on rank 0; it is called only there.

    So only that rank needs the files. What it raises is raised everywhere.
    """
    if comm is None:
        return function()
    answer = None
    if comm.rank == 0:
        try:
            answer = function()
        except Exception as error:
            answer = error
    answer = comm.bcast(answer)
    if isinstance(answer, Exception):
        raise answer
    return answer


def check_alike(comm: Any, settings: dict) -> None:
    """Refuse to start if a rank has other settings than rank 0."""
    for rank, others in enumerate(comm.allgather(settings)):
        if rank == 0:
            wanted = others
        for name, value in wanted.items():
            if others[name] != value:
                raise ValueError(
                    f"{name} is {others[name]} on rank {rank}, but {value} "
                    "on rank 0; start all ranks with the same command and "
                    "the same images")


def end_together(status: int, sentence: str = "") -> None:
    """End this rank with an exit status; after an error, end all of them.

    If all come to the same end, rank 0 says why. A rank that fails alone
    would leave the others waiting in a sum: it says why, and ends them.
    """
    MPI = sys.modules.get("mpi4py.MPI")
    comm = MPI.COMM_WORLD if MPI else None
    if sentence and (comm is None or comm.rank == 0):
        with contextlib.suppress(OSError):           # nobody listens
            print(sentence, file=sys.stderr)
    if status and comm is not None:
        everyone, start = comm.Ibarrier(), time.monotonic()
        while not everyone.Test():
            if time.monotonic() - start > PATIENCE:
                if comm.rank and sentence:
                    print(f"on rank {comm.rank}, {sentence}", file=sys.stderr)
                time.sleep(0.5)            # mpiexec must pass it on in time
                comm.Abort(status)
            time.sleep(0.01)
    sys.exit(status)
