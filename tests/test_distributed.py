"""Ranks of an MPI run compute what one process computes, and end together."""
import copy
import functools
import importlib.util
import itertools
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_plots import drawn

from minivae import conv_vae, load_model
from minivae.backend import get_xp, to_numpy
from minivae.extras.parallel import distributed
from minivae.extras.runs.checkpoint import load

import strict_cupy
from common.own_folder import claim
from small_runs import SETTINGS, few, fifty_steps
from test_demos import DEMOS, arguments, load as load_demo

ROOT = Path(__file__).parent.parent
HERE = str(ROOT), str(ROOT / "tests"), str(ROOT / "demos")
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
needs_mpi = pytest.mark.skipif(
    not (MPIEXEC and importlib.util.find_spec("mpi4py")),
    reason="MPI is not installed: pip install mpi4py mpich")


@functools.cache
def alone(dtype, batch_size):
    """What one process computes: the same beside each number of ranks."""
    return fifty_steps(dtype, batch_size, lambda vae: vae)


def mpiexec(ranks, *command, **kwargs):
    return subprocess.Popen(
        [MPIEXEC, "-n", str(ranks), sys.executable, *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", env=os.environ | {
            "PYTHONPATH": os.pathsep.join(HERE),
            # a rank that waits leaves its core to those that it waits for
            "MPIR_CVAR_POLLS_BEFORE_YIELD": "1",
            # more ranks than cores, as root: Open MPI wants to be told
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}, **kwargs)


def finish(process, seconds=300):
    """Return what it printed, and its exit status; kill it if it hangs."""
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return printed, process.returncode


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_ranks_compute_what_one_process_does(tmp_path, ranks):
    path = tmp_path / "rank"
    printed, status = finish(mpiexec(ranks, "-c", (
        "from small_runs import rank_main\n"
        f"rank_main({str(path)!r})")))
    assert status == 0, printed
    every = zip(*(pickle.loads(Path(f"{path}.{rank}").read_bytes())
                  for rank in range(ranks)))
    for (dtype, batch_size, error), all_found in zip(SETTINGS, every,
                                                     strict=True):
        want = alone(dtype, batch_size)
        for losses, params, elbo in all_found:
            np.testing.assert_allclose(losses, want[0], error)
            np.testing.assert_allclose(elbo, want[2], error)
            for name, p in want[1].items():
                assert params[name].dtype == dtype
                np.testing.assert_allclose(params[name], p, error,
                                           error * abs(p).max())
                # and all ranks have the same, to the last bit
                np.testing.assert_array_equal(params[name],
                                              all_found[0][1][name])


class OneRank:
    """Plays a communicator of one rank."""

    rank, size = 0, 1

    def Allreduce(self, mine, total):
        assert type(mine) is type(total) is np.ndarray
        total[...] = mine

    def bcast(self, what):
        assert type(what) is np.ndarray
        return what


# ---- the demo --------------------------------------------------------------

def train(ranks, out, *args, **kwargs):
    return mpiexec(ranks, "-c", (
        "from small_runs import small_demo\n"
        f"small_demo(*{[str(out), *map(str, args)]!r}, **{kwargs!r})"))


@needs_mpi
def test_the_demo_on_three_ranks_and_on_another_number(monkeypatch,
                                                       tmp_path):
    args = "--epochs", 1, "--batch-size", 50
    printed, status = finish(train(3, tmp_path / "run", *args))
    assert status == 0, printed
    assert "shared by 3 ranks, of which 3 are on this machine" in printed
    assert printed.count("epoch  1/1") == printed.count("In ") == 1
    # two processes go on; one alone does the same from the beginning
    printed, status = finish(train(2, tmp_path / "run", "--resume",
                                   "--epochs", 2))
    assert status == 0, printed
    assert "note      ranks was 3 and is 2" in printed
    demo = load_demo("train_fashion.py")
    args = arguments(demo, monkeypatch, "--epochs", 2, "--batch-size", 50,
                     "--workers", 1, "--out", tmp_path / "alone")
    args.load = functools.partial(few, args.load, 1000)
    assert demo.main(args) == 0
    one, other = (load_model(tmp_path / run / "model.npz").params
                  for run in ("run", "alone"))
    for name, p in other.items():
        np.testing.assert_allclose(one[name], p, 1e-4, 1e-4)


