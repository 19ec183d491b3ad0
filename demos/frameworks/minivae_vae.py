"""minivae itself, on all cores, as demos/train_fashion.py uses it."""
import minivae
from minivae.extras.workers import Workers, cores
from minivae.train import evaluate, train_step

NAME = "minivae"


class Contender:
    """The tutorial's network, its batches shared by worker processes."""

    def __init__(self, params: dict, learning_rate: float):
        self.vae = minivae.conv_vae()
        for name, p in self.vae.params.items():
            p[...] = params[name]
        self.adam = minivae.Adam(self.vae.params, learning_rate)
        self.team = Workers(self.vae, (28, 28, 1), cores(), max_batch=1024)

    def step(self, x, eps) -> float:
        return float(train_step(self.team, self.adam, x, eps))

    def elbo(self, images, eps) -> float:
        reconstruction, kl = evaluate(self.team, images, eps, 500)
        return reconstruction - kl

    def landscape(self, z):
        return self.team.decode(z, apply_sigmoid=True)
