"""The demos run as a user runs them; what goes wrong gets one sentence."""
import csv
import functools
import importlib.util
import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm
from test_idx import a_set, write
from test_own_data import pictures
from test_plots import compass, drawn

from minivae import (Adam, check_function, conv_vae, load_model,
                     load_pretrained, save_model)
from minivae.conv import windows
from minivae.data import load_fashion_mnist, load_mnist
from minivae.extras.explorer.paths import spherical, straight
from minivae.extras.figures.rows import save_samples
from minivae.extras.runs import checkpoint, npz
from minivae.plots import (decode, draw_landscape, encode, latent_grid,
                           tile)
from minivae.train import epoch, evaluate, train_step

from common import (command_line, growth, quality, training_options,
                    training_run)
from common.own_folder import claim
from common.report import print_epoch
from small_runs import few

DEMOS = Path(__file__).parent.parent / "demos"
# all with a command line; first_vae.py is a plain script
ALL = sorted({path.name for path in DEMOS.glob("*.py")}
             - {"first_vae.py"})
PICTURES = {"binarization.png", "curves.png", "grid.gif", "grid_final.png",
            "latent_scatter.png", "reconstructions.png", "samples.png"}
FILES = PICTURES | {"log.csv", "model.npz", "checkpoint.npz"}


def run(demo, *args):
    return subprocess.run([sys.executable, DEMOS / demo, *map(str, args)],
                          capture_output=True, text=True, encoding="utf-8")


def load(demo):
    """Import a demo, to call its functions."""
    spec = importlib.util.spec_from_file_location("demo", DEMOS / demo)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run a demo in this process: its exit status, and what it says then."""
    handlers = {number: signal.getsignal(number)
                for number in (signal.SIGINT, signal.SIGTERM)}

    def ended(name, *args):
        demo = load(name)
        monkeypatch.setattr(sys, "argv", [name, *map(str, args)])
        with pytest.raises(SystemExit) as end:
            command_line.run(demo.main, demo.parse_arguments)
        return end.value.code, capsys.readouterr().err
    yield ended
    for number, handler in handlers.items():
        signal.signal(number, handler)


def arguments(demo, monkeypatch, *args):
    monkeypatch.setattr(sys, "argv", ["demo", *map(str, args)])
    return demo.parse_arguments()


# ---- what all of them do ---------------------------------------------------

@pytest.mark.parametrize("name", ALL)
def test_every_demos_help_needs_nothing_and_is_ascii(name, monkeypatch,
                                                     capsys):
    for optional in "mpi4py", "pooch", "cupy", "torch":
        monkeypatch.setitem(sys.modules, optional, None)
    monkeypatch.syspath_prepend(DEMOS)          # train_mnist is train_fashion
    with pytest.raises(SystemExit) as end:
        arguments(load(name), monkeypatch, "--help")
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "options:" in printed and printed.isascii()
    assert max(map(len, printed.splitlines())) < 80


@pytest.mark.parametrize("name", ALL)
def test_ctrl_c_while_a_demo_is_imported(name, monkeypatch, tmp_path):
    (tmp_path / "numpy.py").write_text("import signal, time\n"
                                       "signal.raise_signal(signal.SIGINT)\n"
                                       "time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = ("import runpy, signal, sys\n"       # not ignored, as pytest may be
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"sys.path.insert(0, {str(DEMOS)!r})\n"
            f"runpy.run_path({str(DEMOS / name)!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True,
                          text=True)
    assert (done.returncode, done.stderr) == (130, "")


def test_a_notebooks_backend_is_not_inherited(monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "module://no_such_module.backend")
    (tmp_path / "file").touch()              # Matplotlib may not write there
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "file"))
    done = run("generate.py", "landscape", "--out", tmp_path / "a.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize("name", sorted(set(ALL) - {
    "exercises.py", "explore.py", "generate.py", "gradient_check.py",
    "train_mnist.py"}))
def test_a_demo_does_not_write_into_anothers_folder(name, monkeypatch,
                                                    tmp_path):
    demo = load(name)
    monkeypatch.setattr(demo, "communicator", lambda: None, raising=False)
    with claim(tmp_path), pytest.raises(RuntimeError, match="another run is "
                                        "writing to "):
        demo.main(arguments(demo, monkeypatch, "--out", tmp_path))


@pytest.mark.parametrize("name, args, sentence", [
    ("edit.py", ["--limit", 99999], "99999 is not a whole number of at least "
     "320 and at most 60000"),
    ("autoencoder.py", ["--out", ""], "a name was expected, not ''"),
    ("elbo.py", ["--images", 10001], "10001 is not a whole number of at"),
    ("conditional.py", ["--latent-dim", 785], "785 is not a whole number of"),
    ("broken_gradients.py", ["--steps", 1876], "1876 is not a whole number"),
    ("generate.py", ["samples", "--model", ""], "a name was expected"),
    ("landscape.py", ["--model", ""], "a name was expected"),
    ("explore.py", ["--model", ""], "a name was expected"),
    ("explore.py", ["--matplotlib", "--out", "a.html"], "writes no page"),
    ("explore.py", ["--matplotlib", "--no-open"], "writes no page"),
    ("train_fashion.py", ["--data-dir", ""], "a name was expected"),
    ("train_fashion.py", ["--download", "--data-dir", "a"], "not allowed wit"),
    ("benchmark.py", ["--growth", "--rounds", 2], "--rounds is for the comp"),
    ("benchmark.py", ["--growth", "--batch-sizes", 2], "batches of its own"),
    ("benchmark.py", ["--profile", "--batch-sizes", 2, 3], "takes one of"),
    ("benchmark.py", ["--profile", "--device", "gpu"], "measure the CPU")])
def test_options_that_mean_nothing_are_refused(name, args, sentence,
                                               monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        arguments(load(name), monkeypatch, *args)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err.replace("\n", " ")


# ---- first_vae.py ----------------------------------------------------------

def test_the_first_vae_is_the_loop_of_train(monkeypatch, tmp_path, capsys):
    data = load_fashion_mnist()
    few = data._replace(train_images=data.train_images[:96],
                        test_images=data.test_images[:50])
    monkeypatch.setattr("minivae.data.load_fashion_mnist", lambda: few)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):                  # the second time, the folder is there
        runpy.run_path(str(DEMOS / "first_vae.py"))
    rng = np.random.default_rng(0)
    vae = conv_vae(rng=rng)
    adam = Adam(vae.params, 1e-3)
    for x, eps in epoch(vae, few.train_images, 32, rng):
        train_step(vae, adam, x, eps)
    reconstruction, kl = evaluate(vae, few.test_images, vae.noise(50, rng))
    printed = capsys.readouterr().out
    assert (f"test ELBO {reconstruction - kl:.1f} nats per image: "
            f"reconstruction {reconstruction:.1f} minus {kl:.1f} for") in (
        printed)
    path = Path("runs", "first_vae", "landscape.png")
    assert f"Look at {path}: " in printed
    margin = np.s_[50:-50, 60:-20]                     # its title is its own
    np.testing.assert_array_equal(imageio.imread(path)[margin],
                                  draw_landscape(vae, "")[margin])


# ---- train_fashion.py ------------------------------------------------------

@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small run of train_fashion.py: its folder, and what it printed."""
    out = tmp_path_factory.mktemp("fashion")
    done = run("train_fashion.py", "--limit", 2500, "--epochs", 2, "--out",
               out)
    assert done.returncode == 0, done.stderr
    return out, done


def test_train_fashion_makes_all_its_files(finished):
    out, done = finished
    assert {p.name for p in out.iterdir()} == FILES
    assert f"\nIn {out}:\n" in done.stdout
    for name in PICTURES:
        assert name in done.stdout
        assert imageio.imread(out / name, index=0).std() > 5
    # before; after batches 1 and 76 of the first epoch's 79; after epoch 2
    assert len(imageio.imread(out / "grid.gif", index=None)) == 4


def test_train_fashions_log_and_model(finished):
    out, done = finished
    with open(out / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", "train_loss", "test_elbo",
                             "seconds"]
    assert [(r["epoch"], r["step"]) for r in rows] == [("1", "79"),
                                                       ("2", "158")]
    elbos = [float(r["test_elbo"]) for r in rows]
    assert -545 < elbos[0] < elbos[1] < -200
    assert f"test ELBO {elbos[1]:.1f}" in done.stdout
    z = np.zeros((1, 2), "float32")
    assert load_model(out / "model.npz").decode(z).shape == (1, 28, 28, 1)


def test_train_fashion_prints_plain_lines_into_a_pipe(finished):
    _, done = finished
    assert done.stderr == "" and "\r" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 100
    assert "69,989" in done.stdout and done.stdout.isascii()


