"""Worker processes compute what one process does, and never hang."""
import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import resource_tracker, spawn
from pathlib import Path

import numpy as np
import pytest
from test_mutants import alive
from threadpoolctl import threadpool_info, threadpool_limits

from minivae import Flatten, Layer, ReLU, Sequential, conv_vae
from minivae.extras.parallel import memory, processes, workers as module
from minivae.extras.parallel.memory import ENVIRONMENT
from minivae.extras.parallel.workers import Workers, cores
from minivae.extras.runs.checkpoint import load
from minivae.plots import latent_grid

SHAPE = (8, 8, 1)
LONG = 300            # seconds: what hangs, hangs longer
posix = pytest.mark.skipif(os.name != "posix", reason="of POSIX's signals")


def small_vae(dtype="float64", **kwargs):
    return conv_vae(SHAPE, filters=4, rng=np.random.default_rng(0),
                    dtype=dtype, **kwargs)


def vae_with(layer):
    """Return a VAE whose encoder begins with a layer that changes nothing."""
    vae = small_vae()
    vae.encoder.layers.insert(0, layer)
    return vae


def batch(vae, N, seed=1):
    rng = np.random.default_rng(seed)
    return (vae.asarray(rng.random((N, *SHAPE)) < 0.5), vae.noise(N, rng))


def children():
    """Return the processes that were started here, and by no fixture."""
    return set(multiprocessing.active_children()) - of_the_team


def later(seconds, function, *args):
    """Call a function from another thread; what this returns can cancel."""
    timer = threading.Timer(seconds, function, args)
    timer.start()
    return timer


@pytest.fixture
def ctrl_c():
    """SIGINT and SIGTERM raise KeyboardInterrupt, in a background job too."""
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, signal.default_int_handler)
              for number in numbers]
    yield
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)


of_the_team = set()


@pytest.fixture(scope="module")
def team():
    vae = small_vae(likelihood="continuous")
    with Workers(vae, SHAPE, count=3, max_batch=10, at_a_time=2) as workers:
        of_the_team.update(multiprocessing.active_children())
        yield vae, workers


@pytest.mark.parametrize("N", [10, 7, 3, 2, 1])   # fewer than workers last
def test_shares_sum_to_the_whole(team, N):
    vae, workers = team
    x, eps = batch(vae, N)
    loss, grads = workers.loss_and_grads(x, eps, beta=0.3)
    want, whole = vae.loss_and_grads(x, eps, beta=0.3)
    assert loss == pytest.approx(want, rel=1e-12)
    assert list(grads) == list(whole)
    for name, g in whole.items():
        np.testing.assert_allclose(grads[name], g, rtol=1e-10, atol=1e-12)
    for got, want in zip(workers.elbo_terms(x, eps), vae.elbo_terms(x, eps)):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    for sigmoid in False, True:
        np.testing.assert_allclose(
            workers.decode(eps, sigmoid), vae.decode(eps, sigmoid),
            rtol=1e-12, atol=1e-15)        # a logit near 0 is a difference


def test_they_stand_in_for_the_vae(team):
    vae, workers = team
    assert workers.latent_dim == 2
    for name, p in workers.params.items():
        assert p is vae.params[name]
    image, _ = latent_grid(workers, 3)
    np.testing.assert_allclose(image, latent_grid(vae, 3)[0], rtol=1e-12)
    with pytest.raises(AttributeError, match="no_such_name"):
        workers.no_such_name


def test_an_answer_is_not_overwritten_by_the_next(team):
    vae, workers = team
    x, eps = batch(vae, 6)

    def answers(eps):
        yield workers.decode(eps)
        yield from workers.elbo_terms(x, eps)
        yield from workers.loss_and_grads(x, eps)[1].values()
    first = [(a, a.copy()) for a in answers(eps)]
    list(answers(-eps))
    for a, same in first:
        np.testing.assert_array_equal(a, same)


