"""Leaky integrator with an exponential synaptic current of its own, without spikes; it emits its voltage.

    tau_mem dv/dt = -(v - v_rest) + R (i + i_bias + I),     i and its input: see `cuba_lif`

Units: ms, mV, pA, GOhm, pF.
"""

from typing import ClassVar

import jax.numpy as jnp

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import ms
from .li import LI
from .membrane import resistance


class CubaLI(LI):
    """Leaky integrator whose input is filtered by an exponential synapse; emits v.

    Args:
        tau_mem, v_rest, r_mem, c_mem, i_bias, trainable: As in `LI`.
        tau_syn: Time constant of the synaptic current (ms), > 0; default 5.
        w_in: Factor of the input; None, the default, for 1.
        port: "jump" or "held", as in `CubaLIF`.
    """

    tau_syn: Array = param(5 * ms, positive=True, kind="time_constant")
    w_in: Array | None = param(None, unit="")

    states: ClassVar[dict[str, Value]] = {"v": "v_rest", "i": 0.0}
    ports: ClassVar[tuple[str, ...]] = ("jump", "held")

    def fed(self, x: Array) -> Drive:
        """The output `x` of a layer arrives on the jump port; `port` says what becomes of it."""
        return Drive(jump=x)

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms; a jump reaches the current, not the voltage. See `Neuron.step`."""
        x = drive.jump if drive.jump is None or self.w_in is None else self.w_in * drive.jump
        held = x if self.port == "held" else None
        start = state.i if held is None else state.i - held  # what decays
        drive = drive._replace(jump=None).merge(Drive(current=held, decaying=((start, self.tau_syn),)))
        later, v = super().step(state, drive, dt, key)
        i = start * jnp.exp(-dt / self.tau_syn)
        if x is not None:
            i = i + (x / resistance(self.tau_mem, self.r_mem, self.c_mem) if held is None else held)
        return State(v=later.v, i=i), v