def test_the_same_seed_gives_the_same_run(tmp_path):
    np.save(tmp_path / "images.npy", load_fashion_mnist().grey[:300])
    runs = tmp_path / "one", tmp_path / "other"
    for out in runs:
        done = run("train_fashion.py", "--data-dir", tmp_path / "images.npy",
                   "--epochs", 2, "--out", out)
        assert done.returncode == 0, done.stderr

    def losses(folder):
        with open(folder / "log.csv", newline="") as file:
            return [(r["train_loss"], r["test_elbo"])
                    for r in csv.DictReader(file)]
    one, other = map(losses, runs)
    assert one == other and one[0] != one[1]
    for name in "model.npz", "grid.gif":
        one, other = ((out / name).read_bytes() for out in runs)
        assert one == other


@pytest.mark.parametrize("args, sentence", [
    (["--limit", 0], "0 is not a whole number of at least 1"),
    (["--limit", 60001], "only 60000 training images"),
    (["--limit", 20, "--batch-size", 21], "only 20 images to train on"),
    (["--batch-size", "x"], "x is not a whole number of at least 1"),
    (["--latent-dim", 0], "0 is not a whole number of at least 1"),
    (["--learning-rate", -1], "-1 is not a number above 0"),
    (["--beta", 0], "0 is not a number above 0"),
    (["--beta", 1e39], "1e+39 is not a number above 0 and at most 1,000,000"),
    (["--learning-rate", 1e300], "at most 1 (about how far a parameter moves"),
    (["--warmup", -1], "-1 is not a whole number of at least 0"),
    (["--learning-rate", "nan"], "nan is not a number above 0"),
    (["--learning-rate", "x"], "x is not a number above 0"),
    (["--seed", -1], "-1 is not a whole number of at least 0"),
    (["--device", "tpu"], "invalid choice: 'tpu'"),
    (["--out", __file__], "py cannot be written (File exists); move away"),
    (["--epochs", 2, "--nonsense"], "unrecognized arguments: --nonsense"),
])
def test_bad_arguments_get_a_sentence(ended, args, sentence):
    status, said = ended("train_fashion.py", *args)
    assert status == 2
    assert sentence in said and "Traceback" not in said


def test_a_demanded_gpu_gets_a_sentence(monkeypatch, tmp_path):
    demo = load("train_fashion.py")

    def no_gpu(device):
        raise RuntimeError(f"no {device} here")
    monkeypatch.setattr(training_run, "choose_device", no_gpu)
    args = arguments(demo, monkeypatch, "--device", "gpu", "--out", tmp_path)
    with pytest.raises(RuntimeError, match="no gpu here"):
        demo.main(args)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def quick_run(monkeypatch, tmp_path):
    """Run train_fashion.py on few images, in this process, without a GIF.

    Pictures would take most of the time; a frame is what one code decodes
    to, so that it still shows if the parameters were others.
    """
    demo, real = load("train_fashion.py"), load_fashion_mnist()
    few = real._replace(test_images=real.test_images[:300],
                        test_labels=real.test_labels[:300],
                        grey_index=real.grey_index % 300)

    def draw_landscape(vae, title):
        pixels = 255 * vae.decode(np.ones((1, 2), "float32"), True)[0]
        return np.array(pixels[..., 0], "uint8")
    monkeypatch.setattr(training_run, "draw_landscape", draw_landscape)
    for name in ("save_binarization", "save_reconstructions", "save_samples",
                 "save_scatter", "save_curves"):
        monkeypatch.setattr(training_run, name,
                            lambda path, *rest: path.touch())

    def start(*args, folder="run", change=lambda data: data):
        args = arguments(demo, monkeypatch, "--limit", 80, "--epochs", 2,
                         "--workers", 1, "--device", "cpu", "--out",
                         tmp_path / folder, *args)
        args.load = lambda: change(few)
        return demo.main(args)
    start.demo, start.folder = demo, tmp_path / "run"
    return start


@pytest.mark.parametrize("reason, status", [
    (signal.SIGINT, 130), (signal.SIGTERM, 130),
    (FloatingPointError("the loss became nan"), 2),
    (RuntimeError("a worker process has ended"), 2)])
def test_a_stop_keeps_everything(monkeypatch, quick_run, capsys, reason,
                                 status):
    real_step = quick_run.demo.train_step

    def step_or_stop(vae, adam, *batch):
        if adam.t == 3 and isinstance(reason, Exception):
            raise reason
        if adam.t == 3:
            signal.raise_signal(reason)
            signal.raise_signal(reason)                  # and once more
        return real_step(vae, adam, *batch)
    monkeypatch.setattr(quick_run.demo, "train_step", step_or_stop)
    assert quick_run() == status
    # stopped in the second epoch: the first one's log, a model, a checkpoint
    out = quick_run.folder
    assert {p.name for p in out.iterdir()} == FILES
    assert len((out / "log.csv").read_text().splitlines()) == 2
    assert load_model(out / "model.npz")
    printed = capsys.readouterr().out
    done = 1 if isinstance(reason, signal.Signals) else 0
    assert (f"Stopped in epoch 2, after {done} of its batches and step "
            f"{3 + done}: ") in printed
    assert {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}.get(
        reason, str(reason)) in printed
    lower = "a lower --learning-rate and "
    assert (f"run the\nsame command with {lower * ('nan' in str(reason))}"
            "--resume.") in printed
    _, state = checkpoint.load(out / "checkpoint.npz")
    assert state["t"] == 3 + done and state["progress"]["batch"] == done


@pytest.mark.parametrize("seconds, epochs", [(0, [1, 2, 3, 4]), (99, [1, 4])])
def test_where_epochs_are_quick_pictures_are_saved_now_and_then(
        monkeypatch, quick_run, seconds, epochs):
    saved, real = [], training_run.Run._save_all

    def save_all(run):
        saved.append(run.progress.epoch)
        real(run)
    monkeypatch.setattr(training_run.Run, "_save_all", save_all)
    monkeypatch.setattr(training_run, "SAVE_EVERY", seconds)
    assert quick_run("--epochs", 4) == 0
    assert saved == epochs


def test_a_run_that_replaces_another_leaves_nothing_of_it(monkeypatch,
                                                          quick_run, capsys):
    assert quick_run() == 0

    def no_step(*_):
        raise FloatingPointError("the loss became nan")
    monkeypatch.setattr(quick_run.demo, "train_step", no_step)
    assert quick_run("--seed", 5) == 2
    assert "has a checkpoint, which this run replaces" in (
        capsys.readouterr().out)
    out = quick_run.folder
    _, state = checkpoint.load(out / "checkpoint.npz")
    assert state["t"] == 0 and state["settings"]["seed"] == 5
    assert not (out / "curves.png").exists()


def test_many_epochs_have_few_pictures_and_few_steps_a_note(quick_run,
                                                            capsys):
    def change(data):
        return data._replace(test_images=data.test_images[:10],
                             test_labels=data.test_labels[:10],
                             grey_index=data.grey_index % 10)
    assert quick_run("--epochs", 60, "--limit", 32, "--checkpoint-every",
                     100, change=change) == 0
    arrays, _ = checkpoint.load(quick_run.folder / "checkpoint.npz")
    assert sum(name.startswith("frames/") for name in arrays) == 22
    assert ("60 steps are too few to learn much from; try --epochs 2000 "
            "--learning-rate 1e-3") in capsys.readouterr().out


def test_the_log_says_what_each_epoch_was(monkeypatch, quick_run, capsys):
    seen, real_step = [], quick_run.demo.train_step

    def step(vae, adam, x, eps, *rest):
        if not seen:                             # --seed has come this far
            first = conv_vae(rng=np.random.default_rng(7)).params
            assert all((vae.params[name] == p).all()
                       for name, p in first.items())
        loss = real_step(vae, adam, x, eps, *rest)
        seen.append((x, eps, len(x) * float(loss)))
        return loss
    monkeypatch.setattr(quick_run.demo, "train_step", step)
    assert quick_run("--seed", 7) == 0
    printed = capsys.readouterr().out
    with open(quick_run.folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    orders = []
    for row, of_epoch in zip(rows, (seen[:3], seen[3:]), strict=True):
        assert [len(x) for x, *_ in of_epoch] == [32, 32, 16]
        assert float(row["train_loss"]) == pytest.approx(
            sum(loss for *_, loss in of_epoch) / 80, rel=1e-6)
        orders.append([image.tobytes() for x, *_ in of_epoch for image in x])
    # each epoch has all images, in an order and with noise of its own
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])
    assert len(np.unique([row for _, eps, _ in seen for row in eps])) == 320

    # the last one's test ELBO, of the same noise as every epoch's
    rng, vae = np.random.default_rng(7), load_model(
        quick_run.folder / "model.npz")
    conv_vae(rng=rng)
    images = load_fashion_mnist().test_images[:300]
    elbo = vae.elbo(vae.asarray(images), vae.noise(300, rng)).mean()
    assert float(rows[1]["test_elbo"]) == pytest.approx(elbo, rel=1e-6)
    *said, reconstruction, kl = map(float, re.search(
        r"epoch  2/2  train loss (\S+)  test ELBO (\S+) = (\S+) "
        r"reconstruction - (\S+) KL", printed).groups())
    assert said == pytest.approx([float(rows[1]["train_loss"]), elbo],
                                 abs=0.06)
    assert reconstruction - kl == pytest.approx(elbo, abs=0.11)