@needs_mpi
def test_weak_scaling_says_what_it_does(tmp_path):
    printed, status = finish(train(2, tmp_path, "--scale-batch", "--epochs",
                                   1, "--batch-size", 50))
    assert status == 0, printed
    assert "1 x 10 batches of 100" in printed
    assert "a batch has 100 images; its gradient has less noise, so " in (
        printed)


def wait_for_epoch_2(process, out):
    """Return when the second epoch has begun."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            if load(out / "checkpoint.npz")[1]["progress"]["epoch"] == 2:
                return
        except (FileNotFoundError, ValueError):
            pass
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    pytest.fail("there is no second epoch")


def rank_pids(process):
    """The ranks of mpiexec's, by their commands."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], text=True,
                            capture_output=True).stdout.splitlines()[1:]
    family, found = {process.pid}, []
    for line in sorted(listed, key=lambda line: int(line.split()[0])):
        pid, parent, command = line.split(None, 2)
        if int(parent) in family:
            family.add(int(pid))
            if command.split()[0] == sys.executable:
                found.append(int(pid))
    return found


@needs_mpi
@pytest.mark.skipif(not shutil.which("ps"), reason="there is no ps")
@pytest.mark.parametrize("which", [0, 1])
def test_a_killed_rank_ends_the_run(tmp_path, which):
    process = train(2, tmp_path, "--epochs", 500, "--checkpoint-every", 1)
    wait_for_epoch_2(process, tmp_path)
    os.kill(rank_pids(process)[which], signal.SIGKILL)
    start = time.monotonic()
    printed, status = finish(process, 60)
    assert status != 0 and time.monotonic() - start < 60
    assert "KILLED" in printed.upper() or "SIGNAL" in printed.upper()
    _, state = load(tmp_path / "checkpoint.npz")
    epochs = state["progress"]["epoch"] + 1
    printed, status = finish(train(2, tmp_path, "--resume", "--epochs",
                                   epochs))
    assert status == 0, printed
    assert f"epoch {epochs:2}/{epochs}" in printed


@needs_mpi
@pytest.mark.parametrize("which", [0, 1])
def test_a_stop_asked_of_one_rank_stops_all(tmp_path, which):
    process = train(2, tmp_path, "--epochs", 500)
    wait_for_epoch_2(process, tmp_path)
    os.kill(rank_pids(process)[which], signal.SIGTERM)
    printed, status = finish(process, 20)
    assert status == 130, printed
    assert printed.count("Stopped in epoch ") == 1
    assert ("SIGTERM" if which == 0 else "another rank was stopped") in printed
    assert load(tmp_path / "checkpoint.npz")[1]["progress"]["batch"] > 0


def test_the_kls_weight_reaches_every_rank():
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    batch = np.ones((3, 8, 8, 1), "float32"), vae.noise(3, 0)
    want, _ = vae.loss_and_grads(*batch, 7.0)
    model = distributed.Distributed(vae, OneRank())
    assert model.loss_and_grads(*batch, 7.0)[0] == pytest.approx(float(want))
    assert want != pytest.approx(float(vae.loss_and_grads(*batch)[0]))
    for work in copy.copy, pickle.dumps:
        with pytest.raises(TypeError, match="Distributed cannot be copied"):
            work(model)


def test_all_ranks_begin_with_the_first_ones_parameters():
    class Another(OneRank):
        def bcast(self, what):
            return super().bcast(what) + 1      # the first rank's are others
    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    before = {name: p.copy() for name, p in vae.params.items()}
    distributed.Distributed(vae, Another())
    for name, p in vae.params.items():
        np.testing.assert_array_equal(p, before[name] + 1)


