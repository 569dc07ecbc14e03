"""Leaky integrate-and-fire neuron with an exponential synaptic current of its own (current-based, "CUBA").

    tau_mem dv/dt = -(v - v_rest) + R (i + i_bias + I);     spike where v >= v_th; then v is reset
    port "jump": tau_syn di/dt = -i,  an input of x mV: i <- i + w_in x / R at the end of the step
    port "held": tau_syn di/dt = -i + w_in x,  the input x held over the step

Units: ms, mV, pA, GOhm, pF; as a jump, a weight of w mV is the voltage that the current would hold. The step is exact
(Rotter and Diesmann, Biol. Cybern. 81 (1999) 381). In a `Network` the current belongs to the projection
(`Exponential`); a layer has no projection, so that its neuron keeps it.
"""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import ms
from .leaky import LeakyNeuron


class CubaLIF(LeakyNeuron):
    """Leaky integrate-and-fire neuron whose input is filtered by an exponential synapse.

    Args:
        tau_mem, v_th, v_reset, v_rest: As in `LIF`.
        tau_syn: Time constant of the synaptic current (ms), > 0; default 5.
        w_in: Factor of the input; None, the default, for 1.
        port: "jump" or "held"; either arrives on the jump port.
        r_mem, c_mem, t_ref, i_bias, reset, surrogate, detach_reset, integrator, trainable: As in `LIF`.
    """

    tau_syn: Array = param(5 * ms, positive=True, kind="time_constant")
    w_in: Array | None = param(None, unit="")

    states: ClassVar[dict[str, Value]] = {"v": "v_rest", "i": 0.0}
    emits_surrogate: ClassVar[bool] = True
    ports: ClassVar[tuple[str, ...]] = ("jump", "held")

    def fed(self, x: Array) -> Drive:
        """The output `x` of a layer arrives on the jump port; `port` says what becomes of it."""
        return Drive(jump=x)

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms; a jump reaches the current, not the voltage. See `Neuron.step`."""
        if drive.jump is None:
            return super().step(state, drive, dt, key)
        x, drive = drive.jump if self.w_in is None else self.w_in * drive.jump, drive._replace(jump=None)
        if self.port == "jump":
            later, spikes = super().step(state, drive, dt, key)
            return later.replace(i=later.i + x / self.resistance), spikes
        drive = drive.merge(Drive(current=x))  # i - x decays, x stays
        later, spikes = super().step(state.replace(i=state.i - x), drive, dt, key)
        return later.replace(i=later.i + x), spikes

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """v and i after `dt` in closed form."""
        drive = drive._replace(decaying=(*drive.decaying, (s.i, self.tau_syn)))
        return dict(v=self.relaxed(s.v, drive, dt), i=s.i * jnp.exp(-dt / self.tau_syn))

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation and the decay of the current."""
        return dict(v=self.slope(s.v, lambda v: i(v) + s.i), i=-s.i / self.tau_syn)

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - v_reset)."""
        return self.distance(s.v, self.v_th)

    def after_spike(self, s: State) -> dict[str, Array]:
        """v after the reset."""
        return dict(v=self.fallen(s.v))