def test_the_time_of_a_resumed_run_goes_on(quick_run):
    assert quick_run("--epochs", 1) == 0
    path = quick_run.folder / "checkpoint.npz"
    arrays, state = checkpoint.load(path)
    state["progress"]["seconds"] = 1000.0
    npz.save(path, arrays, state)
    assert quick_run("--resume") == 0
    with open(quick_run.folder / "log.csv", newline="") as file:
        assert float(list(csv.DictReader(file))[1]["seconds"]) > 1000


@pytest.mark.parametrize("missing", ["settings", "circumstances", "beta"])
def test_a_checkpoint_of_another_program_is_not_resumed(quick_run, missing):
    assert quick_run("--epochs", 1) == 0
    path = quick_run.folder / "checkpoint.npz"
    arrays, state = checkpoint.load(path)
    state.pop(missing, None)
    state.get("settings", {}).pop(missing, None)
    npz.save(path, arrays, state)
    with pytest.raises(ValueError, match="npz lacks settings that a run"):
        quick_run("--resume")


def test_a_run_does_not_train_on_its_own_pictures(quick_run, tmp_path):
    pictures(tmp_path, 40, size=(8, 8))
    for data in tmp_path, tmp_path / "run":
        with pytest.raises(ValueError, match="--out is .*run, in the folder of"
                           " --data-dir, so the run would train on its own"):
            quick_run("--data-dir", data)
    write(tmp_path / "idx", a_set(shape=(8, 8)))
    assert quick_run("--data-dir", tmp_path / "idx", "--limit", 30, "--epochs",
                     1, "--batch-size", 8, folder="idx/run") == 0


def test_pictures_draw_nothing_of_trainings_random_numbers(monkeypatch,
                                                           quick_run):
    states = []

    def save_all(run, real=training_run.Run._save_all):
        before = run.rng.bit_generator.state
        real(run)
        states.append((before, run.rng.bit_generator.state))
    monkeypatch.setattr(training_run.Run, "_save_all", save_all)
    monkeypatch.setattr(training_run, "save_samples", save_samples)
    assert quick_run() == 0
    assert states and all(before == after for before, after in states)


def test_reconstructions_show_each_class(monkeypatch, quick_run):
    shown = []
    monkeypatch.setattr(training_run, "save_reconstructions",
                        lambda path, vae, images, names: shown.append(names))
    assert quick_run() == 0
    assert len(set(shown[-1])) == 10


def test_a_folder_in_a_folder_is_made(quick_run):
    assert quick_run("--epochs", 1, folder="no/such") == 0


def test_other_test_images_are_not_resumed(quick_run):
    assert quick_run() == 0
    with pytest.raises(ValueError, match="images: "):
        quick_run("--resume", "--epochs", 3, change=lambda data: data._replace(
            test_images=~data.test_images))


def test_two_workers_share_the_demos_batches(quick_run):
    assert quick_run("--epochs", 1, "--workers", 2) == 0
    assert load_model(quick_run.folder / "model.npz")


def test_an_estimate_below_0_is_explained(capsys):
    row = {"epoch": 1, "seconds": 1.0, "train_loss": 3.0, "test_elbo": -3.0}
    run = SimpleNamespace(is_rank_0=True, args=SimpleNamespace(epochs=1),
                          progress=SimpleNamespace(log=[row]))
    print_epoch(run, -3.1, -0.1)
    assert "- -0.1 KL (from one z per image: near" in capsys.readouterr().out
    print_epoch(run, -2.9, 0.1)
    assert "from one z" not in capsys.readouterr().out


def stopped_by(reason, start, monkeypatch, stop_at):
    """Start a run that is stopped after stop_at batches."""
    step = start.demo.train_step

    def step_or_stop(vae, adam, *batch):
        if reason == "a signal" and adam.t == stop_at - 1:
            signal.raise_signal(signal.SIGINT)      # seen after the batch
        elif reason == "an error" and adam.t == stop_at:
            raise RuntimeError("a worker process has ended")
        elif reason == "a kill" and adam.t == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(vae, adam, *batch)
    with monkeypatch.context() as patch:
        patch.setattr(start.demo, "train_step", step_or_stop)
        if reason == "a kill":
            process = multiprocessing.get_context("fork").Process(
                target=start, args=("--checkpoint-every", 1))
            process.start()
            process.join()
            return process.exitcode
        return start("--checkpoint-every", 1)


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("reason, status", [
    ("a signal", 130), ("an error", 2), pytest.param(
        "a kill", -9, marks=pytest.mark.skipif(
            not hasattr(os, "fork"), reason="there is no SIGKILL"))])
def test_a_resumed_run_is_the_uninterrupted_one(
        monkeypatch, quick_run, capsys, reason, status, stop_at,
        tmp_path_factory):
    whole = tmp_path_factory.getbasetemp() / "whole"      # one run for all
    if not whole.exists():
        assert quick_run(folder=whole) == 0
    assert stopped_by(reason, quick_run, monkeypatch, stop_at) == status
    capsys.readouterr()
    assert quick_run("--resume") == 0
    printed = capsys.readouterr().out
    # a run that is killed after an epoch's last batch has begun the next
    batches = stop_at % 3 if reason != "a signal" else (stop_at - 1) % 3 + 1
    assert f"after {batches} of its batches; step {stop_at}" in printed
    assert "note" not in printed
    for name in "model.npz", "grid.gif", "grid_final.png":
        assert (whole / name).read_bytes() == (
            quick_run.folder / name).read_bytes()
    logs = [[line.rsplit(",", 1)[0] for line in (folder / "log.csv")
             .read_text().splitlines()] for folder in (whole,
                                                       quick_run.folder)]
    assert logs[0] == logs[1] and len(logs[0]) == 3


def test_what_may_change_in_a_resumed_run(quick_run, capsys):
    assert quick_run("--seed", 7, "--checkpoint-every", 2) == 0
    with pytest.raises(ValueError, match="has done its epochs; give it more "
                       "than 2 with --epochs"):
        quick_run("--resume")
    out = quick_run.folder
    for flag, value, had in (("--batch-size", 16, 32), ("--seed", 0, 7),
                             ("--latent-dim", 3, 2), ("--limit", 90, 80)):
        with pytest.raises(ValueError, match=f"{flag[2:]}: {value}, but the "
                           f"run in .* has {had}; it can only be resumed"):
            quick_run("--resume", flag, value)
    with pytest.raises(ValueError, match="images: .*, but the run in .* has"):
        quick_run("--resume", change=lambda data: data._replace(
            train_images=~data.train_images))
    with pytest.raises(ValueError, match="there is no checkpoint in .*none"):
        quick_run("--resume", folder="none")

    arrays, state = checkpoint.load(out / "checkpoint.npz")
    state["circumstances"] |= {"NumPy": "0.1", "workers": 5}
    npz.save(out / "checkpoint.npz", arrays, state)
    capsys.readouterr()
    assert quick_run("--resume", "--epochs", 3, "--beta", 2) == 0
    printed = capsys.readouterr().out
    for difference in (f"NumPy was 0.1 and is {np.__version__}",
                       "workers was 5 and is 1", "beta was 1.0 and is 2.0"):
        assert f"note      {difference}: what follows may differ" in printed
    assert printed.count("note") == 3
    assert len((out / "log.csv").read_text().splitlines()) == 4
    assert quick_run() == 0
    assert "has a checkpoint, which this run replaces" in capsys.readouterr(
        ).out


def test_pictures_of_ones_own(monkeypatch, tmp_path, capsys):
    demo, own = load("train_fashion.py"), tmp_path / "own"
    for name in "dark", "light":
        pictures(own / name, size=(17, 16))

    def start(*args):
        return demo.main(arguments(demo, monkeypatch, "--workers", 1, "--out",
                                   tmp_path / "run", *args))
    assert start("--data-dir", own, "--image-size", 12, "--likelihood",
                 "continuous", "--epochs", 1, "--quick") == 0
    printed = capsys.readouterr().out
    assert "A convolutional VAE on own\n" in printed
    assert "54 training and 6 test images" in printed
    assert "note      pictures were cut to squares and scaled" in printed
    assert "density of their pixels" in printed
    assert {p.name for p in (tmp_path / "run").iterdir()} == FILES - {
        "binarization.png"}
    landscape = imageio.imread(tmp_path / "run" / "grid_final.png")
    assert landscape.shape == (12 * 20 + 90, 12 * 20 + 80, 3)
    model = load_model(tmp_path / "run" / "model.npz")
    assert model.sample(1).shape == (1, 12, 12, 3)
    assert model.likelihood == "continuous"

    # it is resumed without a word on where its images are
    assert start("--resume", "--epochs", 2) == 0
    assert "resumed   in epoch 2" in capsys.readouterr().out
    (own / "dark" / "003.png").unlink()
    with pytest.raises(ValueError, match="images: .*, but the run in .* has"):
        start("--resume", "--epochs", 3)


