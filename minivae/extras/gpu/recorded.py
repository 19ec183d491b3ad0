"""A VAE whose work on a GPU is recorded once, and then played back.

For a small batch Python needs longer to ask for a step's kernels than a GPU
to run them. CUDA can record what is asked for as a graph, and run all of it
at one request. What is recorded here is the VAE's own loss_and_grads, line by
line, on the same parameters. Only its layers are others, made of kernels.py,
since CuPy's own matrix products cannot be recorded.
"""
import contextlib
import copy
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import optim
from ...backend import Array, get_xp, quick_form_of
from ...checks.arrays import check_array
from ...checks.networks import Grads
from ...layers import sigmoid
from ...vae import VAE
from . import kernels
from .layers import Fused, fuse, leaves


class Recorded:
    """Stands for a VAE on a GPU where it is trained: train_step(it, adam, ...)

    What loss_and_grads, elbo_terms and decode do is recorded for each number
    of images that comes. Their results are the VAE's, up to rounding; the
    gradients are overwritten by the next step. All else is the VAE's own.

    Raises TypeError for arrays that are not on a GPU, and RuntimeError if one
    of the layers cannot be recorded.
    """

    def __init__(self, vae: VAE):
        self.vae, self.recordings = vae, dict[tuple, Recording]()
        self.contents: list = []           # of vae, when it was recorded
        self.weight = 1.0                  # the KL's, that beta has

    def loss_and_grads(self, x: Array, eps: Array,
                       beta: float = 1.0) -> tuple[Array, Grads]:
        """Like VAE.loss_and_grads."""
        recording = self._recording(self._step, x, eps)
        if beta != self.weight:
            self.weight = beta
            self.beta.fill(beta)
        loss, grads = recording.play(x, eps)
        return loss.copy(), grads

    def elbo_terms(self, x: Array, eps: Array) -> tuple[Array, Array]:
        """Like VAE.elbo_terms."""
        reconstruction, kl = self._recording(self._terms, x, eps).play(x, eps)
        return reconstruction.copy(), kl.copy()

    def decode(self, z: Array, apply_sigmoid: bool = False) -> Array:
        """Like VAE.decode."""
        logits = self._recording(self._logits, z).play(z)
        return sigmoid(logits) if apply_sigmoid else logits.copy()

    def close(self) -> None:
        """Let go of the recordings, and of their memory."""
        self.recordings.clear()

    def __getattr__(self, name):
        return getattr(self.vae, name)     # all else is the VAE's own

    def __reduce__(self):
        raise TypeError("Recorded cannot be copied or pickled, since graphs "
                        "cannot; make a new Recorded(vae)")

    # Each of these gets the arrays that a recording reads, and returns the
    # work to be recorded.

    def _step(self, x, eps):
        self.vae.loss_and_grads(x[:1], eps[:1])     # refuses what is wrong
        self.twin.elbo_terms(x, eps)       # now its layers know their sizes
        fused = [a for a in leaves(self.twin) if isinstance(a, Fused)]
        sums = Sums(fused) if fused else None

        def step():
            loss, _ = self.twin.loss_and_grads(x, eps, self.beta)
            if sums:
                sums.add()
            return loss, RecordedGrads(
                dict(zip(self.vae.params, self.twin.grads.values())),
                self.vae.params, sums)
        return step

    def _terms(self, x, eps):
        self.vae.elbo_terms(x[:1], eps[:1])
        return lambda: self.twin.elbo_terms(x, eps)

    def _logits(self, z):
        self.vae.decode(z[:1])
        return lambda: self.twin.decode(z)

    def _recording(self, prepare, *inputs):
        self._keep_up()
        key = prepare.__name__, len(inputs[0])
        if key not in self.recordings:
            self.recordings[key] = Recording(prepare, *inputs)
        return self.recordings[key]

    def _keep_up(self):
        """Begin anew if the VAE has other layers or parameters than before."""
        layers = list(leaves(self.vae))
        now = [self.vae.log_p_x, *layers,
               *(p for layer in layers for p in layer.params.values())]
        if len(now) == len(self.contents) and all(
                map(operator.is_, now, self.contents)):
            return
        w = next(iter(self.vae.params.values()))
        if get_xp(w) is np:
            raise TypeError("Recorded: the VAE is on the CPU, but one on a "
                            "GPU was expected; move it with vae.to(cupy)")
        self.contents, self.recordings = now, {}
        self.twin = copy.copy(self.vae)
        self.twin.encoder = fuse(self.vae.encoder)
        self.twin.decoder = fuse(self.vae.decoder)
        self.beta, self.weight = get_xp(w).ones((), w.dtype), 1.0


