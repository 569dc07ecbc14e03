"""Inhibitory plasticity that brings every postsynaptic neuron to a target rate.

    pre spikes:   w <- w + eta (y - alpha),       x, y: traces of one time constant tau
    post spikes:  w <- w + eta x,                 alpha = 2 rate tau

Near-coincident spikes strengthen an inhibitory synapse, a presynaptic spike alone weakens it; at the rate `rate`
the two balance. Vogels, Sprekeler, Zenke, Clopath & Gerstner, Science 334 (2011) 1569.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from .._params import param
from .._types import Array, State
from ..units import Hz, ms
from .base import Plasticity


class VogelsSprekeler(Plasticity):
    """Homeostatic inhibitory STDP.

    Args:
        eta: Change by a pair at time 0 (unit of the weight).
        rate: Rate that the postsynaptic neurons are brought to (Hz).
        tau: Time constant of the traces (ms), > 0.
    """

    eta: Array = param(unit="")
    rate: Array = param(5.0 * Hz, low=0)
    tau: Array = param(20.0 * ms, positive=True, kind="time_constant")
    _: dataclasses.KW_ONLY

    in_weight_unit: ClassVar[tuple[str, ...]] = ("w_max", "w_min", "eta")
    pre: ClassVar[Mapping[str, str | None]] = {"x": "tau"}
    post: ClassVar[Mapping[str, str | None]] = {"y": "tau"}

    def on_pre(self, w: Array, pre: State, post: State) -> Array:
        """Stronger with a postsynaptic spike nearby, weaker without."""
        return w + self.eta * (post.y - 2 * self.rate * self.tau / 1000)

    def on_post(self, w: Array, pre: State, post: State) -> Array:
        """Stronger with a presynaptic spike nearby."""
        return w + self.eta * pre.x
