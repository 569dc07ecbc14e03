"""STDP of triplets of spikes, which depends on rates as cortex does.

    pre spikes:   w <- w - W y1 (a2_minus + a3_minus x2),      x1, x2: traces of tau_plus and tau_x
    post spikes:  w <- w + W x1 (a2_plus  + a3_plus  y2),      y1, y2: traces of tau_minus and tau_y

with W = w_max - w_min and hard bounds; the slow trace of a neuron's own spikes is that just before the spike.
Pfister & Gerstner, J. Neurosci. 26 (2006) 9673, eqs. 3 and 4; defaults: their full model of visual cortex, all-to-all.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._params import param
from .._types import Array, State
from ..units import ms
from .base import Plasticity


class Triplet(Plasticity):
    """Triplet STDP; amplitudes are shares of w_max - w_min.

    Args:
        a2_plus: Potentiation by a pair.
        a2_minus: Depression by a pair.
        a3_plus: Potentiation by a triplet (post, pre, post).
        a3_minus: Depression by a triplet (pre, post, pre).
        tau_plus: Time constant of the fast presynaptic trace (ms), > 0.
        tau_minus: Time constant of the fast postsynaptic trace (ms), > 0.
        tau_x: Time constant of the slow presynaptic trace (ms), > 0.
        tau_y: Time constant of the slow postsynaptic trace (ms), > 0.
        pairing: "all" spikes, or the "nearest" only.
    """

    a2_plus: Array = param(5e-10)
    a2_minus: Array = param(7e-3)
    a3_plus: Array = param(6.2e-3)
    a3_minus: Array = param(2.3e-4)
    tau_plus: Array = param(16.8 * ms, positive=True, kind="time_constant")
    tau_minus: Array = param(33.7 * ms, positive=True, kind="time_constant")
    tau_x: Array = param(101.0 * ms, positive=True, kind="time_constant")
    tau_y: Array = param(125.0 * ms, positive=True, kind="time_constant")
    _: dataclasses.KW_ONLY
    pairing: str = eqx.field(static=True, default="all")

    pre: ClassVar[Mapping[str, str | None]] = {"x1": "tau_plus", "x2": "tau_x"}
    post: ClassVar[Mapping[str, str | None]] = {"y1": "tau_minus", "y2": "tau_y"}

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("pairing", self.pairing, ("all", "nearest"))

    def raised(self, traces: State, spikes: Array) -> State:
        """One more for each spike, or 1 at a spike where only the nearest counts."""
        if self.pairing == "all":
            return super().raised(traces, spikes)
        return State(**{name: jnp.where(spikes != 0, 1.0, getattr(traces, name)) for name in traces})

    def on_pre(self, w: Array, pre: State, post: State) -> Array:
        """Depression by pairs and by triplets pre-post-pre."""
        return w - (self.w_max - self.w_min) * post.y1 * (self.a2_minus + self.a3_minus * pre.x2)

    def on_post(self, w: Array, pre: State, post: State) -> Array:
        """Potentiation by pairs and by triplets post-pre-post."""
        return w + (self.w_max - self.w_min) * pre.x1 * (self.a2_plus + self.a3_plus * post.y2)
