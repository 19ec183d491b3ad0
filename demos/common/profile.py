"""Where the time goes: each layer's milliseconds and GFLOP/s.

It watches `Sequential`'s layers from outside: for a while, their forward and
backward are wrapped in a clock. And how fast the machine is at its best.
"""
import contextlib
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from unittest import mock

import numpy as np

from minivae import conv
from minivae.backend import Array, has_quick_form
from minivae.extras.parallel.workers import Workers, cores
from minivae.layers import Flatten, Layer, Reshape, Sequential
from minivae.quick import convolution, products
from minivae.vae import VAE

from common.measuring import clock, matmul_speed


def time_on_gpu(cupy: ModuleType, work: Callable, times: int) -> list[float]:
    """Return the seconds of each of several calls, by the GPU's own clock.

    A call only queues work; the marks between calls are queued, too, and note
    when the GPU reaches them. So this is the time per call of many in a row,
    whether it is the GPU that is slow, or Python, which queues the work.
    """
    marks = [cupy.cuda.Event() for _ in range(times + 1)]
    marks[0].record()
    for mark in marks[1:]:
        work()
        mark.record()
    marks[-1].synchronize()
    return [1e-3 * cupy.cuda.get_elapsed_time(*pair)         # milliseconds
            for pair in zip(marks, marks[1:])]


def gpu_ceilings(cupy: ModuleType, n: int = 4096) -> tuple[float, float]:
    """Return a GPU's FLOP/s in a product of (n, n), and bytes/s in a copy."""
    a = cupy.ones((n, n), np.float32)
    b = cupy.empty_like(a)
    product, copy = (statistics.median(time_on_gpu(cupy, work, 9))
                     for work in (lambda: cupy.matmul(a, a, out=b),
                                  lambda: cupy.copyto(b, a)))
    return 2 * n ** 3 / product, 2 * a.nbytes / copy


def layers(vae: VAE) -> dict[str, Layer]:
    """Return the layers of both networks: {"encoder.0": Conv2D, ...}."""
    return {f"{name}.{i}": layer for name in ("encoder", "decoder")
            for i, layer in enumerate(getattr(vae, name).layers)}


def shapes(vae: VAE, x: Array) -> dict[str, tuple]:
    """Return the shapes of each layer's input and output: two for each name.
    """
    with timing(vae) as calls:
        vae.decode(vae.encode(x)[0])
    return {name: call.shapes for name, call in calls.items()}


def flop(vae: VAE, x: Array) -> dict[str, int]:
    """Return the arithmetic of each layer in one training step on x.

    Forward once, backward twice, for dx and for dw; but images need no dx.
    """
    return {name: n * (2 if name == "encoder.0" else 3)
            for name, n in forward_flop(vae, x).items()}


def forward_flop(vae: VAE, x: Array) -> dict[str, int]:
    """Return the arithmetic of each layer's forward pass on x.

    A layer multiplies its w with each row of its input (Dense), or each
    window: there are as many as pixels on its smaller side. A product and a
    sum for each weight.
    """
    count = {}
    for name, both in shapes(vae, x).items():
        rows = min(math.prod(shape[:-1]) for shape in both)
        w = layers(vae)[name].params.get("w")
        count[name] = 0 if w is None else 2 * w.size * rows
    return count


def traffic(vae: VAE, x: Array) -> tuple[int, int]:
    """Return the bytes that a training step must move.

    Those of the parameters, and those of the images x. Forward reads x and w
    and writes y; backward reads dy, x and w and writes dx and dw. Adam reads
    p, g, m and v, and writes p, m and v.
    """
    params = sum(p.size for p in vae.params.values())
    numbers = 0
    for name, both in shapes(vae, x).items():
        if not isinstance(layers(vae)[name], (Flatten, Reshape)):
            x_size, y_size = map(math.prod, both)        # those two move none
            numbers += 3 * x_size + 2 * y_size
    return (3 + 7) * params * x.itemsize, numbers * x.itemsize


class Calls:
    """What happened in one layer: seconds, and the shapes of x and y."""

    def __init__(self):
        self.forward, self.backward, self.shapes = [], [], None
        self.running = False


@contextlib.contextmanager
def timing(vae: VAE):
    """Time each forward and backward of vae's layers: {name: Calls}."""
    calls = {name: Calls() for name in layers(vae)}

    def timed(function, seconds, call):
        def run(a):
            if call.running:        # backward may call backward_params, or
                return function(a)  # the other way round
            call.running, start = True, time.perf_counter()
            result = function(a)
            seconds.append(time.perf_counter() - start)
            call.running = False
            if seconds is call.forward:
                call.shapes = a.shape, result.shape
            return result
        return run

    for name, layer in layers(vae).items():
        call = calls[name]
        vars(layer).update(
            forward=timed(layer.forward, call.forward, call),
            backward=timed(layer.backward, call.backward, call),
            backward_params=timed(layer.backward_params, call.backward, call))
    try:
        yield calls
    finally:
        for layer in layers(vae).values():
            for name in "forward", "backward", "backward_params":
                delattr(layer, name)             # the class's own are back