def test_a_stop_is_agreed_on_with_the_next_sum():
    class AnotherWishes(OneRank):
        def Allreduce(self, mine, total):
            super().Allreduce(mine, total)
            total[-1] += 1

    vae = conv_vae((8, 8, 1), filters=2, rng=0)
    batch = np.ones((3, 8, 8, 1), "float32"), vae.noise(3, 0)
    model = distributed.Distributed(vae, OneRank())
    model.loss_and_grads(*batch)
    assert not model.stop.asked
    model.stop.note("SIGTERM")
    assert not model.stop.asked              # the others do not know of it yet
    model.loss_and_grads(*batch)
    assert model.stop.asked == "SIGTERM"
    model = distributed.Distributed(vae, AnotherWishes())
    model.loss_and_grads(*batch)
    assert model.stop.asked == "another rank was stopped"


# ---- ranks that differ, or fail alone --------------------------------------

@needs_mpi
@pytest.mark.parametrize("on_rank_1, sentence", [
    ("sys.argv += ['--seed', '7']", "error: seed is 7 on rank 1, but 0 on "
     "rank 0; start all ranks with the same command and the same images"),
    ("sys.argv += ['--limit', '90']", "error: limit is 90 on rank 1, but 100"),
    ("demo.load_fashion_mnist = lambda data=demo.load_fashion_mnist(): "
     "data._replace(train_images=~data.train_images)", "error: images is "),
    ("sys.argv += ['--data-dir', 'nowhere']",
     "on rank 1, error: nowhere does not exist"),
    ("demo.conv_vae = None", "TypeError: 'NoneType' object is not callable"),
    ("demo.evaluate = lambda *a: 1 / 0",
     "on rank 1, error: division by zero")])
def test_ranks_that_differ_end_with_a_sentence(tmp_path, on_rank_1, sentence):
    printed, status = finish(train(2, tmp_path, "--limit", 100, "--epochs", 1,
                                   on_rank_1=on_rank_1), 20)
    assert status != 0
    assert printed.count(sentence) == 1, printed
    assert "Traceback" not in printed or sentence.startswith("TypeError")


@needs_mpi
def test_what_fails_on_all_ranks_is_said_once(tmp_path):
    printed, status = finish(train(3, tmp_path / "run", "--data-dir",
                                   "nowhere"))
    assert status == 2
    assert printed.strip() == ("error: nowhere does not exist; --data-dir "
                               "names a folder of IDX files or pictures, or "
                               "an .npy or .npz file")


@needs_mpi
def test_only_rank_0_needs_the_checkpoint(tmp_path):
    printed, status = finish(train(2, tmp_path / "run", "--resume"))
    assert status == 2
    assert printed.count("error: there is no checkpoint in ") == 1


def test_without_mpi_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(RuntimeError, match="--distributed needs mpi4py and an "
                       "MPI .*: pip install mpi4py mpich, then put mpiexec"):
        distributed.communicator()


def test_without_the_flag_mpi_is_not_imported():
    done = subprocess.run([sys.executable, "-c", (
        "import sys; sys.argv = ['x', '--limit', '9', '--batch-size', '3']\n"
        f"sys.path.insert(0, {str(DEMOS)!r})\n"
        "import train_fashion as demo\n"
        "demo.Run(demo.parse_arguments())\n"
        "print([name for name in sys.modules if 'mpi4py' in name])")],
        capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_scaling_a_batch_alone_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="--scale-batch goes with --distrib"):
        arguments(load_demo("train_fashion.py"), monkeypatch, "--scale-batch")


@needs_mpi
def test_copies_that_do_not_know_of_each_other_do_not_meet(tmp_path):
    printed, status = finish(mpiexec(2, "-c", f"""
import os, time
from pathlib import Path
from types import SimpleNamespace
from common.command_line import run
from common.own_folder import own_folder
here = Path({str(tmp_path)!r})
(here / str(os.getpid())).touch()
while len(list(here.iterdir())) < 2:
    time.sleep(0.01)
run(own_folder(lambda args: time.sleep(3)),
    lambda: SimpleNamespace(out=here / "run"))
"""))
    assert status != 0
    assert printed.count("error: another run is writing to ") == 1
    assert "mpiexec has started 2 copies of this one: add --dist" in printed


