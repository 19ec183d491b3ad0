"""minivae itself, as demos/train_fashion.py uses it."""
import numpy as np

import minivae
from minivae.backend import move, to_numpy
from minivae.extras.device import choose_device
from minivae.extras.gpu.recorded import Recorded
from minivae.extras.parallel.workers import Workers, cores
from minivae.train import evaluate, train_step

from common.profile import time_on_gpu


class Contender:
    """The tutorial's network: on a CPU, worker processes share its batches; on
    a GPU, its step is recorded.
    """

    NAME = "minivae"

    def __init__(self, params: dict, learning_rate: float, device: str):
        self.xp, _ = choose_device(device)
        self.vae = minivae.conv_vae()
        for name, p in self.vae.params.items():
            p[...] = params[name]
        self.vae.to(self.xp)
        self.adam = minivae.Adam(self.vae.params, learning_rate)
        self.model = self._share()

    def _share(self):
        if self.xp is np:
            return Workers(self.vae, (28, 28, 1), cores(), max_batch=1024)
        return Recorded(self.vae)

    def step(self, x, eps) -> float:
        x, eps = move(x, self.xp), move(eps, self.xp)
        return float(train_step(self.model, self.adam, x, eps))

    def set_rate(self, rate: float) -> None:
        self.adam.learning_rate = rate

    def time_on_gpu(self, x, eps, times) -> list[float]:
        x, eps = move(x, self.xp), move(eps, self.xp)
        return time_on_gpu(
            self.xp, lambda: train_step(self.model, self.adam, x, eps), times)

    def elbo(self, images, eps) -> float:
        reconstruction, kl = evaluate(self.model, images, eps, 500)
        return reconstruction - kl

    def landscape(self, z):
        return to_numpy(self.model.decode(move(z, self.xp),
                                          apply_sigmoid=True))


class Eager(Contender):
    """On a GPU, with each operation asked for as the code comes to it."""

    NAME = "minivae, eager"

    def _share(self):
        return self.vae