class Recording:
    """Work on a GPU as a CUDA graph.

    prepare(*inputs) returns the work. What is recorded reads and writes the
    same memory every time, so nobody else may have it: it comes from a pool
    of its own.
    """

    def __init__(self, prepare: Callable, *inputs: Array):
        xp = get_xp(inputs[0])
        self.memory = xp.cuda.MemoryPool()
        stream = xp.cuda.Stream(non_blocking=True)
        xp.cuda.get_current_stream().synchronize()
        with xp.cuda.using_allocator(self.memory.malloc), stream:
            self.inputs = [a.copy() for a in inputs]
            work = prepare(*self.inputs)
            work()           # compiles, and takes the memory that it needs
            stream.synchronize()
            stream.begin_capture()
            try:
                self.results = work()
            except NotImplementedError as error:
                with contextlib.suppress(Exception):
                    stream.end_capture()
                raise RuntimeError(
                    f"this VAE cannot be recorded ({error}); compute with the "
                    "VAE itself, or build its layers from minivae's"
                ) from error
            self.graph = stream.end_capture()

    def play(self, *inputs: Array) -> Any:
        """Return the results for other inputs: the same arrays every time."""
        for mine, a in zip(self.inputs, inputs):
            check_array("Recorded", "an input", a, mine.shape, like=mine)
            mine[...] = a
        self.graph.launch()
        return self.results


class Sums:
    """The gradients of Fused layers: in parts, then all in one vector."""

    def __init__(self, layers: list[Fused]):
        xp = get_xp(layers[0].params["w"])
        params = [(layer, name, p, layer.parts(xp)[name])
                  for layer in layers for name, p in layer.params.items()]
        sizes = np.array([p.size for _, _, p, _ in params])
        parts = np.array([n for *_, n in params])
        ends, starts = np.cumsum(sizes), np.cumsum(sizes * parts)
        dtype = layers[0].params["w"].dtype
        self.parts = xp.empty(int(starts[-1]), dtype)
        self.vector = xp.empty(int(ends[-1]), dtype)
        starts -= sizes * parts
        for (layer, name, p, n), start, end in zip(params, starts, ends):
            layer.sums[name] = self.parts[start:start + n * p.size].reshape(
                n, p.size)
            layer.grads[name] = self.vector[end - p.size:end].reshape(p.shape)
        # for kernels: where each parameter's part is, and where it is itself
        self.table = xp.asarray(
            np.array([ends, sizes, starts, parts]).astype("int32"))
        self.pointers = xp.asarray(
            np.array([p.data.ptr for _, _, p, _ in params], "uint64"))

    def add(self) -> None:
        """Add the parts: now the layers' grads are what they should be."""
        kernels.add_gradients(self.parts, self.table, self.vector)


class RecordedGrads(Grads):
    """Gradients by name, most of which are in sums' vector, too."""

    def __init__(self, grads: dict, params: dict, sums: Sums | None):
        super().__init__(grads, params)
        self.sums = sums


@quick_form_of(optim.move)
def move(params, m, v, grads, *settings):
    """Adam's update as one kernel, if the gradients are a Recorded's."""
    sums = getattr(grads, "sums", None)
    if sums and list(params) == list(grads) and sums.vector.size == m.size:
        kernels.adam(sums.pointers, sums.table[0], sums.vector, m, v,
                     *settings)
    else:
        optim.move.plain(params, m, v, grads, *settings)
