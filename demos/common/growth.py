"""How time and memory grow with the batch, the image and the network."""
import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import conv_vae
from minivae.extras.parallel.workers import Workers, cores
from minivae.optim import Adam
from minivae.train import train_step

from common.measuring import (clock, peak_memory, print_machine, receive, save,
                              start)
from common.profile import flop

START = {"batch": 32, "size": 28, "filters": 32}
GROWTH = {"batch": [8, 16, 32, 64, 128, 256, 512, 1024],
          "size": [28, 56, 112], "filters": [32, 64, 128]}
SECONDS = 2                            # for which each of them is measured


def grow(args: argparse.Namespace) -> None:
    """Let one thing grow at a time; measure each in a fresh process."""
    settings = [START | {thing: value} for thing, values in GROWTH.items()
                for value in values]
    found = {}
    for setting in tqdm(settings, "growing", leave=False, disable=None):
        key = tuple(setting.values())
        if key not in found:
            pipe = start(measure, *key)
            found[key] = receive(pipe, "a run of {batch} images of {size} "
                                 "pixels, {filters} filters".format(**setting))
            pipe.close()
    print_machine()
    print("batch  image  filters ms per step  images/s  GFLOP/s   MB  "
          "with workers")
    for (batch, size, filters), (ms, work, own, whole) in found.items():
        print(f"{batch:5}  {size:5}  {filters:7}  {ms:10.1f}  "
              f"{1e3 * batch / ms:8.0f}  {work / ms / 1e6:7.0f}  "
              f"{own / 1e6:3.0f}  {whole / 1e6:12.0f}")
    draw_growth(args.out / "growth.png", found)


def measure(batch: int, size: int, filters: int, pipe: Any) -> None:
    """Send the milliseconds, arithmetic and memory of training steps."""
    shape, rng = (size, size, 1), np.random.default_rng(0)
    vae = conv_vae(shape, filters=filters, rng=rng)
    adam = Adam(vae.params)
    x = vae.asarray(rng.random((batch, *shape)) < 0.3)
    eps = vae.noise(batch, rng)
    work = sum(flop(vae, x[:1]).values()) * batch
    with Workers(vae, shape, min(cores(), batch), batch) as team:
        def step(): return train_step(team, adam, x, eps)
        first = max(clock(step), clock(step))
        times = [clock(step) for _ in range(max(5, int(SECONDS / first)))]
        pipe.send((1e3 * statistics.median(times), work, *peak_memory()))


def draw_growth(path: Path, found: dict) -> None:
    """Draw what measure has found for each (batch, size, filters)."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    rows = figure.subplots(2, 3)
    speeds = [1e3 * batch / ms for (batch, *_), (ms, *_) in found.items()]
    largest = max(whole / 1e6 for *_, whole in found.values())
    labels = {"batch": "images in a batch",
              "size": "pixels of an image: 28², 56², 112²",
              "filters": "filters of the first layer"}
    for (top, bottom), (thing, values) in zip(rows.T, GROWTH.items()):
        keys = [tuple((START | {thing: value}).values()) for value in values]
        x = [v ** 2 for v in values] if thing == "size" else values
        speed = [1e3 * key[0] / found[key][0] for key in keys]
        top.loglog(x, speed, "o-", label="measured")
        # as fast as at the start, in FLOP/s
        at_start = found[tuple(START.values())]
        rate = 1e3 * at_start[1] / at_start[0]
        top.loglog(x, [rate / (found[key][1] / key[0]) for key in keys],
                   "k--", linewidth=1, label="proportional to arithmetic")
        top.set_xticks(x, [str(v) for v in x], fontsize=8)
        top.minorticks_off()
        own, whole = ([found[key][i] / 1e6 for key in keys] for i in (2, 3))
        bottom.plot(x, whole, "s-", color="C1", label="with its workers")
        bottom.plot(x, own, "o-", color="C0", label="the process")
        bottom.plot([x[0], x[-1]], [whole[0], whole[-1]], "k--", linewidth=1,
                    label="a straight line")
        bottom.set_xlabel(labels[thing])
        top.set_ylim(0.7 * min(speeds), 1.4 * max(speeds))
        bottom.set_ylim(0, 1.05 * largest)
        for ax in top, bottom:
            ax.grid(alpha=0.3)
    rows[0, 0].set_ylabel("images per second")
    rows[1, 0].set_ylabel("peak memory, MB")
    for ax in rows[:, -1]:
        ax.legend(fontsize=8)
    figure.suptitle("Training steps of minivae as one thing grows (from 32 "
                    "images of 28 × 28, 32 filters)")
    save(path, figure)
