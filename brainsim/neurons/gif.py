"""Generalised integrate-and-fire neuron (GIF): spike-triggered currents, a moving threshold, and spikes by chance.

    C dv/dt = -g (v - E) - sum_j eta_j + i(v),        d eta_j/dt = -eta_j / tau_stc_j
    theta = v_th + sum_j gamma_j,                     d gamma_j/dt = -gamma_j / tau_sfa_j
    h = lambda_0 exp((v - theta) / delta_v),          a spike within dt with probability 1 - exp(-h dt); then
    v <- v_reset for t_ref,     eta_j <- eta_j + q_stc_j,     gamma_j <- gamma_j + q_sfa_j

Up to three of each, as fits of recordings have; those that are not given do not exist. The step is exact, eta_j within
it as well; in NEST's gif_psc_exp it is held, and theta is that of the step's start: differences of order dt. Units: ms,
mV, pA, nS, pF, Hz. Mensi, Naud, Pozzorini, Avermann, Petersen and Gerstner, J. Neurophysiol. 107 (2012) 1756;
Pozzorini, Mensi, Hagens, Naud, Koch and Gerstner, PLoS Comput. Biol. 11 (2015) e1004275. Defaults are NEST's.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .._params import param
from .._types import Array, Drive, State, Value
from ..units import Hz, ms, mV, nS, pF
from .base import Neuron
from .membrane import relax
from .surrogate import Surrogate

KERNELS = ("1", "2", "3")


class GIF(Neuron):
    """Generalised integrate-and-fire neuron; without kernels, a leaky one with escape noise.

    Args:
        c_mem: Capacitance (pF), > 0; default 80.
        g_leak: Leak conductance (nS), > 0; default 4.
        e_leak: Reversal potential of the leak (mV), where the neuron starts; default -70.
        v_reset: Voltage after a spike (mV); default -55.
        v_th: Threshold at rest (mV), V_T* in the papers; default -35.
        delta_v: Rise of v that multiplies the rate of spikes by e (mV), > 0; default 0.5.
        lambda_0: Rate of spikes at the threshold (Hz), > 0; default 1.
        tau_stc_1, q_stc_1: Time constant (ms) and rise at a spike (pA, > 0 hyperpolarises) of a spike-triggered
            current; likewise 2 and 3. By default there is none.
        tau_sfa_1, q_sfa_1: Time constant (ms) and rise at a spike (mV) of a part of the threshold; likewise 2 and 3.
        t_ref: Absolute refractory time (ms), a multiple of dt; default 4.
        surrogate: Derivative of a spike by its chance; the default 1, "straight_through", is that of the mean spike.
        integrator: "exact" (default), or one of those of `Neuron`.
        i_bias, detach_reset, trainable: See `Neuron`.

    Raises:
        ValueError: A time constant without its rise or the reverse.
    """

    c_mem: Array = param(80 * pF, positive=True)
    g_leak: Array = param(4 * nS, positive=True)
    e_leak: Array = param(-70 * mV)
    v_reset: Array = param(-55 * mV)
    v_th: Array = param(-35 * mV, kind="threshold")
    delta_v: Array = param(0.5 * mV, positive=True)
    lambda_0: Array = param(1 * Hz, positive=True)
    _: dataclasses.KW_ONLY
    tau_stc_1: Array | None = param(None, unit="ms", positive=True, kind="time_constant")
    q_stc_1: Array | None = param(None, unit="pA")
    tau_stc_2: Array | None = param(None, unit="ms", positive=True, kind="time_constant")
    q_stc_2: Array | None = param(None, unit="pA")
    tau_stc_3: Array | None = param(None, unit="ms", positive=True, kind="time_constant")
    q_stc_3: Array | None = param(None, unit="pA")
    tau_sfa_1: Array | None = param(None, unit="ms", positive=True, kind="time_constant")
    q_sfa_1: Array | None = param(None, unit="mV")
    tau_sfa_2: Array | None = param(None, unit="ms", positive=True, kind="time_constant")
    q_sfa_2: Array | None = param(None, unit="mV")
    tau_sfa_3: Array | None = param(None, unit="ms", positive=True, kind="time_constant")
    q_sfa_3: Array | None = param(None, unit="mV")
    t_ref: Array = param(4 * ms, low=0)
    surrogate: Surrogate = eqx.field(static=True, default="straight_through")
    integrator: str = eqx.field(static=True, default="exact")

    def __post_init__(self):
        super().__post_init__()
        for kernel in (f"{kind}_{number}" for kind in ("stc", "sfa") for number in KERNELS):
            tau, q = getattr(self, f"tau_{kernel}"), getattr(self, f"q_{kernel}")
            if (tau is None) != (q is None):
                given, missing = ("q", "tau") if tau is None else ("tau", "q")
                raise ValueError(f"`{missing}_{kernel}`: expected with `{given}_{kernel}`, got None.")

    def _kernels(self, kind: str, state: str) -> Iterator[tuple[str, Array, Array]]:
        """State, time constant and rise of each kernel that there is."""
        for number in KERNELS:
            if (tau := getattr(self, f"tau_{kind}_{number}")) is not None:
                yield f"{state}_{number}", tau, getattr(self, f"q_{kind}_{number}")

    @property
    def _currents(self) -> tuple[tuple[str, Array, Array], ...]:
        return tuple(self._kernels("stc", "eta"))

    @property
    def _thresholds(self) -> tuple[tuple[str, Array, Array], ...]:
        return tuple(self._kernels("sfa", "gamma"))

    @property
    def states(self) -> dict[str, Value]:
        """v, `eta_j` (pA) and `gamma_j` (mV) of the kernels that there are."""
        currents = {name: 0.0 for name, _, _ in self._currents}
        return {"v": "e_leak"} | currents | {name: 0.0 for name, _, _ in self._thresholds}

    def state_units(self) -> dict[str, str]:
        """Base unit of each state."""
        currents = {name: "pA" for name, _, _ in self._currents}
        return super().state_units() | currents | {name: "mV" for name, _, _ in self._thresholds}

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """Every state after `dt` in closed form."""
        own = tuple((-getattr(s, name), tau) for name, tau, _ in self._currents)
        drive = drive._replace(decaying=(*drive.decaying, *own))
        parts = dict(tau_mem=self.c_mem / self.g_leak, v_rest=self.e_leak, r_mem=1 / self.g_leak, i_bias=self.i_bias)
        kernels = (*self._currents, *self._thresholds)
        fading = {name: getattr(s, name) * jnp.exp(-dt / tau) for name, tau, _ in kernels}
        return {"v": relax(s.v, drive, dt, **parts)} | fading

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation and the decay of every kernel."""
        current = i(s.v)
        for name, _, _ in self._currents:
            current = current - getattr(s, name)
        fading = {name: -getattr(s, name) / tau for name, tau, _ in (*self._currents, *self._thresholds)}
        return {"v": (self.g_leak * (self.e_leak - s.v) + current) / self.c_mem} | fading

    def hazard(self, s: State) -> Array:
        """lambda_0 exp((v - theta) / delta_v), per ms."""
        theta = self.v_th
        for name, _, _ in self._thresholds:
            theta = theta + getattr(s, name)
        return self.lambda_0 * 1e-3 * jnp.exp((s.v - theta) / self.delta_v)

    def reset(self, s: State) -> dict[str, Array]:
        """v after a spike, and the rise of every kernel."""
        kernels = (*self._currents, *self._thresholds)
        return {"v": self.v_reset} | {name: getattr(s, name) + q for name, _, q in kernels}