def test_they_follow_the_parameters(team):
    vae, workers = team
    x, eps = batch(vae, 4)
    before, _ = workers.loss_and_grads(x, eps)
    vae.params["decoder.7.b"][...] += 0.5
    after, _ = workers.loss_and_grads(x, eps)
    assert after != before
    assert after == pytest.approx(vae.loss_and_grads(x, eps)[0], rel=1e-12)


class Scale(Layer):
    """Multiplies by a number that may change; counts what it has seen."""

    def __init__(self, by=1.0):
        self.by, self.more, self.seen = by, {"by": [1.0]}, 0

    def forward(self, x):
        self.seen += len(x)
        return x * self.by * self.more["by"][0]

    def backward(self, dy):
        return dy * self.by * self.more["by"][0]


def set_attribute(vae):
    vae.encoder.layers[0].by = 0.5


def set_inside(vae):
    vae.encoder.layers[0].more["by"][0] = 0.5


def replace_layer(vae):
    vae.encoder.layers[0] = Scale(3.0)


def replace_parameter(vae):
    vae.encoder.layers[1].params["w"] = 0.5 * vae.encoder.layers[1].params["w"]


def replace_density(vae):
    vae.log_p_x = conv_vae(SHAPE, likelihood="continuous").log_p_x


def test_they_follow_the_layers():
    vae = vae_with(Scale())
    x, eps = batch(vae, 4)
    with Workers(vae, SHAPE, count=2) as workers:
        before = workers.loss_and_grads(x, eps)[0]
        for change in (set_attribute, set_inside, replace_layer,
                       replace_parameter, replace_density):
            change(vae)
            for N in 1, 4:       # at first, one of them has nothing to do
                after = workers.loss_and_grads(x[:N], eps[:N])[0]
                want = vae.loss_and_grads(x[:N], eps[:N])[0]
                assert after == pytest.approx(want, rel=1e-12), change
            assert after != pytest.approx(before, rel=1e-4), change
            before = after


@pytest.mark.parametrize("counts", [False, True])
def test_layers_are_sent_only_when_they_change(monkeypatch, counts):
    vae = vae_with(Scale()) if counts else small_vae()
    x, eps = batch(vae, 4)
    with Workers(vae, SHAPE, count=2) as workers:
        monkeypatch.setattr(module, "pickle_vae", None)
        for _ in range(2):
            workers.loss_and_grads(x, eps)
            if not counts:
                vae.loss_and_grads(x, eps)              # leaves cache, grads
            vae.params["decoder.7.b"][...] += 0.5


def test_a_layer_that_cannot_be_sent_later_is_named():
    vae = small_vae()
    with Workers(vae, SHAPE, count=2) as workers:
        locked(vae.decoder.layers[1])
        with pytest.raises(TypeError, match="decoder.1, a ReLU, cannot be"):
            workers.loss_and_grads(*batch(vae, 4))


@pytest.mark.parametrize("change, name", [
    (lambda w: w.reshape(w.shape[::-1]), "decoder.0.w"),
    (lambda w: w.astype("float32"), "decoder.0.w")])
def test_a_parameter_of_another_kind_is_refused_by_name(change, name):
    vae = small_vae()
    x, eps = batch(vae, 4)
    with Workers(vae, SHAPE, count=2) as workers:
        params = vae.decoder.layers[0].params
        good = params["w"]
        params["w"] = change(good)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=f"^Workers: {name} has "
                               "another .*; make new Workers$"):
                workers.loss_and_grads(x, eps)
        params["w"] = good
        assert np.isfinite(workers.loss_and_grads(x, eps)[0])


def test_they_are_not_copied(team):
    for copied in copy.copy, copy.deepcopy, pickle.dumps:
        with pytest.raises(TypeError, match="Workers cannot be copied or pic"):
            copied(team[1])


