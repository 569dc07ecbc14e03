"""NMDA synapse: a slow conductance that the voltage unblocks, linear or with a gate that saturates.

    I = g B(v) (e_rev - v),      B(v) = 1 / (1 + exp(-0.062 v) [Mg] / 3.57),    v in mV, [Mg] in mM

Linear (alpha None): g is the difference of exponentials of `DualExponential`, and `weight` is the peak of g.
Saturating: every presynaptic neuron has a gate s, and g_i = sum_j w_ij s_j, so that `weight` is the conductance of an
open gate:

    dx_j/dt = -x_j / tau_rise + sum_k delta(t - t_k),      ds_j/dt = -s_j / tau_decay + alpha x_j (1 - s_j)

With m = alpha times the mean of x over the step, s relaxes to m / (m + 1 / tau_decay) at the rate m + 1 / tau_decay (of
order 2 in dt, and exact between bursts of x). What crosses is what a gate opens in a step beyond its decay,
s(t + dt) - s(t) exp(-dt / tau_decay), and g decays with tau_decay: the sum is the same, and gates of neurons that have
been silent for some time cost nothing. A gate counts as silent once x is below the rounding of 1.

The voltage is that at the start of the step, and g B(v) is held over the step. Jahr & Stevens, J. Neurosci. 10 (1990)
3178; Wang, J. Neurosci. 19 (1999) 9587; Wang, Neuron 36 (2002) 955.
"""

from typing import ClassVar

import jax.numpy as jnp

from .._params import concrete, param
from .._streams import Stream
from .._types import Array, Drive, State
from .base import Synapse
from .dual_exponential import rise_before_decay, risen


class NMDA(Synapse):
    """NMDA conductance (state `g`, nS, without the block).

    Args:
        tau_rise: Time constant of the rise (ms), > 0 and < `tau_decay`.
        tau_decay: Time constant of the decay (ms).
        e_rev: Reversal potential (mV).
        mg: Concentration of magnesium outside (mM); 0 takes the block away.
        alpha: Rate at which x opens the gate (1/ms), 0.5 in Wang's networks; None: linear, without saturation. With a
            gate, `tau_rise`, `tau_decay` and `alpha` are one number each.
        trainable: Names of parameters that training may change.
    """

    tau_rise: Array = param(2.0, positive=True, kind="time_constant", unit="ms")
    tau_decay: Array = param(100.0, positive=True, kind="time_constant", unit="ms")
    e_rev: Array = param(0.0, unit="mV")
    mg: Array = param(1.0, unit="mM", low=0)
    alpha: Array | None = param(None, unit="1/ms", positive=True)

    reads_voltage: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        rise_before_decay(self.tau_rise, self.tau_decay)
        for name in ("tau_rise", "tau_decay", "alpha") if self.saturates else ():
            known = concrete(getattr(self, name))
            if known is None or known.ndim:
                raise ValueError(f"`{name}`: expected one number, for a gate belongs to a presynaptic neuron.")

    @property
    def saturates(self) -> bool:
        """Whether presynaptic neurons have gates."""
        return self.alpha is not None

    @property
    def port(self) -> str:
        """What gates open adds to g; without gates arrivals make g rise."""
        return "g" if self.saturates else "rise"

    @property
    def weight_unit(self) -> str:
        """Nanosiemens."""
        return "nS"

    @property
    def weight_low(self) -> float | None:
        """A conductance is never negative."""
        return 0.0

    def state_units(self) -> dict[str, str]:
        """g, and without gates what makes it rise."""
        return {"g": "nS"} if self.saturates else {"rise": "nS", "g": "nS"}

    def terminal_units(self) -> dict[str, str]:
        """s and x of every presynaptic neuron."""
        return {"gate": "", "gate_rise": ""} if self.saturates else {}

    def transmit(self, state: State, emitted: Array, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """What gates open in the step; spikes at its end reach x."""
        if not self.saturates:
            return state, emitted
        kept = jnp.exp(-dt / self.tau_rise)
        opening = self.alpha * (state.gate_rise * ((1 - kept) * self.tau_rise / dt))
        shut, decay = -jnp.expm1(-dt * opening), jnp.exp(-dt / self.tau_decay)
        steady = opening / (opening + 1 / self.tau_decay)
        opened = steady * (1 - decay * (1 - shut)) - state.gate * decay * shut
        rise = state.gate_rise * kept
        rise = jnp.where(rise < jnp.finfo(rise.dtype).eps, 0, rise) + emitted
        return state.replace(gate=state.gate * decay + opened, gate_rise=rise), opened

    def unblocked(self, v: Array) -> Array:
        """B(v), the share of channels without magnesium."""
        return 1 / (1 + jnp.exp(-0.062 * v) * (self.mg / 3.57))

    def drive(self, state: State, v: Array | None = None) -> Drive:
        """g B(v) at the start of the step, held over it."""
        if v is None:
            raise ValueError("`v`: NMDA needs the postsynaptic voltage (mV).")
        conductance = state.g * self.unblocked(v)
        return Drive(conductance=conductance, reversal=conductance * self.e_rev)

    def advance(self, state: State, dt: float) -> State:
        """Exact over the step."""
        if self.saturates:
            return state.replace(g=state.g * jnp.exp(-dt / self.tau_decay))
        rise, g = risen(state.rise, state.g, self.tau_rise, self.tau_decay, dt)
        return state.replace(rise=rise, g=g)