@pytest.mark.parametrize("args, sentence", [
    (["--data-dir", "nowhere"], "nowhere does not exist"),
    (["--likelihood", "continuous"], "is black and white; for grey values "),
    (["--image-size", 32], "name them with --data-dir"),
    (["--image-size", 30], "30 is not a multiple of 4"),
    (["--image-size", 4], "4 is not a whole number of at least 8"),
    (["--likelihood", "grey"], "invalid choice: 'grey'")])
def test_images_that_cannot_be_had(ended, args, sentence, tmp_path):
    status, said = ended("train_fashion.py", *args, "--out", tmp_path)
    assert status == 2
    assert sentence in said and "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_downloaded_images_are_used(monkeypatch, tmp_path):
    monkeypatch.setattr(training_options, "download", lambda title: write(
        tmp_path / title, a_set(train=40, shape=(8, 8))))
    demo = load("train_fashion.py")
    args = arguments(demo, monkeypatch, "--download", "--likelihood",
                     "continuous", "--limit", 33)
    data, title, _ = training_options.load_images(args)
    assert title == "Fashion-MNIST" and data.train_images.dtype == np.uint8


@pytest.mark.parametrize("args, sentence", [
    (["--warmup", 7], "--warmup is 7, but the run has only 6 batches"),
    (["--latent-dim", 785], "--latent-dim is 785, but an image is only 784"),
    (["--workers", 33], "--workers is 33, but there are only 32 images in a"),
    (["--batch-size", 81], "--batch-size is 81, but there are only 80")])
def test_settings_that_do_not_fit_the_images(quick_run, args, sentence):
    with pytest.raises(ValueError, match=sentence):
        quick_run(*args)


def bind_rank(monkeypatch, args, cores=8, xp=np):
    monkeypatch.setattr(training_options, "cores", lambda: cores)
    demo = load("train_fashion.py")
    args = arguments(demo, monkeypatch, *args)
    return args, training_options.plan_workers(args, xp)


def test_workers_have_something_to_do(monkeypatch):
    for batch_size, workers in (4, 1), (1, 1), (17, 2), (32, 4), (512, 8):
        args, notes = bind_rank(monkeypatch, ["--batch-size", batch_size])
        assert args.workers == workers and not notes
    args, notes = bind_rank(monkeypatch, ["--workers", 5], cores=4)
    assert args.workers == 5 and "5 workers share 4 cores" in notes[0]
    assert bind_rank(monkeypatch, [], xp=None)[0].workers == 1      # on a GPU
    with pytest.raises(ValueError, match="leave it out, or compute with "
                       "--device cpu"):
        bind_rank(monkeypatch, ["--workers", 2], xp=None)


def test_the_same_command_resumes_a_scaled_batch(monkeypatch, quick_run):
    comm = SimpleNamespace(rank=0, size=2, bcast=lambda answer: answer)
    monkeypatch.setattr(training_options, "communicator", lambda: comm)
    assert quick_run("--epochs", 1, "--batch-size", 40) == 0
    command = "--distributed", "--scale-batch", "--out", quick_run.folder

    def batch_size(*args):
        return arguments(quick_run.demo, monkeypatch, *command,
                         *args).batch_size
    assert batch_size("--batch-size", 20) == 40
    assert batch_size("--batch-size", 20, "--resume") == 40
    assert batch_size("--resume") == 40
    comm.size = 4                                     # of other ranks, too
    assert batch_size("--resume") == 40
    assert batch_size("--batch-size", 20, "--resume") == 80     # refused later


def test_images_that_have_moved_are_named_anew(monkeypatch, quick_run):
    assert quick_run("--epochs", 1) == 0
    command = "--resume", "--out", quick_run.folder
    path = quick_run.folder / "checkpoint.npz"
    arrays, state = checkpoint.load(path)
    state["settings"]["data_dir"] = "somewhere"
    npz.save(path, arrays, state)

    def source(*args):
        args = arguments(quick_run.demo, monkeypatch, *command, *args)
        return args.data_dir and str(args.data_dir), args.download
    assert source() == ("somewhere", False)
    assert source("--data-dir", "elsewhere") == ("elsewhere", False)
    assert source("--download") == (None, True)


def test_beta_and_warmup_reach_the_steps(monkeypatch, quick_run):
    seen = []

    def step(vae, adam, x, eps, beta):
        seen.append(beta)
        adam.t += 1
        return 0.0
    monkeypatch.setattr(quick_run.demo, "train_step", step)
    assert quick_run("--beta", 4, "--warmup", 3) == 0
    assert seen == [1, 2, 3, 4, 4, 4]


def test_the_learning_rate_falls_to_0_across_a_stop(monkeypatch, quick_run,
                                                    capsys):
    seen = []

    def step(vae, adam, x, eps, beta):
        if len(seen) == 2:
            seen.append("stopped")
            raise RuntimeError("a worker process has ended")
        seen.append(adam.learning_rate)
        adam.t += 1
        return 0.0
    monkeypatch.setattr(quick_run.demo, "train_step", step)
    rate = "--learning-rate", 6e-3, "--decay", "--checkpoint-every", 1
    assert quick_run(*rate) == 2 and quick_run("--resume") == 0
    assert seen.pop(2) == "stopped"
    assert seen == pytest.approx([6e-3, 5e-3, 4e-3, 3e-3, 2e-3, 1e-3])
    assert "learning rate 0.006 falling to 0, seed" in capsys.readouterr().out


def test_quick_is_only_a_default(monkeypatch):
    demo = load("train_fashion.py")
    quick = arguments(demo, monkeypatch, "--quick")
    assert (quick.epochs, quick.learning_rate) == (1, 1e-3)
    assert quick.out == Path("runs/fashion_quick")     # a full run is safe
    given = arguments(demo, monkeypatch, "--quick", "--epochs", 3)
    assert (given.epochs, given.learning_rate) == (3, 1e-3)
    usual = arguments(demo, monkeypatch)
    assert (usual.epochs, usual.learning_rate, usual.batch_size) == (
        10, 1e-4, 32)
    assert usual.out == Path("runs/fashion")