def test_the_same_bits_every_time(team):
    vae, workers = team
    x, eps = batch(vae, 10)
    (loss, grads), (again, grads_again) = (workers.loss_and_grads(x, eps)
                                           for _ in range(2))
    assert loss == again
    for name, g in grads.items():
        np.testing.assert_array_equal(grads_again[name], g)


def test_float32_stays_float32():
    vae = small_vae("float32")
    x, eps = batch(vae, 6)
    with Workers(vae, SHAPE, count=2) as workers:
        loss, grads = workers.loss_and_grads(x, eps)
    assert {g.dtype for g in grads.values()} == {np.dtype("float32")}
    want, whole = vae.loss_and_grads(x, eps)
    assert loss == pytest.approx(float(want), rel=1e-5)
    for name, g in whole.items():
        np.testing.assert_allclose(grads[name], g, rtol=1e-4,
                                   atol=1e-5 * abs(g).max())


def test_what_a_worker_raises_comes_here(team):
    vae, workers = team
    x, eps = batch(vae, 4)
    for N in 0, 11:
        with pytest.raises(ValueError, match=f"has {N} images, but 1 to 10"):
            workers.loss_and_grads(*(a[:N] for a in batch(vae, 11)))
    with pytest.raises(ValueError, match=r"eps has shape \(3, 2\), but "
                       r"\(4, 2\) was expected"):
        workers.loss_and_grads(x, eps[:3])
    with pytest.raises(ValueError, match="x has shape"):
        workers.loss_and_grads(x[:, :7], eps)
    bad = x.copy()
    bad[3, 1, 2] = np.nan                        # in the last worker's share
    for method in workers.loss_and_grads, workers.elbo_terms:
        with pytest.raises(ValueError, match=r"image 3 has nan at pixel \[1, "
                           "2, 0]"):
            method(bad, eps)
    with pytest.raises(TypeError, match="x is float32"):
        workers.loss_and_grads(x.astype("float32"), eps)
    with pytest.raises(ValueError, match=r"z has shape \(4, 3\)"):
        workers.decode(np.zeros((4, 3)))
    with pytest.raises(KeyError, match="no_such_task"):
        workers._run("no_such_task", x=x, eps=eps)
    assert np.isfinite(workers.loss_and_grads(x, eps)[0])    # alive and well


def in_a_worker():
    return multiprocessing.parent_process() is not None


class Raises(Layer):
    """Raises an error that cannot be made anew from its message."""

    def __init__(self, everywhere):
        self.everywhere = everywhere

    def forward(self, x):
        if self.everywhere or in_a_worker():
            raise TwoReasons("this", "that")
        return x

    def backward(self, dy):
        return dy


