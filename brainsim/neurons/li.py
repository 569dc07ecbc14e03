"""Leaky integrator without spikes: the usual readout; it emits its voltage.

    tau_mem dv/dt = -(v - v_rest) + R (i_bias + I + sum g (e_rev - v))

Units: ms, mV, pA, GOhm, pF.
"""

import dataclasses
from typing import ClassVar

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import ms, mV
from .base import Neuron
from .membrane import default_resistance, relax, resistance


class LI(Neuron):
    """Leaky integrator, `tau_mem dv/dt = -(v - v_rest) + r_mem i(v)`; emits v.

    Args:
        tau_mem: Membrane time constant (ms), > 0; default 20.
        v_rest: Resting voltage (mV), where it starts; default 0.
        r_mem: Membrane resistance (GOhm); default 1.
        c_mem: Membrane capacitance (pF) in place of `r_mem`, which is then tau_mem / c_mem.
        i_bias: Constant current (pA); default 0.
        trainable: Names of the parameters that train.
    """

    tau_mem: Array = param(20 * ms, positive=True, kind="time_constant")
    v_rest: Array = param(0 * mV)
    _: dataclasses.KW_ONLY
    r_mem: Array | None = param(None, unit="GOhm", positive=True)
    c_mem: Array | None = param(None, unit="pF", positive=True)

    states: ClassVar[dict[str, Value]] = {"v": "v_rest"}
    emits: ClassVar[str] = "v"

    def __post_init__(self):
        super().__post_init__()
        self.r_mem = default_resistance(self.r_mem, self.c_mem)
        if self.uses_refractory:
            raise ValueError("`t_ref`: LI has no spikes and hence no refractory time.")

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state, and v after it, `([batch], n)`."""
        r_mem = resistance(self.tau_mem, self.r_mem, self.c_mem)
        v = relax(state.v, drive, dt, tau_mem=self.tau_mem, v_rest=self.v_rest, r_mem=r_mem, i_bias=self.i_bias)
        v = v if drive.jump is None else v + drive.jump
        return State(v=v), v
