"""Izhikevich's neurons: a quadratic membrane with a recovery variable, in the forms of 2003 and of 2007.

    2003:   dv/dt = 0.04 v^2 + 5 v + 140 - u + i(v),                 du/dt = a (b v - u)
    2007:   C dv/dt = k (v - v_rest) (v - v_t) - u + i(v),           du/dt = a (b (v - v_rest) - u)
    spike where v >= v_th; then v <- v_reset (Izhikevich's c), u <- u + d

integrator "published" is the scheme of the program of 2003: v in two Euler steps of dt / 2 with u held, then u in one
Euler step with the new v. The published patterns belong to it and to dt = 1 ms; the other integrators solve the same
equations. In the form of 2003 numbers stand for mV, ms and, as the current, for mV/ms. Units: ms, mV, pA, pF; u in
mV/ms (2003) or pA (2007). Izhikevich, IEEE Trans. Neural Netw. 14 (2003) 1569; Izhikevich, "Dynamical Systems in
Neuroscience" (2007), eqs. 8.5, 8.6.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import mV, nS, pA, pF
from .base import Neuron
from .integrate import synaptic_current


class RecoveringNeuron(Neuron):
    """What both forms share: the reset, the published integrator, and the parameters as they are in 2003."""

    a: Array = param(0.02, unit="1/ms")
    b: Array = param(0.2, unit="1/ms")
    v_reset: Array = param(-65 * mV)
    d: Array = param(8.0, unit="mV/ms")
    v_th: Array = param(30 * mV, kind="threshold")

    def integrators(self) -> tuple[str, ...]:
        """Those of `Neuron`, and "published" where there is no noise."""
        return super().integrators() if self._noisy else ("published", *super().integrators())

    def integrate(self, state: State, drive: Drive, dt: float, key: Stream | None) -> dict[str, Array]:
        """v and u after `dt`; see `Neuron.integrate`."""
        if self.integrator != "published":
            return super().integrate(state, drive, dt, key)
        half, middle = self._half(state, drive, dt, 0.0), dt / 2
        later = self._half(state.replace(v=half), drive, dt, middle)
        slope = self.drift(State(v=later, u=state.u), synaptic_current(self.i_bias, drive, dt, 0.0))
        return dict(v=later, u=state.u + dt * slope["u"])

    def _half(self, state: State, drive: Drive, dt: float, time: Any) -> Array:
        slope = self.drift(State(v=state.v, u=state.u), synaptic_current(self.i_bias, drive, dt, time))
        return state.v + dt / 2 * slope["v"]

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - v_reset)."""
        return (s.v - self.v_th) / (self.v_th - self.v_reset)

    def reset(self, s: State) -> dict[str, Array]:
        """v after a spike, and u + d."""
        return dict(v=self.v_reset, u=s.u + self.d)


class Izhikevich(RecoveringNeuron):
    """Izhikevich's neuron of 2003.

    Args:
        a: Rate of recovery (1/ms); default 0.02. The defaults are those of regular spiking.
        b: Sensitivity of u to v (1/ms); default 0.2.
        v_reset: Voltage after a spike (mV), c in the paper; default -65.
        d: Rise of u at a spike (mV/ms); default 8.
        v_th: Voltage of a spike's peak (mV); default 30.
        integrator: "published" (default), or one of those of `Neuron`.
        t_ref, i_bias, surrogate, detach_reset, precise_times, trainable: See `Neuron`.
    """

    _: dataclasses.KW_ONLY
    integrator: str = eqx.field(static=True, default="published")

    states: ClassVar[dict[str, Value]] = {"v": -70 * mV, "u": -14.0}

    def state_units(self) -> dict[str, str]:
        """Base unit of each state."""
        return super().state_units() | {"u": "mV/ms"}

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The two equations; 1 pA counts as 1 mV/ms."""
        return dict(v=0.04 * (s.v * s.v) + 5 * s.v + 140 - s.u + i(s.v), u=self.a * (self.b * s.v - s.u))


class Izhikevich2007(RecoveringNeuron):
    """Izhikevich's neuron of 2007, with a capacitance and currents in pA.

    Args:
        a: Rate of recovery (1/ms); default 0.03. The defaults are those of a regular spiking pyramidal cell.
        b: Sensitivity of u to v (nS); default -2.
        v_reset: Voltage after a spike (mV), c in the book; default -50.
        d: Rise of u at a spike (pA); default 100.
        v_th: Voltage of a spike's peak (mV), v_peak in the book; default 35.
        c_mem: Capacitance C (pF), > 0; default 100.
        k: Curvature (nS/mV), > 0; default 0.7.
        v_rest: Resting voltage v_r (mV), where the neuron starts; default -60.
        v_t: Instantaneous threshold v_t (mV); default -40.
        integrator: "exp_euler" (default), "published", or another of those of `Neuron`.
        t_ref, i_bias, surrogate, detach_reset, precise_times, trainable: See `Neuron`.
    """

    a: Array = param(0.03, unit="1/ms")
    b: Array = param(-2 * nS)
    v_reset: Array = param(-50 * mV)
    d: Array = param(100 * pA)
    v_th: Array = param(35 * mV, kind="threshold")
    c_mem: Array = param(100 * pF, positive=True)
    k: Array = param(0.7, unit="nS/mV", positive=True)
    v_rest: Array = param(-60 * mV)
    v_t: Array = param(-40 * mV, kind="threshold")

    states: ClassVar[dict[str, Value]] = {"v": "v_rest", "u": 0 * pA}

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The two equations."""
        dv = (self.k * (s.v - self.v_rest) * (s.v - self.v_t) - s.u + i(s.v)) / self.c_mem
        return dict(v=dv, u=self.a * (self.b * (s.v - self.v_rest) - s.u))