class TwoReasons(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Refuses(Layer):
    """Pickles well, and will not be unpickled."""

    def __setstate__(self, state):
        raise OSError("not here")


class Ends(Layer):
    """Ends the worker that computes it."""

    def forward(self, x):
        if in_a_worker():
            os._exit(7)
        return x

    def backward(self, dy):
        return dy


def test_an_error_that_cannot_be_sent_is_told():
    for everywhere, error, what in [
            (False, RuntimeError, "^TwoReasons: this and that$"),
            (True, TwoReasons, "^this and that$")]:
        vae = vae_with(Raises(everywhere))
        with Workers(vae, SHAPE, count=2) as workers:
            for _ in range(2):
                with pytest.raises(error, match=what):
                    workers.loss_and_grads(*batch(vae, 4))
            vae.encoder.layers[0] = Scale()
            assert np.isfinite(workers.loss_and_grads(*batch(vae, 4))[0])


def test_one_of_them_is_this_process():
    class Names(Layer):
        """Moves all logits by 1 in this process and by 2 in a worker."""

        def forward(self, x):
            return x + (2 if in_a_worker() else 1)

    vae = small_vae()
    eps, without = vae.noise(4, 1), vae.decode(vae.noise(4, 1))
    vae.decoder.layers.append(Names())
    with Workers(vae, SHAPE, count=2) as workers:
        by = (workers.decode(eps) - without).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(by, [1, 1, 2, 2])
    with Workers(vae, SHAPE, count=1) as alone:
        assert not children()
        np.testing.assert_allclose(alone.decode(eps), without + 1)


def test_numpys_threads_are_only_borrowed():
    def threads():
        return [library["num_threads"] for library in threadpool_info()
                if library["user_api"] == "blas"]

    class Watches(Layer):
        def forward(self, x):
            self.seen = threads()
            return x

        def backward(self, dy):
            return dy

    with threadpool_limits(3, "blas"):          # two threads, one in the other
        for leave in reversed, list:
            inside = [contextlib.ExitStack() for _ in range(2)]
            for stack in inside:
                stack.enter_context(memory.ONE_THREAD)
                assert set(threads()) == {1}
            for stack, left in zip(leave(inside), [1, 3]):
                stack.close()
                assert set(threads()) == {left}
    vae = vae_with(Watches())
    with threadpool_limits(3, "blas"):
        with Workers(vae, SHAPE, count=2) as workers:
            workers.loss_and_grads(*batch(vae, 4))
            assert set(threads()) == {3}
        assert set(vae.encoder.layers[0].seen) == {1}


# ---- they end, and are not waited for --------------------------------------

def test_they_end_with_the_team_and_leave_no_trace(monkeypatch):
    monkeypatch.setattr(processes, "FAREWELL", LONG)
    environment, main = dict(os.environ), sys.modules["__main__"]
    with Workers(small_vae(), SHAPE, count=2) as workers:
        started = children()
        assert len(started) == 1
        assert dict(os.environ) == environment
        assert sys.modules["__main__"] is main
    assert not children()
    for process in started:
        assert process.exitcode == 0
    assert "OPENBLAS_NUM_THREADS" in ENVIRONMENT
    workers.close()                                     # once more
    with pytest.raises(RuntimeError, match="were closed"):
        workers.loss_and_grads(*batch(workers.vae, 4))


def test_workers_that_nobody_keeps_end():
    workers = Workers(small_vae(), SHAPE, count=2)
    started = children()
    del workers
    gc.collect()
    assert len(started) == 1 and not children()


def test_a_worker_that_dies_is_an_error_not_a_hang():
    vae = small_vae()
    with Workers(vae, SHAPE, count=2) as workers:
        x, eps = batch(vae, 4)
        workers.loss_and_grads(x, eps)
        first, *_ = children()
        first.kill()
        first.join()
        message = f"{first.pid} has ended: .*"
        message += "SIGKILL.* memory" if os.name == "posix" else ""
        with pytest.raises(RuntimeError, match=message):
            workers.loss_and_grads(x, eps)
    with Workers(vae_with(Ends()), SHAPE, count=2) as workers:
        with pytest.raises(RuntimeError, match="its exit status is 7; with"):
            workers.loss_and_grads(*batch(workers.vae, 4))
    assert not children()


def test_an_interrupted_call_leaves_no_answer_for_the_next(monkeypatch):
    class CtrlC(BaseException):          # KeyboardInterrupt would end pytest
        pass

    def interrupted(*args):
        raise CtrlC

    vae = small_vae()
    with Workers(vae, SHAPE, count=2) as workers:
        monkeypatch.setattr(workers.processes, "receive", interrupted)
        with pytest.raises(CtrlC):
            workers.loss_and_grads(*batch(vae, 4))
        monkeypatch.undo()
        with pytest.raises(RuntimeError, match="ended by an interrupted call"):
            workers.loss_and_grads(*batch(vae, 4))


@posix
def test_a_stopped_worker_is_named_and_may_go_on(monkeypatch, capsys):
    write, notes = processes.tqdm.write, []

    def write_and_continue(text, **kwargs):
        write(text, **kwargs)
        notes.append(text)
        if sum(str(stopped.pid) in note for note in notes) == 2:
            os.kill(stopped.pid, signal.SIGCONT)
    monkeypatch.setattr(processes.tqdm, "write", write_and_continue)
    vae = small_vae()
    x, eps = batch(vae, 4)
    with Workers(vae, SHAPE, count=2) as workers:
        workers.loss_and_grads(x, eps)
        assert not notes
        workers.processes.patience = 1
        stopped, *_ = children()
        os.kill(stopped.pid, signal.SIGSTOP)
        in_any_case = later(60, os.kill, stopped.pid, signal.SIGCONT)
        loss, _ = workers.loss_and_grads(x, eps)
        in_any_case.cancel()
        assert loss == pytest.approx(vae.loss_and_grads(x, eps)[0], rel=1e-12)
    assert capsys.readouterr().err.splitlines() == notes
    assert any(f"note: worker process {stopped.pid} has not answered for "
               in note and f"kill -CONT {stopped.pid} " in note
               for note in notes)


@posix
def test_ctrl_c_is_heard_while_a_worker_is_stopped(ctrl_c):
    workers = Workers(small_vae(), SHAPE, count=2)
    os.kill(min(p.pid for p in children()), signal.SIGSTOP)
    with pytest.raises(KeyboardInterrupt):
        later(1, os.kill, os.getpid(), signal.SIGINT)
        workers.loss_and_grads(*batch(workers.vae, 4))
    assert not children()


@posix
def test_ctrl_c_is_heard_while_they_are_closed(ctrl_c, monkeypatch):
    monkeypatch.setattr(processes, "FAREWELL", 600)
    workers = Workers(small_vae(), SHAPE, count=2)
    os.kill(min(p.pid for p in children()), signal.SIGSTOP)
    with pytest.raises(KeyboardInterrupt):
        later(1, os.kill, os.getpid(), signal.SIGINT)
        workers.close()
    assert not children()


@posix
def test_a_stopped_worker_is_not_waited_for_at_the_end(monkeypatch):
    monkeypatch.setattr(processes, "FAREWELL", 0.5)
    with Workers(small_vae(), SHAPE, count=2):
        stopped, *_ = children()
        os.kill(stopped.pid, signal.SIGSTOP)
    assert not children()
    assert stopped.exitcode == -signal.SIGKILL


# ---- they start, or one sentence says why not ------------------------------

@pytest.fixture
def at_start(monkeypatch):
    """at_start(function): it is called with each process just started."""
    start = multiprocessing.process.BaseProcess.start

    def set_to(function):
        def start_and_more(process):
            start(process)
            function(process)
        monkeypatch.setattr(multiprocessing.process.BaseProcess, "start",
                            start_and_more)
    yield set_to
    assert not children()


@posix
def test_they_are_deaf_to_signals_from_the_first_moment_on(at_start):
    def signals(process):
        for number in signal.SIGINT, signal.SIGTERM:
            os.kill(process.pid, number)
    at_start(signals)
    vae = small_vae()
    with Workers(vae, SHAPE, count=2) as workers:
        workers.loss_and_grads(*batch(vae, 4))
        for process in children():
            signals(process)
        workers.loss_and_grads(*batch(vae, 4))


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_they_start_is_the_parents(at_start, ctrl_c, number):
    # to the process: that any of its threads may hear it, as after Ctrl-C
    at_start(lambda _: os.kill(os.getpid(), number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(KeyboardInterrupt):
        Workers(small_vae(), SHAPE, count=2)
    assert signal.getsignal(number) is signal.default_int_handler
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    assert not children()


@posix
def test_ctrl_c_is_heard_while_they_get_ready(at_start, ctrl_c):
    at_start(lambda process: os.kill(process.pid, signal.SIGSTOP))
    with pytest.raises(KeyboardInterrupt):
        later(1, os.kill, os.getpid(), signal.SIGINT)
        Workers(small_vae(), SHAPE, count=2)


@posix
def test_one_that_is_never_ready_is_given_up(at_start, monkeypatch):
    monkeypatch.setattr(module, "START_LIMIT", 2)
    at_start(lambda process: os.kill(process.pid, signal.SIGSTOP))
    with pytest.raises(RuntimeError, match="was not ready within 2 s; use"):
        Workers(small_vae(), SHAPE, count=2)


def test_one_that_dies_before_it_is_ready_is_an_error(at_start, monkeypatch):
    monkeypatch.setattr(module, "START_LIMIT", 10 ** 9)
    at_start(multiprocessing.process.BaseProcess.kill)
    with pytest.raises(RuntimeError, match="has ended: "):
        Workers(small_vae(), SHAPE, count=2)


def test_where_no_more_can_be_started_none_is_left(monkeypatch):
    start = multiprocessing.process.BaseProcess.start

    def start_one(process):
        if len(children()) == 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        start(process)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start",
                        start_one)
    with pytest.raises(RuntimeError, match="cannot be started .*temporarily"):
        Workers(small_vae(), SHAPE, count=3)
    assert not children()


def test_where_there_is_no_memory_to_share(monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(memory.heap, "BufferWrapper", full)
    with pytest.raises(RuntimeError, match="bytes of shared .*No space left"):
        Workers(small_vae(), SHAPE, count=2)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="not here")
def test_memory_that_is_promised_is_there(monkeypatch):
    """To write into it where its file system is full would be a SIGBUS."""
    def full(file, start, size):
        assert os.fstat(file).st_size == size > 0 and start == 0
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RuntimeError, match="bytes of shared .*No space left"):
        Workers(small_vae(), SHAPE, count=2)


@pytest.mark.skipif(not Path("/bin/false").exists(), reason="not here")
def test_a_path_too_long_for_a_pipe_is_refused(monkeypatch):
    """To write it would wait, deaf to signals, for a process that has died."""
    resource_tracker.ensure_running()       # it, too, is started by that
    before = spawn.get_executable()
    multiprocessing.set_executable("/bin/false")
    try:
        with pytest.raises(RuntimeError, match="its exit status is 1"):
            Workers(small_vae(), SHAPE, count=2)
        monkeypatch.setattr(sys, "path", [*sys.path, "x" * 90_000])
        with pytest.raises(RuntimeError, match="has 9.,... characters"):
            Workers(small_vae(), SHAPE, count=2)
    finally:
        multiprocessing.set_executable(before)
    assert not children()


def test_threads_may_start_them_at_once():
    environment, main = dict(os.environ), sys.modules["__main__"]
    vae, losses = small_vae(), []
    x, eps = batch(vae, 4)

    def compute():
        with Workers(vae, SHAPE, count=2) as workers:
            losses.append(workers.loss_and_grads(x, eps)[0])
    threads = [threading.Thread(target=compute) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(losses) == 3 and len(set(losses)) == 1
    assert dict(os.environ) == environment
    assert sys.modules["__main__"] is main


def locked(layer):
    layer.lock = threading.Lock()
    return layer


@pytest.mark.parametrize("layer, name", [
    (locked(ReLU()), "encoder.0, a ReLU, cannot be"),
    (Sequential([ReLU(), locked(Flatten())]), "encoder.0.1, a Flatten, can"),
    (locked(Sequential([ReLU()])), "encoder.0, a Sequential, cannot be")])
def test_a_layer_that_cannot_be_sent_is_named(layer, name):
    with pytest.raises(TypeError, match=f"{name}.* process .*lock"):
        Workers(vae_with(layer), SHAPE, count=2)
    assert not children()


def test_a_vae_that_cannot_be_sent_is_named():
    with pytest.raises(TypeError, match="the VAE cannot be sent"):
        Workers(locked(small_vae()), SHAPE, count=2)
    with pytest.raises(RuntimeError, match="cannot load .*OSError: not here"):
        Workers(vae_with(Refuses()), SHAPE, count=2)
    assert not children()


def test_sizes_are_checked():
    for name in "count", "max_batch", "at_a_time":
        with pytest.raises(ValueError, match=f"{name} is 0, but"):
            Workers(small_vae(), SHAPE, **{"count": 2, name: 0})


# ---- wherever they are used ------------------------------------------------

SCRIPT = """
print("run")
import numpy as np
from minivae import Layer, conv_vae
from minivae.extras.parallel.workers import Workers
SCALE = 0.5

class Scale(Layer):
    def forward(self, x):
        return x * np.float32(SCALE)

    def backward(self, dy):
        return dy * np.float32(SCALE)

vae = conv_vae((8, 8, 1), rng=0)
vae.encoder.layers.insert(0, Scale())
x, eps = np.ones((4, 8, 8, 1), np.float32), vae.noise(4, 1)
workers = Workers(vae, (8, 8, 1), count=2)
loss, _ = workers.loss_and_grads(x, eps)
assert abs(loss - vae.loss_and_grads(x, eps)[0]) < 1e-3, loss
print("done")
"""                                     # and nobody closes them


def as_file(folder, script):
    (folder / "script.py").write_text(script)
    return ["script.py"], None


def as_module(folder, script):
    (folder / "script.py").write_text(script)
    return ["-m", "script"], None


def with_many_arguments(folder, script):
    (folder / "script.py").write_text(script)
    return ["script.py"] + ["image.png"] * 20_000, None


@pytest.mark.parametrize("how", [
    as_file, as_module, with_many_arguments,
    lambda _, script: (["-"], script), lambda _, script: (["-c", script], ""),
    lambda _, script: (["-c", "import code, sys\ncode.InteractiveInterpreter("
                        ").runsource(sys.stdin.read(), '<cell>', 'exec')"],
                       script)],
    ids=["file", "module", "many arguments", "stdin", "-c", "notebook"])
def test_a_script_without_a_main_guard_works(how, tmp_path):
    command, stdin = how(tmp_path, SCRIPT)
    assert python(command, tmp_path, input=stdin) == "run\ndone\n"


@pytest.mark.parametrize("threads", ["1", "5"])
def test_numpys_own_threads_change_nothing(tmp_path, threads):
    assert python(["-c", SCRIPT], tmp_path, env=os.environ | {
        "OPENBLAS_NUM_THREADS": threads}) == "run\ndone\n"


def test_a_layer_may_stand_in_a_module_beside_the_script(tmp_path):
    imports, rest = SCRIPT.split("SCALE = 0.5")
    layer, rest = rest.split("vae =", 1)
    app, elsewhere = tmp_path / "app", tmp_path / "elsewhere"
    app.mkdir()
    elsewhere.mkdir()
    (app / "mylayers.py").write_text(
        f"{imports.replace('run', 'mine')}SCALE = 0.5{layer}")
    (app / "script.py").write_text(
        f"{imports}\nfrom mylayers import Scale\nvae ={rest}")
    printed = python(["../app/script.py"], elsewhere)
    # the module is imported here and in the worker, the script is not
    assert [printed.count(word) for word in ("run", "mine", "done")] == [
        1, 2, 1]


def test_a_module_that_trains_when_imported_does_so_once(tmp_path):
    (tmp_path / "unguarded.py").write_text(SCRIPT)
    assert python(["-c", "import unguarded"], tmp_path) == "run\ndone\n"


def python(command, folder, **kwargs):
    """Return what Python prints; nothing may go to standard error."""
    done = subprocess.run([sys.executable, *command], cwd=folder, text=True,
                          capture_output=True, timeout=LONG, **kwargs)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


# ---- signals to all processes ----------------------------------------------

@posix
def test_ctrl_c_is_the_parents_alone():
    code = """
import os, signal, time
from multiprocessing.process import BaseProcess
from minivae import conv_vae
from minivae.extras.parallel.workers import Workers

start = BaseProcess.start
def start_and_signal(process):         # to the first processes of a program
    start(process)
    os.kill(process.pid, signal.SIGINT)

BaseProcess.start = start_and_signal
# a job in the background is started deaf to it
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with Workers(conv_vae((8, 8, 1)), (8, 8, 1), count=2):
        print("here", flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("stopped")
"""
    with subprocess.Popen([sys.executable, "-c", code], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True) as process:
        assert process.stdout.readline() == "here\n"
        os.killpg(process.pid, signal.SIGINT)     # as a terminal does
        printed, errors = process.communicate(timeout=LONG)
    assert printed == "stopped\n" and errors == ""


@posix
def test_a_killed_parent_leaves_no_worker_behind():
    code = SCRIPT + ("import multiprocessing, time\n"
                     "print(*(p.pid for p in "
                     "multiprocessing.active_children()), flush=True)\n"
                     "time.sleep(600)\n")
    with subprocess.Popen([sys.executable, "-c", code], text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        *_, pids = (process.stdout.readline() for _ in range(3))
        process.kill()
        # These end when the last process that could write has ended
        printed, errors = process.communicate(timeout=LONG)
    assert len(pids.split()) == 1 and printed == errors == ""


@pytest.mark.skipif(not (hasattr(os, "fork") and shutil.which("ps")),
                    reason="nothing is forked here, or cannot be seen")
def test_a_forked_child_does_not_keep_the_workers_of_a_killed_parent():
    code = SCRIPT + """
import multiprocessing, os, time
print(*(p.pid for p in multiprocessing.active_children()), flush=True)
os.fork()                         # it has all pipes, and never closes them
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code],
                          text=True, stdout=subprocess.PIPE,
                          start_new_session=True) as process:
        *_, pids = (process.stdout.readline() for _ in range(3))
        time.sleep(1)
        process.kill()
        try:
            end = time.monotonic() + 300
            while any(map(alive, pids.split())):
                assert time.monotonic() < end
                time.sleep(0.1)
        finally:
            os.killpg(process.pid, signal.SIGKILL)              # the child
    assert len(pids.split()) == 1


@posix
def test_the_demos_saves_its_last_batch_when_a_scheduler_ends_it(tmp_path):
    demo = Path(__file__).parent.parent / "demos" / "train_fashion.py"
    with subprocess.Popen(
            [sys.executable, demo, "--workers", "2", "--out", tmp_path,
             "--checkpoint-every", "100000"], text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True) as process:
        for line in process.stdout:
            if line.startswith("better."):               # the header's end
                break
        while (process.poll() is None
               and not (tmp_path / "checkpoint.npz").exists()):
            time.sleep(0.1)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGTERM)
        printed, _ = process.communicate(timeout=LONG)
    assert process.returncode == 130, printed
    assert "SIGTERM" in printed and "memory" not in printed
    step = int(re.search(r"and step ([\d,]+)", printed)[1].replace(",", ""))
    assert load(tmp_path / "checkpoint.npz")[1]["t"] == step > 0


# ---- cores -----------------------------------------------------------------

def test_cores_are_those_that_this_process_may_use():
    assert 1 <= cores() <= os.cpu_count()
    if hasattr(os, "sched_setaffinity"):
        mine = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(mine)})
            assert cores() == 1
        finally:
            os.sched_setaffinity(0, mine)


def test_more_processes_than_cores_and_images():
    vae = small_vae()
    x, eps = batch(vae, 5)
    with Workers(vae, SHAPE, count=16) as workers:
        loss, _ = workers.loss_and_grads(x, eps)
    assert loss == pytest.approx(vae.loss_and_grads(x, eps)[0], rel=1e-12)


@pytest.mark.parametrize("counted, want", [(None, 1), (7, 7)])
def test_where_affinity_is_unknown_all_cores_count(monkeypatch, counted, want):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert cores() == want
