"""Seconds to a test ELBO: the tutorial's settings, and a shorter recipe."""
import functools
import importlib
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from minivae import conv_vae
from minivae.data import load_fashion_mnist
from minivae.train import epoch

from common.measuring import clock, print_machine, receive, start

BATCH, SEED = 32, 0
GOAL = -194.4        # what the tutorial's settings reach, whatever the seed


class Recipe(NamedTuple):
    """How long to train, and the learning rate at a part, 0 to 1, of it."""

    name: str
    steps: int
    rate: Callable[[float], float]


RECIPES = [Recipe("1e-4, ten epochs (the tutorial's)", 18_750,
                  lambda done: 1e-4),
           Recipe("2e-3 falling to 0 in 2,500 steps", 2_500,
                  lambda done: 2e-3 * (1 - done))]
EVERY = 100          # steps between two signs of life


def compare_quality(names: list[str]) -> None:
    """Train each contender by each recipe, and print how long that took."""
    print_machine()
    print(f"Seconds of training steps to a test ELBO of {GOAL} nats, with "
          f"batches of {BATCH};\nall see the same images in the same order, "
          "with the same noise.\n")
    for i, recipe in enumerate(RECIPES):
        print(f"learning rate {recipe.name}")
        for name in names:
            pipe = start(learn, name, i)
            title = receive(pipe, name)
            with tqdm(total=recipe.steps, desc=title, unit=" steps",
                      leave=False, disable=None) as bar:
                for _ in range(recipe.steps // EVERY):
                    bar.update(receive(pipe, title))
            seconds, elbo = receive(pipe, title)
            pipe.close()
            print(f"  {title:<36}{seconds:7.1f} s   {elbo:.2f}"
                  + "   missed" * (elbo < GOAL - 0.05))
        print()


def learn(name: str, recipe: int, pipe: Any) -> None:
    """Train a contender; send its title, steps done, then time and ELBO."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "frameworks"))
    _, steps, rate = RECIPES[recipe]
    rng = np.random.default_rng(SEED)
    vae = conv_vae(rng=rng)
    contender = importlib.import_module(name).Contender(vae.params, rate(0),
                                                        "cpu")
    pipe.send(contender.NAME)
    data = load_fashion_mnist()
    eps = vae.noise(len(data.test_images), rng)
    batches = itertools.chain.from_iterable(
        epoch(vae, data.train_images, BATCH, rng) for _ in itertools.count())
    seconds = 0.0
    for step, (x, noise) in enumerate(itertools.islice(batches, steps)):
        contender.set_rate(rate(step / steps))
        seconds += clock(functools.partial(contender.step, x, noise))
        if (step + 1) % EVERY == 0:
            pipe.send(EVERY)
    pipe.send((seconds, contender.elbo(data.test_images, eps)))