@needs_mpi
def test_rank_0_has_the_folder_for_all_ranks(tmp_path):
    with claim(tmp_path / "run"):
        printed, status = finish(train(2, tmp_path / "run"))
    assert status == 2
    assert printed.count("error: another run is writing to ") == 1


# ---- on a GPU, with a stand-in ---------------------------------------------

def test_a_gpus_arrays_go_through_the_host(monkeypatch):
    cupy = strict_cupy.install(monkeypatch)
    (losses, params, elbo), (gpu_losses, gpu_params, gpu_elbo) = (
        fifty_steps("float64", 10, lambda vae: distributed.Distributed(
            vae, OneRank(), 4), xp=xp) for xp in (np, cupy))
    np.testing.assert_allclose(gpu_losses, losses, 1e-12)
    np.testing.assert_allclose(gpu_elbo, elbo, 1e-12)
    for name, p in params.items():
        assert get_xp(gpu_params[name]) is cupy
        np.testing.assert_allclose(to_numpy(gpu_params[name]), p, 1e-10,
                                   1e-12)


@needs_mpi
def test_each_rank_of_a_machine_takes_its_own_gpu():
    printed, status = finish(mpiexec(3, "-c", """
from types import SimpleNamespace as Names
from minivae.extras.parallel import distributed
used, comm = [], distributed.communicator()
gpus = Names(cuda=Names(
    runtime=Names(getDeviceCount=lambda: 2),
    Device=lambda number: Names(use=lambda: used.append(number))))
found = comm.gather((distributed.bind_rank(comm, gpus), used))
if comm.rank == 0:
    print(found)
"""))
    assert status == 0, printed
    assert printed.strip() == "[(3, [0]), (3, [1]), (3, [0])]"


# ---- scaling.py ------------------------------------------------------------

def test_the_model_is_its_formula():
    machine = load_demo("scaling.py").Machine(
        overhead=1e-3, update=1e-9, image=1e-4, latency=1e-5, bandwidth=1e9)
    assert machine.step(1, 10, 10 ** 6) == pytest.approx(1e-3 + 1e-3 + 1e-3)
    # four ranks: three images at most; 2·2 messages; 4 MB, 1.5 times
    assert machine.step(4, 10, 10 ** 6) == pytest.approx(
        1e-3 + 1e-3 + 3e-4 + 4e-5 + 6e-3)
    assert machine.step(1, 10, 10 ** 6, 100) == pytest.approx(
        1e-3 + 0.1 + 0.1)


def test_scaling_prints_what_the_model_says(capsys):
    demo = load_demo("scaling.py")
    machine = demo.Machine(2e-3, 3e-9, 4e-4, 5e-6, 6e9)
    demo.print_machine(SimpleNamespace(size=2), 1, machine)
    printed = capsys.readouterr().out
    assert printed.startswith("2 ranks, 1 on this machine\n")
    assert re.findall(r"(\d+\.\d+) (ms|ns|us|GB/s)", printed) == [
        ("2.00", "ms"), ("3.00", "ns"), ("0.40", "ms"), ("5.0", "us"),
        ("6.00", "GB/s")]
    demo.print_predictions(machine, 70_000)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ("batch 1 rank 8 ranks 64 ranks 256 ranks "
                            "1,024 ranks pays to").split()
    for line, (larger, batch) in zip(lines, itertools.product(
            (1, 100), (32, 1024, 32768)), strict=True):
        def speedup(R):
            return (machine.step(1, batch, 70_000, larger)
                    / machine.step(R, batch, 70_000, larger))
        found = re.match(rf"network x {larger} +{batch:,}(.*?)([\d,]+)$", line)
        steps = re.findall(r"(\S+) (ms|s) +x (\S+)", found[1])
        for R, (took, unit, faster) in zip((1, 8, 64, 256, 1024), steps,
                                           strict=True):
            seconds = machine.step(R, batch, 70_000, larger)
            assert float(took) * {"ms": 1e-3, "s": 1}[unit] == pytest.approx(
                seconds, abs=0.051 * {"ms": 1e-3, "s": 1}[unit])
            assert (unit == "ms") == (seconds < 1)
            assert float(faster) == pytest.approx(speedup(R), abs=0.051)
        pays = int(found[2].replace(",", ""))
        assert speedup(pays) >= pays / 2 and (
            pays == 1024 or speedup(2 * pays) < pays)


