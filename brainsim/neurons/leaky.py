"""What LIF and AdaptiveLIF share: a leaky membrane with a threshold, a reset and a rest.

    tau_mem dv/dt = -(v - v_rest) + R i(v),     reset: see `resetting`

Units: ms, mV, pA, GOhm, pF.
"""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from .._params import is_zero, param
from .._types import Array, Drive, Value
from ..units import ms, mV
from .membrane import default_resistance, relax, resistance
from .resetting import RESETS, Resetting


class LeakyNeuron(Resetting):
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
