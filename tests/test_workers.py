"""Worker processes compute what one process does, up to rounding."""
import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from minivae import conv_vae
from minivae.extras.workers import ENVIRONMENT, Workers, cores
from minivae.plots import latent_grid

SHAPE = (8, 8, 1)


def small_vae(dtype="float64", **kwargs):
    return conv_vae(SHAPE, filters=4, rng=np.random.default_rng(0),
                    dtype=dtype, **kwargs)


def batch(vae, N, seed=1):
    rng = np.random.default_rng(seed)
    return (vae.asarray(rng.random((N, *SHAPE)) < 0.5), vae.noise(N, rng))


@pytest.fixture(scope="module")
def team():
    vae = small_vae(likelihood="continuous")
    with Workers(vae, SHAPE, count=3, max_batch=10, at_a_time=2) as workers:
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
    for a, copy in first:
        np.testing.assert_array_equal(a, copy)


def test_they_follow_the_parameters(team):
    vae, workers = team
    x, eps = batch(vae, 4)
    before, _ = workers.loss_and_grads(x, eps)
    vae.params["decoder.7.b"][...] += 0.5
    after, _ = workers.loss_and_grads(x, eps)
    assert after != before
    assert after == pytest.approx(vae.loss_and_grads(x, eps)[0], rel=1e-12)


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
    with pytest.raises(TypeError, match="x is float32"):
        workers.loss_and_grads(x.astype("float32"), eps)
    with pytest.raises(ValueError, match=r"z has shape \(4, 3\)"):
        workers.decode(np.zeros((4, 3)))
    with pytest.raises(KeyError, match="no_such_task"):
        workers._run("no_such_task", x=x, eps=eps)
    assert np.isfinite(workers.loss_and_grads(x, eps)[0])    # alive and well


def test_a_worker_that_dies_is_an_error_not_a_hang():
    vae = small_vae()
    before = set(multiprocessing.active_children())
    with Workers(vae, SHAPE, count=2) as workers:
        x, eps = batch(vae, 4)
        workers.loss_and_grads(x, eps)
        first, *_ = set(multiprocessing.active_children()) - before
        first.kill()
        first.join()
        with pytest.raises(RuntimeError, match="a worker process has ended"):
            workers.loss_and_grads(x, eps)


def test_an_interrupted_call_leaves_no_answer_for_the_next():
    class CtrlC(BaseException):          # KeyboardInterrupt would end pytest
        pass

    class Interrupted:
        def __init__(self, pipe):
            self.send, self.close = pipe.send, pipe.close

        def recv(self):
            raise CtrlC

    vae = small_vae()
    with Workers(vae, SHAPE, count=1) as workers:
        workers.pipes = [Interrupted(pipe) for pipe in workers.pipes]
        with pytest.raises(CtrlC):
            workers.loss_and_grads(*batch(vae, 4))
        with pytest.raises(RuntimeError, match="a call been interrupted"):
            workers.loss_and_grads(*batch(vae, 4))


def test_they_are_started_deaf_to_ctrl_c(monkeypatch):
    start, inherited = multiprocessing.process.BaseProcess.start, []

    def watch(process):
        inherited.append(signal.getsignal(signal.SIGINT))
        start(process)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", watch)
    # Not as it is: in a background job it is ignored from the start
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Workers(small_vae(), SHAPE, count=2):
            assert inherited == [signal.SIG_IGN] * 2
            assert signal.getsignal(signal.SIGINT) is (
                signal.default_int_handler)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="there are no such groups")
def test_ctrl_c_while_they_start_is_the_parents_alone():
    code = ("import signal, time\nfrom minivae import conv_vae\n"
            # a job in the background is started deaf to it
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from minivae.extras.workers import Workers\n"
            "try:\n"
            "    with Workers(conv_vae((8, 8, 1)), (8, 8, 1), count=2):\n"
            "        print('here', flush=True)\n"
            "        time.sleep(60)\n"
            "except KeyboardInterrupt:\n"
            "    print('stopped')\n")
    with subprocess.Popen([sys.executable, "-c", code], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True) as process:
        assert process.stdout.readline() == "here\n"
        os.killpg(process.pid, signal.SIGINT)     # as a terminal does
        printed, errors = process.communicate(timeout=60)
    assert printed == "stopped\n" and errors == ""


def test_they_end_with_the_team_and_leave_the_environment_alone():
    environment = dict(os.environ)
    before = set(multiprocessing.active_children())
    with Workers(small_vae(), SHAPE, count=2):
        started = set(multiprocessing.active_children()) - before
        assert len(started) == 2
        assert dict(os.environ) == environment
    for process in started:
        process.join(timeout=20)
        assert process.exitcode == 0
    assert "OPENBLAS_NUM_THREADS" in ENVIRONMENT


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