def layer_table(vae: VAE, x: Array, eps: Array, times: int = 50) -> str:
    """Return a table of the layers: medians over some training steps."""
    work, once = flop(vae, x), forward_flop(vae, x)
    with timing(vae) as calls:
        whole = []
        for _ in range(times):
            start = time.perf_counter()
            vae.loss_and_grads(x, eps)
            whole.append(time.perf_counter() - start)
    lines = [f"{'':54}{'milliseconds':>16}{'GFLOP/s':>18}",
             f"{'':54}{'forward':>8}{'backward':>9}"
             f"{'forward':>9}{'backward':>9}"]
    in_layers = 0.0
    for name, layer in layers(vae).items():
        f, b = (statistics.median(seconds) for seconds
                in (calls[name].forward, calls[name].backward))
        in_layers += f + b
        line = f"{layer!r:<54}{1e3 * f:8.2f}{1e3 * b:9.2f}"
        if work[name]:
            line += (f"{once[name] / f / 1e9:9.1f}"
                     f"{(work[name] - once[name]) / b / 1e9:9.1f}")
        lines.append(line)
    step = statistics.median(whole)
    total = sum(work.values())
    lines += [f"{'loss, noise and the rest':<54}"
              f"{1e3 * (step - in_layers):17.2f}",
              f"{'total':<54}{1e3 * step:17.2f}{total / step / 1e9:18.1f}",
              f"{'NumPy, the product of two large matrices':<71}"
              f"{matmul_speed() / 1e9:18.1f}"]
    return "\n".join(lines)


# ---- what each technique is worth ------------------------------------------

# what minivae/quick does, and what takes it out: an object, the name of its
# attribute, and what this is then
TECHNIQUES = {
    "dx plane by plane": [(convolution, "has_planes", lambda *_: False)],
    "products in pieces": [(products, "rows_of_a_piece", lambda M, _: M)],
    "a few images at a time": [(convolution, "L2_CACHE", 2 ** 62)],
    "y and dw from the same cols": [
        (conv.correlate_and_dw, "quick", conv.correlate_and_dw.plain)],
    "no dx for the images": [
        (Sequential, "backward_params", Layer.backward_params)],
    "db as a product": [(conv.sum_pixels, "quick", conv.sum_pixels.plain)],
}
FORMS = [(form, "quick", form.plain) for form in vars(conv).values()
         if isinstance(form, has_quick_form)]


@contextlib.contextmanager
def without(changes: Sequence[tuple]) -> Iterator[None]:
    """Take a technique out for a while."""
    with contextlib.ExitStack() as until_then:
        for change in changes:
            until_then.enter_context(mock.patch.object(*change))
        yield


def technique_table(vae: VAE, x: Array, eps: Array, turns: int = 25) -> str:
    """Say how much longer a step takes with each technique taken out.

    Each turn times a step with it and one without: medians of their ratios.
    """
    def step():
        return seconds_of_a_step(vae, x, eps)
    lines = ["", "A step takes this much longer without"]
    for name, changes in [*TECHNIQUES.items(), ("all quick forms", FORMS)]:
        longer = in_turns(step, without(changes)(step), turns) - 1
        lines.append(f"  {name:<32}{longer:6.1%}")
    return "\n".join(lines)


def process_table(vae: VAE, x: Array, eps: Array, turns: int = 5) -> str:
    """Compare Workers with one process, in which NumPy has its own threads.

    A turn is a rest and ten steps: for a while after a product, NumPy's
    threads wait in a loop, and would disturb the workers.
    """
    def turn(model):
        time.sleep(0.2)
        return statistics.median(seconds_of_a_step(model, x, eps)
                                 for _ in range(10))
    with Workers(vae, x.shape[1:], cores()) as workers:
        ratio = in_turns(lambda: turn(workers), lambda: turn(vae), turns)
    return (f"A step of {len(x)} images takes {ratio - 1:.0%} longer in one "
            f"process with {cores()} threads\nthan shared by {cores()} "
            "processes")


def in_turns(one: Callable, other: Callable, turns: int) -> float:
    """Return the median of other()'s seconds over one()'s, just before."""
    ratios = []
    for _ in range(turns):
        before = one()
        ratios.append(other() / before)
    return statistics.median(ratios)


def seconds_of_a_step(model: VAE | Workers, x: Array, eps: Array) -> float:
    """Time the forward and backward pass of a step."""
    return clock(lambda: model.loss_and_grads(x, eps))
