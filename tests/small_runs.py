"""Short trainings, on few images: what tests run, and ranks of theirs.

A module of its own, because each rank of test_distributed.py imports it: with
all that tests need that would take a rank three seconds.
"""
import functools
import pickle
import sys
from pathlib import Path

import numpy as np

from minivae import Adam, conv_vae
from minivae.backend import move
from minivae.extras.parallel import distributed
from minivae.train import epoch, evaluate, train_step

from common import command_line


def few(full, train=320, test=300):
    """Some images of a data set, with all that belongs to them."""
    data = full()
    return data._replace(
        train_images=data.train_images[:train],
        train_labels=data.train_labels[:train],
        test_images=data.test_images[:test],
        test_labels=data.test_labels[:test],
        grey_index=data.grey_index % test)


SETTINGS = [("float32", 10, 1e-5), ("float64", 10, 1e-12),
            ("float64", 3, 1e-12)]         # and the error that is allowed


def fifty_steps(dtype, batch_size, make_team, xp=np):
    """Train a little: losses, parameters, and the ELBO's two parts."""
    rng, images = np.random.default_rng(0), move(
        np.random.default_rng(5).integers(0, 2, (95, 8, 8, 1), bool), xp)
    vae = conv_vae((8, 8, 1), filters=4, rng=rng, dtype=dtype).to(xp)
    model, adam, losses = make_team(vae), Adam(vae.params, 1e-3), []

    def batches():
        if model is vae:
            return epoch(vae, images, batch_size, rng)
        return model.epoch(images, batch_size, rng)
    while adam.t < 50:
        for x, eps in batches():
            losses.append(float(train_step(model, adam, x, eps)))
    eps = vae.noise(95, 1)
    return losses, vae.params, evaluate(model, images, eps, 40)


# ---- what a rank runs ------------------------------------------------------

def rank_main(path):
    """What each rank of a computation runs; every rank writes a file."""
    comm = distributed.communicator()
    found = [fifty_steps(dtype, batch_size,
                         lambda vae: distributed.Distributed(vae, comm, 3))
             for dtype, batch_size, _ in SETTINGS]
    Path(f"{path}.{comm.rank}").write_bytes(pickle.dumps(found))


def small_demo(out, *args, on_rank_1=""):
    """What a rank runs: train_fashion.py, with few images to test on."""
    import train_fashion as demo
    demo.load_fashion_mnist = functools.partial(few, demo.load_fashion_mnist,
                                                1000)
    sys.argv = ["demo", "--distributed", "--workers", "1", "--out", out, *args]
    if on_rank_1:
        distributed.PATIENCE = 1
        if distributed.communicator().rank == 1:
            exec(on_rank_1)
    command_line.run(demo.main, demo.parse_arguments, demo.end_together)
