"""Adaptive leaky integrate-and-fire neuron: each spike raises the threshold for a while (ALIF).

    tau_mem dv/dt = -(v - v_rest) + R i(v),     tau_adapt da/dt = -a
    spike where v >= v_th + beta_adapt a; then v is reset and a <- a + 1

Units: ms, mV, pA, GOhm; a counts spikes. Bellec et al., NeurIPS 2018, normalised as in Bellec et al., Nat. Commun. 11
(2020) 3625.
"""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._params import param
from .._types import Array, Drive, State, Value
from ..units import ms, mV
from .leaky import LeakyNeuron


class AdaptiveLIF(LeakyNeuron):
    """Leaky integrate-and-fire neuron with the threshold v_th + beta_adapt a, where a decays and rises by 1 a spike.

    Args:
        tau_mem, v_th, v_reset, v_rest: As in `LIF`.
        tau_adapt: Time constant of the adaptation (ms), > 0; default 200.
        beta_adapt: Rise of the threshold per spike (mV); default 0.2.
        r_mem, c_mem, t_ref, i_bias, reset, surrogate, detach_reset, integrator, trainable: As in `LIF`.
    """

    tau_adapt: Array = param(200 * ms, positive=True, kind="time_constant")
    beta_adapt: Array = param(0.2 * mV, kind="threshold")

    states: ClassVar[dict[str, Value]] = {"v": "v_rest", "a": 0.0}

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """v and a after `dt` in closed form."""
        return dict(v=self.relaxed(s.v, drive, dt), a=s.a * jnp.exp(-dt / self.tau_adapt))

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation and the decay of a."""
        return dict(v=self.slope(s.v, i), a=-s.a / self.tau_adapt)

    def overdrive(self, s: State) -> Array:
        """(v - v_th - beta_adapt a) / (v_th - v_reset)."""
        return self.distance(s.v, self.v_th + self.beta_adapt * s.a)

    def after_spike(self, s: State) -> dict[str, Array]:
        """v after the reset, and a + 1."""
        return dict(v=self.fallen(s.v), a=s.a + 1)