def test_train_mnist_is_the_same_with_digits(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(DEMOS)          # train_mnist is train_fashion
    demo = load("train_mnist.py")
    args = arguments(demo, monkeypatch, "--limit", 640, "--epochs", 1,
                     "--learning-rate", 1e-3, "--out", tmp_path)
    assert args.load is load_mnist
    args.load = functools.partial(few, load_mnist, train=640)
    assert demo.main(args) == 0
    printed = capsys.readouterr().out
    assert "A convolutional VAE on binarized MNIST\n" in printed
    assert {p.name for p in tmp_path.iterdir()} == FILES
    elbo = float(re.search(r"test ELBO (-\d+\.\d)", printed)[1])
    assert -500 < elbo < -200                      # untrained: -543
    usage = run("train_mnist.py", "--help").stdout
    assert "Train a VAE on MNIST" in usage and "runs/mnist" in usage


def test_broken_gradients_finds_each_mistake(monkeypatch, tmp_path, capsys):
    demo, data = load("broken_gradients.py"), load_fashion_mnist()
    few = data._replace(test_images=data.test_images[:100])
    monkeypatch.setattr(demo, "load_fashion_mnist", lambda: few)
    demo.main(arguments(demo, monkeypatch, "--steps", 2, "--out", tmp_path))
    assert imageio.imread(tmp_path / "landscapes.png").std() > 5
    found, true = {}, []
    for line in capsys.readouterr().out.splitlines()[1:7]:
        elbo, error, spread, answers = line.split()[-4:]
        true.append(float(elbo))
        found[line[:32].strip()] = (float(error) > 1e-6, spread != "1.00",
                                    answers == "WRONG")
    # of almost the same untrained VAE, whatever the mistake makes it report
    assert true == pytest.approx([true[0]] * 6, rel=0.02)
    # which of the three checks, gradients, spread and answers, finds which
    assert found == {
        "no mistake": (False, False, False),
        "sigma = e^logvar": (False, True, False),
        "mean over pixels, forward only": (True, False, False),
        "Adam forgets its history": (False, False, True),
        "'same' is off by one pixel": (False, False, True),
        "dw from dy upside down": (True, False, False)}
    assert windows(28, 3, 1, "same") == (28, 1, 1)         # put back


def test_the_readmes_layer_passes(capsys):
    readme = (DEMOS.parent / "README.md").read_text(encoding="utf-8")
    code, = (block for block in re.findall(r"```python\n(.*?)```\n", readme,
                                           re.DOTALL) if "Softplus" in block)
    exec(code, {})
    assert "passed at a tolerance of 1e-07" in capsys.readouterr().out


def test_gradient_check_passes_and_covers_all():
    done = run("gradient_check.py")
    assert done.returncode == 0, done.stdout
    assert "All of them are right." in done.stdout
    assert "WRONG" not in done.stdout and done.stderr == ""
    for name in ("Dense", "ReLU", "Sigmoid", "Conv2D(", "Conv2DTranspose(",
                 "bernoulli_logpdf", "gaussian_kl", "reparameterize",
                 "whole VAE", "Softplus"):
        assert name in done.stdout


# ---- spiral.py -------------------------------------------------------------

@pytest.mark.parametrize("variational", [False, True])
def test_the_spirals_gradients(variational):
    demo, rng = load("spiral.py"), np.random.default_rng(0)
    vae = demo.build(rng, "float64")
    for p in vae.params.values():                # off the kinks of the ReLUs
        p += 0.1 * rng.standard_normal(p.shape)
    x = demo.spiral(rng.random(3))
    eps = rng.standard_normal((3, 1))
    loss, grads = demo.loss_and_grads(vae, x, eps, variational)
    mu, logvar = vae.encode(x)
    y = vae.decode(mu + variational * np.exp(logvar / 2) * eps)
    kl = (mu ** 2 + np.exp(logvar) - 1 - logvar).sum(axis=1) / 2
    assert loss == pytest.approx((
        ((x - y) ** 2).sum(axis=1) / 2 / 0.05 ** 2 + 2 * np.log(0.05)
        + np.log(2 * np.pi) + variational * kl).mean())
    grads = {name: (vae.params[name], g) for name, g in grads.items()
             if name.endswith((".b", "decoder.0.w", "encoder.0.w"))}
    report = check_function(
        "spiral", lambda: demo.loss_and_grads(vae, x, eps, variational)[0],
        1.0, grads, tolerance=1e-6, verbose=False)
    assert report.ok, f"\n{report}"


def test_spiral_tells_the_two_apart(monkeypatch, tmp_path, capsys):
    demo, vaes, asked = load("spiral.py"), [], []
    really_train = demo.train

    def train(points, *rest):
        asked.append(rest)
        vaes.append(really_train(points, *rest))
        return vaes[-1]
    monkeypatch.setattr(demo, "train", train)
    axes = drawn(monkeypatch, demo.main, arguments(
        demo, monkeypatch, "--steps", 2500, "--seed", 1, "--out", tmp_path))
    assert asked == [(False, 2500, 1), (True, 2500, 1)]
    printed, share = capsys.readouterr().out, []
    for vae, name, ax, below in zip(vaes, ("autoencoder", "VAE"), axes[:2],
                                    axes[2:], strict=True):
        gaps = check_spiral(demo, vae, name, ax, printed)
        share.append((gaps > 0.1).mean())
        check_spirals_codes(vae, name == "VAE", ax, below)
    assert share[0] > share[1]          # 0.21 and 0.05 where it was measured
    assert (tmp_path / "spiral.png").stat().st_size > 10_000


def check_spiral(demo, vae, name, ax, printed):
    """Where points are drawn, and what is said; return how far off they are.
    """
    rng = np.random.default_rng(1)
    t = 1.25 * rng.random(1000)
    points = demo.spiral(t) + 0.02 * rng.standard_normal((1000, 2))
    curve = demo.spiral(np.linspace(0, 1.25, 1000))
    dots, close, off = (c.get_offsets() for c in ax.collections)
    np.testing.assert_allclose(dots, points, rtol=1e-5)
    codes, _ = vae.encode(vae.asarray(points))
    near = demo.distance(vae.decode(codes), curve)
    gaps = demo.distance(np.concatenate([close, off]), curve)
    assert gaps[:len(close)].max() <= 0.1 < gaps[len(close):].min()
    said = printed.split(f"{name} ")[1].split()[:3]
    assert said == [f"{near.mean():.3f}", f"{gaps.mean():.3f}",
                    f"{len(off) / 1000:.0%}"]
    assert ax.get_title().startswith(f"{name}: generated points are "
                                     f"{gaps.mean():.3f} off")
    reach = 1.35 * abs(curve).max()
    assert [*ax.get_xlim(), *ax.get_ylim()] == pytest.approx(
        [-reach, reach] * 2)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), curve)
    return gaps


def check_spirals_codes(vae, variational, ax, below):
    """New codes: N(0, 1), or a normal fitted to those of the points."""
    points = np.asarray(ax.collections[0].get_offsets())
    codes, _ = vae.encode(vae.asarray(points))
    mean, spread = (0, 1) if variational else (codes.mean(), codes.std())
    z, density = below.lines[0].get_data()
    np.testing.assert_allclose(z[[0, -1]], mean + 3 * spread * np.array(
        [-1, 1]), rtol=1e-5)
    np.testing.assert_allclose(density, norm.pdf(z, mean, spread), 1e-4)
    assert len(below.patches) == 60              # the histogram of the codes
    assert sum(bar.get_width() * bar.get_height() for bar in below.patches
               ) == pytest.approx(1)
    np.testing.assert_allclose(ax.lines[1].get_xydata(), vae.decode(
        vae.asarray(z[:, None])), 1e-3, 1e-5)


def test_spirals_seed_is_that_of_its_noise_and_its_weights():
    demo = load("spiral.py")
    points = demo.spiral(np.linspace(0, 1, 50)).astype("float32")
    runs = [demo.train(points, True, 2, seed) for seed in (1, 1, 2)]
    a, b, c = (vae.params["decoder.4.w"] for vae in runs)
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()


def test_spiral_measures_distances():
    demo = load("spiral.py")
    curve = demo.spiral(np.linspace(0, 1, 1000))
    np.testing.assert_allclose(curve[[0, -1]], [[0.2, 0], [0.6, 0]],
                               atol=1e-12)
    assert demo.distance(np.array([[0.6, 0], [0.8, 0.0]]), curve) == (
        pytest.approx([0, 0.2], abs=0.02))


def test_spiral_with_bad_arguments(ended, tmp_path):
    for sentence, *bad in (("0 is not a number above 0", "--turns", 0),
                           ("is 11.0, but at most 10", "--turns", 11),
                           ("not a whole number of at", "--steps", 0)):
        status, said = ended("spiral.py", *bad)
        assert status == 2 and sentence in said
    (tmp_path / "file").write_text("")
    done = run("spiral.py", "--steps", 1, "--out", tmp_path / "file")
    assert done.returncode == 2 and "choose another place" in done.stderr


# ---- landscape.py ----------------------------------------------------------

