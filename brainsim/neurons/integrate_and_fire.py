"""Integrate-and-fire neuron without leak.

    dv/dt = gain (i_bias + I + sum g (e_rev - v));     spike where v >= v_th; then v is reset

Units: ms, mV, pA, nS; the gain, 1 / C, in mV per pA ms (1/pF). Exponential Euler is exact for it. Pedersen et al., Nat.
Commun. 15 (2024) 8122 (NIR's `IF`).
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx

from .. import _checks
from .._params import param
from .._types import Array, State, Value
from ..units import mV
from .resetting import RESETS, Resetting


class IF(Resetting):
    """Integrate-and-fire neuron, `dv/dt = gain i(v)`; v starts at 0.

    Args:
        v_th: Threshold (mV); default 1.
        v_reset: Voltage after a spike (mV), below `v_th`; default 0.
        gain: Rise of the voltage (mV per pA ms), the reciprocal of a capacitance; default 1.
        reset: "value" (v = v_reset), "subtract" (v falls by v_th - v_reset) or "none".
        t_ref, i_bias, surrogate, detach_reset, integrator, port, trainable: See `Neuron`.
    """

    v_th: Array = param(1 * mV, kind="threshold")
    v_reset: Array = param(0 * mV)
    _: dataclasses.KW_ONLY
    gain: Array = param(1.0)
    reset: str = eqx.field(static=True, default="value")

    states: ClassVar[dict[str, Value]] = {"v": 0.0}

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("reset", self.reset, RESETS)

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The equation of the voltage."""
        return dict(v=self.gain * i(s.v))

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - v_reset)."""
        return self.distance(s.v, self.v_th)

    def after_spike(self, s: State) -> dict[str, Array]:
        """v after the reset."""
        return dict(v=self.fallen(s.v))
