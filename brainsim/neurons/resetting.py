"""A voltage that is reset at a threshold: what the leaky neurons and `IF` share.

    reset "value": v <- v_reset;     "subtract": v <- v - (v_th - v_reset);     "none"

Units: mV.
"""

import equinox as eqx
import numpy as np

from .._params import concrete
from .._types import Array
from .base import Neuron

RESETS = ("value", "subtract", "none")


class Resetting(Neuron):
    """Base of the neurons with the parameters `v_th` and `v_reset` and the option `reset`, which they declare."""

    v_th: eqx.AbstractVar[Array]
    v_reset: eqx.AbstractVar[Array]
    reset: eqx.AbstractVar[str]

    def validate(self, dt: float) -> None:
        """Raise unless `v_reset` is below `v_th` everywhere."""
        low, high = concrete(self.v_reset), concrete(self.v_th)
        if low is None or high is None:
            return
        above = np.atleast_1d(low >= high)
        if above.any():
            at = int(np.argmax(above))
            low, high = (float(np.broadcast_to(np.atleast_1d(x), above.shape)[at]) for x in (low, high))
            raise ValueError(f"`v_reset` must be < `v_th` = {high:g} mV, got {low:g} mV at neuron {at}.")

    def fallen(self, v: Array) -> Array:
        """v after the reset that `reset` names."""
        if self.reset == "subtract":
            return v - (self.v_th - self.v_reset)
        return self.v_reset if self.reset == "value" else v

    def distance(self, v: Array, v_th: Array) -> Array:
        """(v - v_th) / (v_th0 - v_reset), with v_th0 the parameter `v_th`."""
        return (v - v_th) * (1 / (self.v_th - self.v_reset))