def test_landscape_draws_all_its_pictures(tmp_path):
    done = run("landscape.py", "--out", tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    pictures = {"features.png", "patches.png", "path.png", "path.gif"}
    assert {p.name for p in tmp_path.iterdir()} == pictures
    for name in pictures:
        assert name in done.stdout
        assert imageio.imread(tmp_path / name, index=0).std() > 5
    frames = imageio.imread(tmp_path / "path.gif", index=None)
    assert len(frames) == 15 + 13                           # there and back


@pytest.mark.parametrize("shape, title, sentence", [
    ((28, 28, 1), "Fashion-MNIST", "Fashion-MNIST, 28 x 28 x 1, but we look"),
    ((8, 12, 1), "own", "a model of own, 8 x 12 x 1, but we look for digits"),
    ((28, 28, 3), "MNIST", "a model of MNIST, 28 x 28 x 3, but we look")])
def test_landscape_wants_digits(monkeypatch, shape, title, sentence):
    demo, vae = load("landscape.py"), conv_vae(shape, filters=2)
    monkeypatch.setattr(demo, "find_model", lambda name: SimpleNamespace(
        vae=vae, title=title))
    with pytest.raises(ValueError, match=sentence):
        demo.model_of_digits("some/model")


def test_landscapes_patch_has_one_on_the_left_and_the_other_on_the_right():
    demo = load("landscape.py")
    a, b = np.array([0.0, -1.0]), np.array([-2.0, 0.0])
    square = demo.patch(a, b, 3)
    np.testing.assert_allclose(square[[3, 5]], [a, b])
    assert (square[:3, 1] > square[6:, 1]).all()            # upwards


def test_landscapes_features_are_those_of_the_strokes():
    demo, data = load("landscape.py"), load_mnist()
    digits = {"closed loop": [0], "loop with a line": [6, 9], "several curves":
              [2, 3, 5, 8], "angular": [4, 7], "vertical line": [1],
              "slanted line": [1]}
    assert (*digits,) == demo.FEATURES
    features = demo.features_of(data.test_images, data.test_labels)
    for i, name in enumerate(digits):
        assert {*data.test_labels[features == i]} == {*digits[name]}
    for by, name in ((0, "vertical line"), (1, "vertical line"),
                     (3, "slanted line"), (-3, "slanted line")):
        one = np.zeros((1, 28, 28, 1), bool)      # by columns in each ten rows
        for row in range(3, 24):
            column = 14 - round(by * (row - 13) / 10)
            one[0, row, column:column + 2] = True
        assert demo.slant(one) == pytest.approx([by / 10], abs=0.02)
        found = demo.features_of(one, np.array([1]))
        assert [demo.FEATURES[i] for i in found] == [name]


def test_landscapes_features_lie_where_their_codes_do():
    demo = load("landscape.py")
    right, up = np.meshgrid([-1, 1], [-1, 1])      # a feature in each corner
    corners = np.stack([right, up], axis=-1).reshape(-1, 2)
    codes, features = corners.repeat(50, 0), np.repeat([0, 4, 2, 3], 50)
    winner = demo.prevailing(np.array([-1.2, -0.9, 1.1]), codes, features)
    np.testing.assert_array_equal(winner, [[2, 2, 3], [0, 0, 4], [0, 0, 4]])


def test_landscapes_features_are_drawn_over_it(monkeypatch, tmp_path):
    demo = load("landscape.py")
    right, up = np.meshgrid([-1, 1], [-1, 1])      # a feature in each corner
    codes = np.stack([right, up], axis=-1).reshape(-1, 2).repeat(60, 0)
    features = np.repeat([5, 1, 2, 3], 60)     # below: 5, 1; above: 2, 3
    ax, = drawn(monkeypatch, demo.draw_features, tmp_path / "a.png",
                compass(), codes, features, 20, 9)
    landscape, _ = latent_grid(compass(), 20)
    np.testing.assert_array_equal(ax.images[0].get_array(), landscape[..., 0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z[0]", "z[1]")
    for image in ax.images:
        assert image.get_extent() == [0, 1, 0, 1] and image.origin == "upper"
    # a name lies in the middle of its part, in a dark form of its colour
    winner = ax.images[1].get_array()
    for text, name, corner in zip(ax.texts, (1, 2, 3, 5), (
            (1, 0), (0, 1), (1, 1), (0, 0)), strict=True):
        *words, share = text.get_text().split()
        assert " ".join(words) == demo.FEATURES[name]
        x, y = text.get_position()
        assert (x > 0.5, y > 0.5) == corner
        colour = winner[int((1 - y) * 9), int(x * 9)]
        np.testing.assert_allclose(text.get_color(), 0.6 * colour)
        assert share == f"{(winner == colour).all(axis=-1).mean():.0%}"


def test_the_heart_of_a_region_is_far_from_its_edge():
    heart = load("landscape.py").heart
    region = np.zeros((9, 12), bool)
    region[0:3, 9:12] = region[3:8, 1:6] = True
    assert heart(region) == (5, 3)
    assert heart(np.ones((5, 5), bool)) == (2, 2)     # the picture's edge, too


def test_landscapes_features_begin_where_its_cells_do(monkeypatch, tmp_path):
    demo, asked = load("landscape.py"), []
    monkeypatch.setattr(demo, "prevailing", lambda q, codes, labels: (
        asked.append(norm.cdf(q)), np.zeros((len(q), len(q)), int))[1])
    drawn(monkeypatch, demo.draw_features, tmp_path / "a.png", compass(),
          None, None)
    # 20 cells with their middles at the quantiles 0.05 to 0.95: half a cell
    # is a 38th of 0.9; of 80 pixels, each middle
    half = 0.9 / 38
    edges = np.linspace(0.05 - half, 0.95 + half, 81)
    np.testing.assert_allclose(asked[0], (edges[1:] + edges[:-1]) / 2)


def test_landscapes_typical_digit_is_among_its_kind():
    demo, rng = load("landscape.py"), np.random.default_rng(0)
    codes = np.concatenate([rng.standard_normal((300, 2)) + [5, 0],
                            rng.standard_normal((300, 2)) - [5, 0],
                            rng.standard_normal((30, 2)) + [0, 9]])
    labels = np.repeat([6, 0, 6], [300, 300, 30])
    six, zero = (demo.typical(codes, labels, digit) for digit in (6, 0))
    assert np.linalg.norm(six - [5, 0]) < 3 and (six == codes).all(1).any()
    assert np.linalg.norm(zero + [5, 0]) < 3
    # a few that are all of one digit
    assert (demo.typical(codes[:9], labels[:9], 6) == codes[:9]).all(1).any()


def test_landscapes_paths_are_drawn_where_they_go(monkeypatch, tmp_path):
    demo, vae = load("landscape.py"), compass()
    codes, labels = np.array([[2.0, 1], [-1, 2]]), np.array([8, 6])
    figures, a, b = [], codes[0], codes[1]
    monkeypatch.setattr(demo, "pixels", lambda figure: (
        figures.append(figure), np.zeros((2, 2), "u1"))[1])
    demo.draw_path(tmp_path, vae, codes, labels, a, b)
    *steps, whole = figures
    assert len(steps) == 15
    ways = straight(a, b, 15), spherical(a, b, 15)
    plane, *strips = whole.axes
    for i, (name, z, ax) in enumerate(zip(("straight", "on an arc"), ways,
                                          strips)):
        line, dots = (line.get_xydata() for line in
                      plane.lines[2 * i:2 * i + 2])
        np.testing.assert_allclose(line, z)
        np.testing.assert_allclose(dots, z)
        assert ax.get_title() == name
        np.testing.assert_allclose(ax.images[0].get_array(), tile(
            decode(vae, z), 15)[..., 0])
        for k, figure in enumerate(steps):             # one dot, one image
            plane_, *both = figure.axes
            np.testing.assert_allclose(plane_.lines[2 * i + 1].get_xydata(),
                                       z[k:k + 1])
            np.testing.assert_allclose(both[i].images[0].get_array(),
                                       decode(vae, z[k:k + 1])[0, ..., 0])
    reach = norm.ppf(0.995)
    assert [*plane.get_xlim(), *plane.get_ylim()] == pytest.approx(
        [-reach, reach] * 2)
    assert [text.get_text() for text in plane.get_legend().get_texts()][
        -2:] == ["straight", "on an arc"]


def test_landscapes_patches_go_from_left_to_right(monkeypatch, tmp_path):
    demo, vae = load("landscape.py"), compass()
    at = {6: (0.5, 0.0), 0: (1.0, 2.0), 9: (-1, -1), 7: (-2, 0), 8: (1, -1),
          1: (2, -2)}
    monkeypatch.setattr(demo, "typical", lambda codes, labels, digit: (
        np.array(at[digit], float)))
    axes = drawn(monkeypatch, demo.draw_patches, tmp_path / "a.png", vae, None,
                 None)
    for ax, (left, right) in zip(axes, ((6, 0), (9, 7), (8, 1)), strict=True):
        assert ax.get_title() == (f"from a {left}, middle left, to a {right}, "
                                  "middle right")
        cells = ax.images[0].get_array().reshape(9, 2, 9, 2).swapaxes(1, 2)
        np.testing.assert_allclose(cells[4, [0, 8]], decode(vae, np.array(
            [at[left], at[right]], float))[..., 0])


def test_landscape_with_a_wrong_model(ended, tmp_path):
    save_model(tmp_path / "three.npz", conv_vae(latent_dim=3), (28, 28, 1))
    (tmp_path / "none.npz").write_text("no model")
    for name, sentence in (
            ("three.npz", "three.npz has 3 latent dimensions, but a plane"),
            ("none.npz", "none.npz is not a model of minivae"),
            ("missing.npz", "there is no model")):
        status, said = ended("landscape.py", "--model", tmp_path / name,
                             "--out", tmp_path)
        assert status == 2 and sentence in said and "Traceback" not in said


# ---- generate.py -----------------------------------------------------------

@pytest.mark.parametrize("args", [
    ["samples"], ["landscape", "--model", "mnist"],
    ["reconstruct", 0, "A", 9999], ["interpolate", 3, "A", 5],
    ["samples", "--out", "w.gif", "--steps", 2],
    ["interpolate", 3, "A", "--out", "w.gif", "--arc"]])
def test_generate_makes_pictures(monkeypatch, tmp_path, capsys, args):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (50, 40), 20).save("A.png")
    demo = load("generate.py")
    demo.main(arguments(demo, monkeypatch, *[
        "A.png" if arg == "A" else arg for arg in args]))
    moves = "w.gif" in args
    path = Path("w.gif" if moves else f"runs/generate/{args[0]}.png")
    assert f"Look at {path}: " in capsys.readouterr().out
    made = imageio.imread(path, index=None)
    assert made.std() > 5 and (len(made) > 7 or not moves)


def test_generate_draws_from_a_relative(monkeypatch, tmp_path):
    demo, asked = load("generate.py"), []

    def relative(name, kind):
        asked.append((name, kind))
        return SimpleNamespace(draw=lambda n, rng: rng.random((n, 4, 5, 1)))
    monkeypatch.setattr(demo, "relative", relative)
    path = tmp_path / "a.png"
    demo.main(arguments(demo, monkeypatch, "samples", "--model", "mnist",
                        "--kind", "gan", "--seed", 3, "--out", path))
    assert asked == [("mnist", "gan")]
    want = tile(np.random.default_rng(3).random((100, 4, 5, 1)), 10)[..., 0]
    np.testing.assert_allclose(imageio.imread(path), 255 * (
        1 - want.repeat(3, 0).repeat(3, 1)), atol=0.51)


@pytest.mark.parametrize("args", [
    ["landscape"], ["samples", "--out", "a.gif"],
    ["samples", "--model", "a.npz"]])
def test_of_a_relative_there_are_samples_only(monkeypatch, args):
    demo = load("generate.py")
    with pytest.raises(ValueError, match="of a GAN there are samples as a"):
        demo.main(arguments(demo, monkeypatch, *args, "--kind", "gan"))


@pytest.mark.parametrize("args, arc", [
    (["samples", "--steps", 5, "--seed", 3], True),
    (["interpolate", 3, 5, "--steps", 5], False),
    (["interpolate", 3, 5, "--steps", 5, "--arc"], True)])
def test_generates_walk_is_a_line_or_an_arc(monkeypatch, tmp_path, args, arc):
    demo, codes, saved = load("generate.py"), [], []
    monkeypatch.setattr(demo, "decode", lambda vae, z: (
        codes.append(z), decode(vae, z))[1])
    monkeypatch.setattr(demo, "save_gif", lambda path, frames, **times: (
        saved.extend([frames, times])))
    demo.main(arguments(demo, monkeypatch, *args, "--out", tmp_path / "w.gif"))
    (path,), (frames, times) = codes, saved
    assert times == {"milliseconds": 80, "at_the_end": 80}   # it goes round
    ink = decode(load_pretrained("fashion"), path)[..., 0]
    np.testing.assert_allclose(frames, 255 * (1 - ink.repeat(8, 1).repeat(
        8, 2)), atol=0.51)
    ends = path[::5]
    if args[0] == "samples":
        np.testing.assert_allclose(ends, np.random.default_rng(
            3).standard_normal((8, 2)))
        np.testing.assert_allclose(path[-1], ends[0])    # back to the first
    else:
        images = load_fashion_mnist().test_images[[3, 5]]
        np.testing.assert_allclose(path[[0, -1]], encode(
            load_pretrained("fashion"), images), 1e-5)
    for way in path.reshape(-1, 5, 2):
        radii = np.linalg.norm(way, axis=1)
        on_line = np.linspace(way[0], way[-1], 5)
        np.testing.assert_allclose(np.linspace(radii[0], radii[-1], 5) if arc
                                   else on_line, radii if arc else way, 1e-5)
        assert arc != np.allclose(way, on_line, 1e-3)


def test_generates_rows_are_what_they_are_called(monkeypatch, tmp_path):
    demo, vae, made = load("generate.py"), load_pretrained("fashion"), []
    monkeypatch.setattr(demo, "save_images",
                        lambda path, *what: made.append(what))
    demo.main(arguments(demo, monkeypatch, "interpolate", 3, 5, 8, "--steps",
                        3))
    (rows, columns, _), = made
    a, b, c = encode(vae, load_fashion_mnist().test_images[[3, 5, 8]])
    assert list(rows) == ["straight", "on an arc"]
    assert columns == ["3", "", "5", "5", "", "8"]
    np.testing.assert_allclose(rows["straight"], decode(vae, np.stack(
        [a, (a + b) / 2, b, b, (b + c) / 2, c])), atol=1e-4)
    np.testing.assert_allclose(rows["on an arc"], decode(vae, np.concatenate(
        [spherical(a, b, 3), spherical(b, c, 3)])), atol=1e-4)
    assert abs(rows["straight"] - rows["on an arc"])[1].max() > 0.05

    demo.main(arguments(demo, monkeypatch, "reconstruct", 3, 5))
    rows, columns, title = made[1]
    given = load_fashion_mnist().test_images[[3, 5]]
    np.testing.assert_array_equal(rows["given"], given)
    np.testing.assert_allclose(rows["decoded"], decode(vae, encode(
        vae, given)), atol=1e-5)
    assert (columns, title) == (["3", "5"], "Through 2 numbers and back")


def test_generates_samples_are_those_of_the_seed(monkeypatch, tmp_path):
    demo, drawn_from = load("generate.py"), []
    monkeypatch.setattr(demo, "save_samples", lambda path, vae, rng: (
        drawn_from.append(rng.random())))
    for seed in 3, 0:
        demo.main(arguments(demo, monkeypatch, "samples", "--seed", seed,
                            "--out", tmp_path / "a.png"))
    assert drawn_from == [np.random.default_rng(seed).random()
                          for seed in (3, 0)]


def test_generate_takes_pictures_as_the_model_does(monkeypatch, tmp_path):
    demo, vae = load("generate.py"), conv_vae((8, 12, 1), filters=2)
    Image.new("RGB", (12, 8), (10, 20, 60)).save(tmp_path / "a.png")
    args = arguments(demo, monkeypatch, "reconstruct", tmp_path / "a.png")
    args.image_shape = 8, 12, 1
    x = demo.given(args, vae, 1)
    assert x.shape == (1, 8, 12, 1) and x.dtype == bool and x.all()  # dark
    args.invert = True
    assert not demo.given(args, vae, 1).any()
    args.image_shape = 8, 12, 3
    grey = conv_vae((8, 12, 3), filters=2, likelihood="continuous")
    assert demo.given(args, grey, 1)[0, 0, 0].tolist() == [245, 235, 195]


def test_generate_knows_a_runs_test_images(monkeypatch, quick_run, tmp_path):
    assert quick_run("--epochs", 1) == 0
    demo = load("generate.py")
    args = arguments(demo, monkeypatch, "reconstruct", 0, 9999, "--model",
                     quick_run.folder / "model.npz", "--out",
                     tmp_path / "r.png")
    demo.main(args)
    np.testing.assert_array_equal(demo.a_test_image(args, 9999),
                                  load_fashion_mnist().test_images[9999])


@pytest.mark.parametrize("args, sentence", [
    (["samples", "--model", "nope"], "there is no model nope; name a mod"),
    (["reconstruct"], "reconstruct needs at least 1 image: PNG"),
    (["interpolate", 0], "interpolate needs at least 2 images"),
    (["reconstruct", 10000], "no test image 10000; the last one is 9999"),
    (["reconstruct", "no.png"], "no.png does not exist; name a PNG"),
    (["landscape", "--out", "a.gif"], "a picture that does not move"),
    (["samples", "--out", "a.txt"], "a.txt is neither a .png nor a .gif"),
    (["samples", 3], "samples takes no images, but was given 3"),
    (["samples", "--steps", 9], "--steps has no effect on what samples mak"),
    (["landscape", "--seed", 0], "--seed has no effect on what landscape"),
    (["reconstruct", 1, "--invert"], "--invert has no effect on what recon"),
    (["interpolate", 1, 2, "--arc"], "--arc has no effect on what interpol"),
    (["reconstruct", *range(41)], "there would be 41 images in a picture, bu"),
    (["interpolate", 1, 2, "--steps", 41], "there would be 41 images in a r"),
    (["samples", "--out", "a.gif", "--steps", 99999], "799,992 pictures in a"),
    (["reconstruct", 1, "--model", "own.npz"], "there is no checkpoint.npz "
     "that says what the images were")])
def test_generate_says_what_is_wrong(monkeypatch, tmp_path, args, sentence):
    monkeypatch.chdir(tmp_path)
    save_model(Path("own.npz"), conv_vae((8, 8, 1), filters=2), (8, 8, 1))
    demo = load("generate.py")
    with pytest.raises(ValueError, match=sentence):
        demo.main(arguments(demo, monkeypatch, *args))


# ---- benchmark.py ----------------------------------------------------------

def test_benchmark_compares(tmp_path):
    done = run("benchmark.py", "--rounds", 1, "--batch-sizes", 2, "--out",
               tmp_path)
    assert done.returncode == 0, done.stderr
    for job in "step, batch of 2", "test ELBO", "landscape", "Peak memory":
        assert re.search(rf"{job}.*\n  minivae +\d", done.stdout)
    # the first losses are those of the tutorial's Adam, from seed 0
    rng, vae, data = np.random.default_rng(0), conv_vae(rng=0), (
        load_fashion_mnist())
    adam, eps = Adam(vae.params, 1e-4), vae.noise(10_000, rng)
    losses = [float(train_step(vae, adam, vae.asarray(data.train_images[:32]),
                               eps[32 * i:32 * (i + 1)])) for i in range(3)]
    said = re.search(r"steps agree:\n(.*) nats", done.stdout)[1].split(", ")
    assert [*map(float, said)] == pytest.approx(losses, abs=0.006)
    assert imageio.imread(tmp_path / "comparison.png").std() > 5


def test_benchmark_draws_how_the_cost_grows(tmp_path, monkeypatch, capsys):
    demo = load("benchmark.py")
    monkeypatch.setattr(growth, "START",
                        {"batch": 2, "size": 8, "filters": 2})
    monkeypatch.setattr(growth, "GROWTH", {"batch": [1, 2], "size": [8, 12],
                                           "filters": [2, 4]})
    monkeypatch.setattr(growth, "SECONDS", 0.2)
    monkeypatch.setattr(growth, "start",
                        lambda work, *args: Here(work, *args))
    demo.grow(arguments(demo, monkeypatch, "--growth", "--out", tmp_path))
    rows = capsys.readouterr().out.split("workers\n")[1].splitlines()
    assert [row.split()[:3] for row in rows[:4]] == [
        ["1", "8", "2"], ["2", "8", "2"], ["2", "12", "2"], ["2", "8", "4"]]
    assert imageio.imread(tmp_path / "growth.png").std() > 5


def test_benchmark_trains_to_a_test_elbo(monkeypatch, capsys):
    monkeypatch.setattr(quality, "start",
                        lambda work, *args: Here(work, *args))
    data = load_fashion_mnist()
    monkeypatch.setattr(quality, "load_fashion_mnist", lambda: data._replace(
        train_images=data.train_images[:320],
        test_images=data.test_images[:100]))
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(quality, "EVERY", 5)
    monkeypatch.setattr(quality, "RECIPES", [
        recipe._replace(steps=20) for recipe in quality.RECIPES])
    quality.compare_quality(["minivae_vae"])
    found = re.findall(r"^learning rate (.*)\n  minivae +(\S+) s   (-\S+)   "
                       "missed$", capsys.readouterr().out, re.M)
    assert [name for name, *_ in found] == [
        recipe.name for recipe in quality.RECIPES]
    assert [[recipe.rate(done) for done in (0, 0.5, 1)]
            for recipe in quality.RECIPES] == [[1e-4] * 3, [2e-3, 1e-3, 0]]
    slow, quick = (float(elbo) for *_, elbo in found)
    assert -600 < slow < quick < -200          # 20 steps at a larger rate


def test_what_misses_the_goal_is_marked(monkeypatch, capsys):
    # it is printed with two digits, and a tenth of them is forgiven
    elbos = iter([quality.GOAL - 0.04, quality.GOAL - 0.06])

    def learn(name, recipe, pipe):
        pipe.send("a name")
        for _ in range(quality.RECIPES[recipe].steps // quality.EVERY):
            pipe.send(quality.EVERY)
        pipe.send((12.34, next(elbos)))
    monkeypatch.setattr(quality, "learn", learn)
    monkeypatch.setattr(quality, "start",
                        lambda work, *args: Here(work, *args))
    quality.compare_quality(["minivae_vae"])
    printed = capsys.readouterr().out
    assert re.findall(r"  a name +(.*)", printed) == [
        "12.3 s   -194.44", "12.3 s   -194.46   missed"]
    assert "to a test ELBO of -194.4 nats, with batches of 32" in printed


class Here:
    """Plays a pipe to a process, with the work done in this one."""

    def __init__(self, work, *args):
        self.answers = []
        work(*args, self)

    def send(self, answer):
        self.answers.append(answer)

    def recv(self):
        return self.answers.pop(0)

    def close(self):
        pass


def test_benchmarks_tables(monkeypatch, tmp_path, capsys):
    demo, jobs = load("benchmark.py"), [("step", 2), ("landscape", None)]
    seconds = {("minivae", jobs[0]): [0.04, 0.02, 0.09],
               ("other", jobs[0]): [0.08, 0.01, 0.09],
               ("minivae", jobs[1]): [0.3, 0.2], ("other", jobs[1]): [0.001]}
    demo.print_comparison(jobs, seconds, {jobs[0]: (8e9, 4e7)})
    demo.print_memory({"minivae": (3e6, 5e6)})
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert words[2:9] == [
        "step, batch of 2".split(),
        "minivae 40.0 20.0 50 images/s 0.20 TFLOP/s 1 GB/s".split(),
        "other 80.0 10.0 0.50 and 2.00 25 images/s 0.10 TFLOP/s 0 GB/s".split(
            ),
        [], "landscape, 400 cells".split(), "minivae 250.0 200.0".split(),
        "other 1.00 1.00 250.00 and 200.00".split()]
    assert words[-1] == "minivae 3 MB 5 MB".split()
    axes = drawn(monkeypatch, demo.draw_comparison, tmp_path / "a.png", jobs,
                 seconds)
    for ax, title, medians, labels in zip(
            axes, ("step, batch of 2", "landscape, 400 cells"),
            ([40, 80], [250, 1]), ([" 40.0 ms", " 80.0 ms"],
                                   [" 250 ms", " 1.0 ms"]), strict=True):
        assert [bar.get_width() for bar in ax.patches] == pytest.approx(
            medians)
        assert [text.get_text() for text in ax.texts] == labels
        assert ax.get_title(loc="left") == title and ax.yaxis_inverted()
        assert [text.get_text() for text in ax.get_yticklabels()] == [
            "minivae", "other"]


def test_benchmark_draws_what_it_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "GROWTH", {"batch": [32, 64], "size": [28, 56],
                                           "filters": [32, 64]})
    # milliseconds, arithmetic, bytes of the process and with its workers
    found = {(32, 28, 32): (10, 1e9, 1e8, 2e8),
             (64, 28, 32): (18, 2e9, 2e8, 3e8),
             (32, 56, 32): (50, 4e9, 3e8, 4e8),
             (32, 28, 64): (40, 3e9, 1e8, 2.5e8)}
    axes = drawn(monkeypatch, growth.draw_growth, tmp_path / "a.png", found)
    for i, (x, second) in enumerate([([32, 64], (64, 28, 32)),
                                     ([784, 3136], (32, 56, 32)),
                                     ([32, 64], (32, 28, 64))]):
        measured, expected = (line.get_xydata() for line in axes[i].lines)
        ms, work, own, whole = found[second]
        np.testing.assert_allclose(measured, [
            [x[0], 3200], [x[1], 1e3 * second[0] / ms]])
        np.testing.assert_allclose(expected, [      # at 1e8 FLOP/ms
            [x[0], 3200], [x[1], 1e11 / (work / second[0])]])
        with_workers, alone, line = (line.get_xydata()
                                     for line in axes[3 + i].lines)
        np.testing.assert_allclose(with_workers, [[x[0], 200],
                                                  [x[1], whole / 1e6]])
        np.testing.assert_allclose(alone, [[x[0], 100], [x[1], own / 1e6]])
        np.testing.assert_allclose(line, with_workers)
        assert axes[3 + i].get_ylim() == (0, pytest.approx(420))
    assert axes[0].get_ylabel() == "images per second"
    assert axes[3].get_ylabel() == "peak memory, MB"


def test_benchmark_says_what_went_wrong(monkeypatch):
    demo = load("benchmark.py")
    with pytest.raises(RuntimeError, match="JAX 1 computes something else: "
                       r"its losses are \[1.0, 2.1\]"):
        demo.check_losses([("minivae", None, [1.0, 2.0]),
                           ("JAX 1", None, [1.0, 2.1])])
    for bad in ["--rounds", 0], ["--batch-sizes", 2000]:
        with pytest.raises(SystemExit):
            arguments(demo, monkeypatch, *bad)


def test_benchmark_needs_a_folder_before_it_begins(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("benchmark.py", "--growth", "--out", tmp_path / "file")
    assert done.returncode == 2 and done.stdout == ""
    assert "file cannot be written" in done.stderr


def test_benchmark_names_a_framework_that_fails(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise OSError('no libtorch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run("benchmark.py", "--rounds", 1, "--batch-sizes", 2, "--out",
               tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: torch_vae failed; OSError: no libtorch")


def test_benchmark_profiles():
    done = run("benchmark.py", "--profile", "--batch-sizes", 4)
    assert done.returncode == 0, done.stderr
    assert "Conv2DTranspose(64, 32, 3, strides=2" in done.stdout
    assert re.search(r"total +\d+\.\d+ +\d+\.\d", done.stdout)
