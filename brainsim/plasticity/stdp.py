"""Spike-timing-dependent plasticity of pairs of spikes.

    pre spikes:   w <- w - W a_minus f_-(w) y          y, x: traces of the post- and presynaptic spikes
    post spikes:  w <- w + W a_plus  f_+(w) x          W = w_max - w_min,  u = (w - w_min) / W
    f_+ = (1 - u)^mu,  f_- = u^mu                      mu = 0: hard bounds, additive;  mu = 1: soft, multiplicative

so that a pair with a time t = t_post - t_pre apart changes w by W a_plus f_+ exp(-t / tau_plus) where t > 0 and by
-W a_minus f_- exp(t / tau_minus) where t < 0. Traces add up over all spikes ("all"), or start from 1 at each
spike, so that only the nearest spike of the other side counts ("nearest", symmetric).
Song, Miller & Abbott, Nat. Neurosci. 3 (2000) 919 (mu = 0); van Rossum, Bi & Turrigiano, J. Neurosci. 20 (2000)
8812; Guetig et al., J. Neurosci. 23 (2003) 3697 (any mu); Morrison, Diesmann & Gerstner, Biol. Cybern. 98 (2008)
459 (pairings).
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

_EXPONENTS = {"hard": 0.0, "soft": 1.0}


class STDP(Plasticity):
    """Pair STDP; amplitudes are shares of w_max - w_min.

    Args:
        a_plus: Potentiation by a pair at time 0.
        a_minus: Depression by a pair at time 0.
        tau_plus: Time constant of potentiation (ms), > 0.
        tau_minus: Time constant of depression (ms), > 0.
        pairing: "all" pairs of spikes, or each spike with the "nearest" one of the other side.
        bound: "hard" (mu = 0), "soft" (mu = 1) or "power", which takes `mu`.
        mu: Exponent of the dependence on the weight, with `bound="power"`.
    """

    a_plus: Array = param(0.01)
    a_minus: Array = param(0.0105)
    tau_plus: Array = param(20.0 * ms, positive=True, kind="time_constant")
    tau_minus: Array = param(20.0 * ms, positive=True, kind="time_constant")
    _: dataclasses.KW_ONLY
    pairing: str = eqx.field(static=True, default="all")
    bound: str = eqx.field(static=True, default="hard")
    mu: float | None = eqx.field(static=True, default=None)

    pre: ClassVar[Mapping[str, str | None]] = {"x": "tau_plus"}
    post: ClassVar[Mapping[str, str | None]] = {"y": "tau_minus"}

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("pairing", self.pairing, ("all", "nearest"))
        _checks.choice("bound", self.bound, (*_EXPONENTS, "power"))
        if (self.mu is not None) != (self.bound == "power"):
            raise ValueError(f'`mu`: the exponent of `bound="power"`, got {self.mu} with "{self.bound}".')
        if self.mu is not None and not self.mu >= 0:
            raise ValueError(f"`mu`: expected an exponent >= 0, got {self.mu}.")

    def raised(self, traces: State, spikes: Array) -> State:
        """One more for each spike, or 1 at a spike where only the nearest counts."""
        if self.pairing == "all":
            return super().raised(traces, spikes)
        return State(**{name: jnp.where(spikes != 0, 1.0, getattr(traces, name)) for name in traces})

    def on_pre(self, w: Array, pre: State, post: State) -> Array:
        """Depression by what the postsynaptic neuron has fired."""
        return w - self.a_minus * self.room(w - self.w_min) * post.y

    def on_post(self, w: Array, pre: State, post: State) -> Array:
        """Potentiation by what the presynaptic neuron has fired."""
        return w + self.a_plus * self.room(self.w_max - w) * pre.x

    def room(self, distance: Array) -> Array:
        """W (distance / W)^mu, where `distance` is that to the bound ahead."""
        exponent, width = _EXPONENTS.get(self.bound, self.mu), self.w_max - self.w_min
        assert exponent is not None
        if exponent == 0.0:
            return width
        return distance if exponent == 1.0 else width * (distance / width) ** exponent
