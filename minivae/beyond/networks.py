"""A model of several networks: their parameters in one dict, as in a VAE."""
from collections.abc import Iterable
from types import ModuleType

from ..checks.networks import Grads, Params
from ..layers import Layer, by_name


class Networks:
    """What VQVAE and TwoLevels share; each names its networks."""

    def _networks(self) -> Iterable[tuple[str, Layer]]:
        raise NotImplementedError

    @property
    def params(self) -> dict:
        """All that Adam steps: "top.0.w", ..., the layers' own arrays."""
        return Params(by_name("params", self._networks()))

    @property
    def grads(self) -> dict:
        """Their gradients at the last loss_and_grads, by the same names."""
        return Grads(by_name("grads", self._networks()), self.params)

    def to(self, xp: ModuleType) -> "Networks":
        """Move all arrays to xp, numpy or cupy, and return self."""
        for _, network in self._networks():
            network.to(xp)
        return self
