"""Multi-timescale adaptive threshold (MAT) model: a leaky membrane that nothing resets, and a threshold that jumps.

    tau_mem dv/dt = -(v - v_rest) + R i(v)
    theta(t) = v_th + th_1 + th_2,     d th_j/dt = -th_j / tau_j
    spike where v >= theta and the last spike is t_ref ago; then th_j <- th_j + alpha_j

v goes on through a spike, also while the neuron is refractory. The step is exact. Units: ms, mV, pA, GOhm, pF.
Kobayashi, Tsubo and Shinomoto, Front. Comput. Neurosci. 3 (2009) 9, regular spiking values; order of a step and
defaults as in NEST's mat2_psc_exp, where the threshold `omega` is our `v_th`.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from .._params import param
from .._types import Array, Drive, State, Value
from ..units import ms, mV, pF
from .base import Neuron
from .membrane import relax


class MAT2(Neuron):
    """Leaky integrator with a threshold of two time scales, without a reset.

    Args:
        tau_mem: Membrane time constant (ms), > 0; default 5.
        c_mem: Capacitance (pF), > 0; default 100. The resistance is tau_mem / c_mem.
        v_rest: Resting voltage (mV), where the neuron starts; default -70.
        v_th: Threshold at rest (mV), omega in the paper; default -51.
        tau_1, tau_2: Time constants of the threshold's parts (ms), > 0; default 10 and 200.
        alpha_1, alpha_2: Their rise at a spike (mV); default 37 and 2.
        t_ref: Time without spikes after a spike (ms), a multiple of dt; default 2.
        integrator: "exact" (default), or one of those of `Neuron`.
        i_bias, surrogate, detach_reset, precise_times, trainable: See `Neuron`.
    """

    tau_mem: Array = param(5 * ms, positive=True, kind="time_constant")
    c_mem: Array = param(100 * pF, positive=True)
    v_rest: Array = param(-70 * mV)
    v_th: Array = param(-51 * mV, kind="threshold")
    tau_1: Array = param(10 * ms, positive=True, kind="time_constant")
    tau_2: Array = param(200 * ms, positive=True, kind="time_constant")
    alpha_1: Array = param(37 * mV)
    alpha_2: Array = param(2 * mV)
    _: dataclasses.KW_ONLY
    t_ref: Array = param(2 * ms, low=0)
    integrator: str = eqx.field(static=True, default="exact")

    holds: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[dict[str, Value]] = {"v": "v_rest", "th_1": 0 * mV, "th_2": 0 * mV}

    @property
    def resistance(self) -> Array:
        """Membrane resistance (GOhm)."""
        return self.tau_mem / self.c_mem

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """v and both parts of the threshold after `dt` in closed form."""
        parts = dict(tau_mem=self.tau_mem, v_rest=self.v_rest, r_mem=self.resistance, i_bias=self.i_bias)
        return dict(
            v=relax(s.v, drive, dt, **parts),
            th_1=s.th_1 * jnp.exp(-dt / self.tau_1),
            th_2=s.th_2 * jnp.exp(-dt / self.tau_2),
        )

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation and the decay of the threshold."""
        dv = (self.v_rest - s.v + self.resistance * i(s.v)) / self.tau_mem
        return dict(v=dv, th_1=-s.th_1 / self.tau_1, th_2=-s.th_2 / self.tau_2)

    def overdrive(self, s: State) -> Array:
        """(v - v_th - th_1 - th_2) / (v_th - v_rest)."""
        return (s.v - (self.v_th + s.th_2 + s.th_1)) / (self.v_th - self.v_rest)

    def reset(self, s: State) -> dict[str, Array]:
        """Both parts of the threshold after a spike."""
        return dict(th_1=s.th_1 + self.alpha_1, th_2=s.th_2 + self.alpha_2)
