"""Training in one call learns what the written-out loop learns."""
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from minivae import Adam, conv_vae
from minivae.data import load_mnist
from minivae.train import epoch, train_step

from common import fit as module
from common.fit import fit

DEMOS = str(Path(__file__).parent.parent / "demos")


@pytest.fixture(scope="module")
def images():
    return load_mnist().train_images[:100]


@pytest.mark.parametrize("cores", [1, 2])
def test_it_is_the_loop_of_train(images, monkeypatch, cores):
    monkeypatch.setattr(module, "cores", lambda: cores)
    vae, by_hand = (conv_vae(filters=2, rng=0)
                    for _ in range(2))
    steps = []
    assert fit(vae, images, epochs=2, batch_size=40, beta=3.0, warmup=2,
               seed=5, watch=steps.append) is vae
    assert steps == [1, 2, 3, 4, 5, 6]

    rng, adam = np.random.default_rng(5), Adam(by_hand.params)
    for _ in range(2):
        for x, eps in epoch(by_hand, images, 40, rng):
            adam.learning_rate = 4e-3 * (1 - adam.t / 6)
            train_step(by_hand, adam, x, eps, min(adam.t + 1, 3))
    for name, p in by_hand.params.items():
        # a share of a sum is rounded otherwise, and Adam divides by its size
        np.testing.assert_allclose(vae.params[name], p, rtol=0,
                                   atol=0 if cores == 1 else 1e-4)


def test_without_noise_it_trains_an_autoencoder(images):
    vae, other = (conv_vae(filters=2, rng=0) for _ in range(2))
    for network, seed in (vae, 1), (other, 1):
        fit(network, images, batch_size=10, beta=0, noise=False, seed=seed)
    before = conv_vae(filters=2, rng=0).params["encoder.5.w"]
    after = vae.params["encoder.5.w"]
    np.testing.assert_array_equal(after, other.params["encoder.5.w"])
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])     # logvar
    assert (after[:, :2] != before[:, :2]).any()


SCRIPT = """
import numpy as np
from minivae import ReLU, conv_vae
from common import fit
from minivae.extras.parallel import workers

fit.cores = lambda: 2                  # on any machine
class Mine(ReLU):
    pass

vae = conv_vae((8, 8, 1), filters=2, rng=0)
vae.encoder.layers[1] = Mine()
before = vae.params["encoder.0.w"].copy()
images = np.random.default_rng(0).random((64, 8, 8, 1)) < 0.5
fit.fit(vae, images, batch_size=16)
assert (vae.params["encoder.0.w"] != before).any()
print("done")
"""


@pytest.mark.parametrize("guarded", [False, True])
def test_in_a_script_it_needs_no_main_guard(tmp_path, guarded):
    script = SCRIPT
    if guarded:
        lines = "".join(f"    {line}\n" for line in SCRIPT.splitlines())
        script = f"if __name__ == '__main__':\n{lines}"
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": DEMOS})
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_without_standard_error_there_is_no_bar(images, monkeypatch):
    """pythonw has none, nor has python 2>&- in a shell."""
    monkeypatch.setattr(module, "cores", lambda: 1)
    monkeypatch.setattr(sys, "stderr", None)
    fit(conv_vae(filters=2, rng=0), images, batch_size=50)


def test_what_cannot_be_sent_is_trained_in_one_process(images, monkeypatch,
                                                       capsys):
    monkeypatch.setattr(module, "cores", lambda: 2)
    alone, vae = (conv_vae(filters=2, rng=0) for _ in range(2))
    vae.decoder.layers[1].lock = threading.Lock()
    fit(vae, images, batch_size=20)
    note, = capsys.readouterr().err.splitlines()
    assert note.startswith("note: one process trains alone: Workers: "
                           "decoder.1, a ReLU, cannot be sent to a process")
    monkeypatch.setattr(module, "cores", lambda: 1)
    fit(alone, images, batch_size=20)
    assert capsys.readouterr().err == ""
    for name, p in alone.params.items():
        np.testing.assert_array_equal(vae.params[name], p)


def train_into(path):
    module.cores = lambda: 2
    with open(path, "w", encoding="utf-8") as sys.stderr:
        fit(conv_vae((8, 8, 1), filters=2, rng=0),
            np.zeros((16, 8, 8, 1), bool), batch_size=16)


def test_a_daemonic_process_trains_alone(tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=train_into, args=(tmp_path / "err",), daemon=True)
    process.start()
    process.join(300)
    assert process.exitcode == 0
    assert (tmp_path / "err").read_text(encoding="utf-8").startswith(
        "note: one process trains alone: a daemonic process cannot start")
