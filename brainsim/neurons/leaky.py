"""What LIF and AdaptiveLIF share: a leaky membrane with a threshold, a reset and a rest.

    tau_mem dv/dt = -(v - v_rest) + R i(v)
    reset "value": v <- v_reset;     "subtract": v <- v - (v_th - v_reset);     "none"

Units: ms, mV, pA, GOhm, pF.
"""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from .._params import concrete, is_zero, param
from .._types import Array, Drive, Value
from ..units import ms, mV
from .base import Neuron
from .membrane import default_resistance, relax, resistance

RESETS = ("value", "subtract", "none")


class LeakyNeuron(Neuron):
    """A leaky membrane with a threshold; see `LIF` for the parameters."""

    tau_mem: Array = param(20 * ms, positive=True, kind="time_constant")
    v_th: Value = param(None, unit="mV", kind="threshold")
    v_reset: Array = param(0 * mV)
    v_rest: Array = param(0 * mV)
    _: dataclasses.KW_ONLY
    r_mem: Array | None = param(None, unit="GOhm", positive=True)
    c_mem: Array | None = param(None, unit="pF", positive=True)
    reset: str = eqx.field(static=True, default="value")
    integrator: str = eqx.field(static=True, default="exact")

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("reset", self.reset, RESETS)
        self.r_mem = default_resistance(self.r_mem, self.c_mem)
        if self.v_th is None:
            for name in ("v_rest", "v_reset"):
                value = getattr(self, name)
                if not is_zero(value):
                    shown = f"{value:g} mV" if np.isscalar(value) else "given"
                    raise ValueError(
                        f"`v_th` is 1 mV (its default for normalised models) but `{name}` is {shown}: give `v_th`."
                    )
            self.v_th = 1.0

    def validate(self, dt: float) -> None:
        """Raise unless `v_reset` is below `v_th` everywhere."""
        low, high = concrete(self.v_reset), concrete(self.v_th)
        if low is None or high is None:
            return
        above = np.atleast_1d(low >= high)
        if above.any():
            at = int(np.argmax(above))
            low, high = (float(np.broadcast_to(np.atleast_1d(x), above.shape)[at]) for x in (low, high))
            raise ValueError(f"`v_reset` must be < `v_th` = {high:g} mV, got {low:g} mV at neuron {at}.")

    @property
    def resistance(self) -> Array:
        """Membrane resistance (GOhm), given or tau_mem / c_mem."""
        return resistance(self.tau_mem, self.r_mem, self.c_mem)

    def relaxed(self, v: Array, drive: Drive, dt: float) -> Array:
        """v after `dt`, exactly; see `relax`."""
        return relax(v, drive, dt, tau_mem=self.tau_mem, v_rest=self.v_rest, r_mem=self.resistance, i_bias=self.i_bias)

    def slope(self, v: Array, i: Any) -> Array:
        """dv/dt (mV/ms)."""
        return (self.v_rest - v + self.resistance * i(v)) / self.tau_mem

    def fallen(self, v: Array) -> Array:
        """v after the reset that `reset` names."""
        if self.reset == "subtract":
            return v - (self.v_th - self.v_reset)
        return self.v_reset if self.reset == "value" else v

    def distance(self, v: Array, v_th: Array) -> Array:
        """(v - v_th) / (v_th0 - v_reset), with v_th0 the parameter `v_th`."""
        return (v - v_th) * (1 / (self.v_th - self.v_reset))
