"""What went wrong in a step: the first number that is not finite, by name."""
import numpy as np

from ...backend import Array, get_xp
from ...layers import sublayers
from ...optim import Adam, flatten
from ...vae import VAE, reparameterize


def diagnosis(error: FloatingPointError, vae: VAE, x: Array,
              eps: Array) -> FloatingPointError:
    """Return train_step's error with a word on where it began.

    Since vae has not changed then, the same x and eps go through it again.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return FloatingPointError(f"{error}; the first number that is not "
                                  f"finite is in {culprit(vae, x, eps)}")


def culprit(vae: VAE, x: Array, eps: Array) -> str:
    """Name the first thing in a forward pass that is not finite."""
    if not get_xp(eps).isfinite(eps).all():
        return "eps; draw it with vae.noise"
    for name, network in ("encoder", vae.encoder), ("decoder", vae.decoder):
        for i, layer in enumerate(sublayers(network) or [network]):
            x = layer.forward(x)
            if not get_xp(x).isfinite(x).all():
                return f"the output of {name}.{i}, {layer}"
        if network is vae.encoder:
            D = vae.latent_dim
            x = reparameterize(x[:, :D], x[:, D:], eps)
            if not get_xp(x).isfinite(x).all():
                return "z, whose log-variance is too large"
    return "the sum of its terms, or in backward"


def check_finite(adam: Adam) -> None:
    """Raise FloatingPointError if a parameter is not finite.

    A NaN never goes away: so it is enough to look now and then, before a loss
    is shown or parameters are saved.
    """
    vector = flatten(adam.params)
    if not get_xp(vector).isfinite(vector).all():
        names = [name for name, p in adam.params.items()
                 if not get_xp(p).isfinite(p).all()]
        raise FloatingPointError(
            f"before step {adam.t + 1}, {names[0]} is no longer finite; try a "
            f"learning rate below {adam.learning_rate:g}")
