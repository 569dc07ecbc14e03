"""Quadratic integrate-and-fire neuron (QIF): the normal form of a neuron that begins to fire at any low rate.

    tau_mem dv/dt = k (v - v_rest) (v - v_crit) + R i(v)
    spike where v >= v_th; then v = v_reset, and v stays there for t_ref

Above the current at which both fixed points vanish, R I > k (v_crit - v_rest)^2 / 4, the time between two spikes is

    t_ref + tau_mem / sqrt(k D) [arctan(sqrt(k / D) (v - v_m))] from v_reset to v_th
    v_m = (v_rest + v_crit) / 2,     D = R I - k (v_crit - v_rest)^2 / 4

Units: ms, mV, pA, GOhm, pF; k in 1/mV. Ermentrout and Kopell, SIAM J. Appl. Math. 46 (1986) 233; Latham, Richmond,
Nelson and Nirenberg, J. Neurophysiol. 83 (2000) 808; in this form Gerstner, Kistler, Naud and Paninski, "Neuronal
Dynamics" (2014), eq. 5.16.
"""

import dataclasses
from typing import Any, ClassVar

from .._params import param
from .._types import Array, State, Value
from ..units import ms, mV
from .base import Neuron
from .membrane import default_resistance, resistance


class QIF(Neuron):
    """Quadratic integrate-and-fire neuron, `tau_mem dv/dt = curvature (v - v_rest) (v - v_crit) + r_mem i(v)`.

    Args:
        tau_mem: Time constant (ms), > 0; default 10. At rest the membrane relaxes with tau_mem / (k (v_crit - v_rest)).
        v_rest: Stable fixed point without input (mV), where the neuron starts; default -65.
        v_crit: Unstable fixed point without input (mV), above which v runs away; default -50.
        v_th: Voltage at which the run-away is a spike (mV); default -30.
        v_reset: Voltage after a spike (mV); default -65.
        curvature: k (1/mV), > 0; default 1/15, for which the time constant at rest is tau_mem.
        t_ref: Absolute refractory time (ms), a multiple of dt; default 0.
        r_mem: Resistance (GOhm); default 1.
        c_mem: Capacitance (pF) in place of `r_mem`, which is then tau_mem / c_mem.
        i_bias, surrogate, detach_reset, integrator, precise_times, trainable: See `Neuron`.
    """

    tau_mem: Array = param(10 * ms, positive=True, kind="time_constant")
    v_rest: Array = param(-65 * mV)
    v_crit: Array = param(-50 * mV)
    v_th: Array = param(-30 * mV, kind="threshold")
    v_reset: Array = param(-65 * mV)
    curvature: Array = param(1 / 15, unit="1/mV", positive=True)
    _: dataclasses.KW_ONLY
    r_mem: Array | None = param(None, unit="GOhm", positive=True)
    c_mem: Array | None = param(None, unit="pF", positive=True)

    states: ClassVar[dict[str, Value]] = {"v": "v_rest"}

    def __post_init__(self):
        super().__post_init__()
        self.r_mem = default_resistance(self.r_mem, self.c_mem)

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation."""
        drive = resistance(self.tau_mem, self.r_mem, self.c_mem) * i(s.v)
        return dict(v=(self.curvature * (s.v - self.v_rest) * (s.v - self.v_crit) + drive) / self.tau_mem)

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - v_reset)."""
        return (s.v - self.v_th) / (self.v_th - self.v_reset)

    def reset(self, s: State) -> dict[str, Array]:
        """v after a spike."""
        return dict(v=self.v_reset)
