"""Rate unit: a leaky variable that emits a static function of itself, for networks of rates.

    tau dx/dt = -x + h + R i(x),       emits r = phi(x)
    phi = "linear": gain x      "threshold_linear": gain max(x, 0)      "tanh": tanh(gain x)

h is what arrives at the jump port in a step, held over it: a rate is no event, so that a projection with `Delta` and
the weights W makes tau dx/dt = -x + W r(t - delay). The step is exact. Units: ms; x, h and r without unit; 1 pA counts
as 1 with the default R = 1 GOhm. Wilson and Cowan, Biophys. J. 12 (1972) 1; Sompolinsky, Crisanti and Sommers, Phys.
Rev. Lett. 61 (1988) 259 (tanh).
"""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import GOhm, ms
from .base import Neuron
from .membrane import relax

ACTIVATIONS = {
    "linear": lambda gain, x: gain * x,
    "threshold_linear": lambda gain, x: gain * jnp.maximum(x, 0),
    "tanh": lambda gain, x: jnp.tanh(gain * x),
}


class RateUnit(Neuron):
    """Rate unit; emits `r`.

    Args:
        tau: Time constant (ms), > 0; default 10.
        activation: "tanh" (default), "threshold_linear" or "linear".
        gain: Slope of the activation at 0 (from above); default 1.
        r_mem: Gain R of currents (GOhm); default 1.
        i_bias: Constant input (pA); default 0.
        trainable: Names of the parameters that train.
    """

    tau: Array = param(10 * ms, positive=True, kind="time_constant")
    activation: str = eqx.field(static=True, default="tanh")
    gain: Array = param(1.0)
    _: dataclasses.KW_ONLY
    r_mem: Array = param(1 * GOhm, positive=True)

    states: ClassVar[dict[str, Value]] = {"x": 0.0}
    emits: ClassVar[str] = "r"

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("activation", self.activation, ACTIVATIONS)
        if self.uses_refractory:
            raise ValueError("`t_ref`: RateUnit has no spikes and hence no refractory time.")

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the rate after it, `([batch], n)`."""
        held = jnp.zeros_like(state.x) if drive.jump is None else drive.jump
        x = relax(state.x, drive, dt, tau_mem=self.tau, v_rest=held, r_mem=self.r_mem, i_bias=self.i_bias)
        return State(x=x), ACTIVATIONS[self.activation](self.gain, x)