def test_scaling_draws_speed_ups(monkeypatch, tmp_path):
    demo = load_demo("scaling.py")
    machine = demo.Machine(2e-3, 3e-9, 4e-4, 5e-6, 6e9)
    axes = drawn(monkeypatch, demo.draw, tmp_path / "a.png", machine, 70_000)
    ranks = 2 ** np.arange(11)
    for ax, larger in zip(axes, (1, 100), strict=True):
        *lines, ideal, half = (line.get_xydata() for line in ax.lines)
        for line, batch in zip(lines, (32, 1024, 32768), strict=True):
            steps = [machine.step(R, batch, 70_000, larger) for R in ranks]
            np.testing.assert_allclose(line, np.transpose([
                ranks, steps[0] / np.array(steps)]))
        np.testing.assert_allclose(ideal[:, 1], ranks)
        np.testing.assert_allclose(half[:, 1], ranks / 2)
        assert ax.get_title() == (f"network x {larger}: "
                                  f"{70_000 * larger:,} parameters")
    legend = axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "32", "1,024", "32,768", "ideal", "half of it"]


@pytest.mark.parametrize("size", [1, 2])
def test_scaling_takes_a_step_apart(monkeypatch, size):
    demo = load_demo("scaling.py")
    # what each kind of work would take: 1 ms + 0.2 ms an image, and so on
    sent = []
    comm = SimpleNamespace(size=size, rank=0, Allreduce=lambda mine, total: (
        sent.append(len(mine))))

    def clock(comm, work, times):
        before = len(sent), len(worked)
        work()
        if len(sent) > before[0]:
            return 3e-5 if sent[-1] == 1 else 3e-5 + 4 * sent[-1] / 2e9
        return 1e-3 + 2e-4 * worked[-1] if len(worked) > before[1] else 7e-4
    worked, vae = [], conv_vae((8, 8, 1), filters=2, rng=0)
    really = vae.loss_and_grads
    vae.loss_and_grads = lambda x, eps: (worked.append(len(x)),
                                         really(x, eps))[1]
    monkeypatch.setattr(demo, "clock", clock)
    x, eps = np.zeros((64, 8, 8, 1), "f4"), vae.noise(64, 0)
    args = SimpleNamespace(latency=None, bandwidth=None)
    found = demo.measure(comm, vae, x, eps, args)
    P = sum(p.size for p in vae.params.values())
    # on two ranks: two messages, and each byte goes to the other and back
    assert found == pytest.approx((1e-3, 7e-4 / P, 2e-4, *(
        (2e-5, 1.25e9) if size == 1 else (1.5e-5, 2e9))), rel=1e-6)
    given = SimpleNamespace(latency=1.0, bandwidth=2.0)
    assert demo.measure(comm, vae, x, eps, given)[3:] == (1, 2)


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_scaling_measures_and_predicts(tmp_path, ranks):
    printed, status = finish(mpiexec(ranks, "-c", f"""
import sys
import scaling as demo
from common import command_line
real = demo.clock
demo.clock = lambda comm, work, times: real(comm, work, 1)
sys.argv = ["x", "--out", {str(tmp_path)!r}]
command_line.run(demo.main, demo.parse_arguments, demo.end_together)
"""))
    assert status == 0, printed
    assert f"{ranks} rank{'s' * (ranks > 1)}, {ranks} on this mach" in printed
    assert printed.count("network x 100 ") == 3
    assert (tmp_path / "scaling.png").exists()
