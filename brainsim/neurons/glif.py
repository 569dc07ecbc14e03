"""Generalised leaky integrate-and-fire neurons of the Allen Institute, levels 1 to 5 (GLIF).

    C dv/dt = -g (v - E) + sum_j asc_j + i(v),       d asc_j/dt = -asc_j / tau_asc_j
    d th_s/dt = -th_s / tau_s,                       d th_v/dt = a_v (v - E) - th_v / tau_v
    theta = v_th + th_s + th_v
    spike where v >= theta; then every state keeps its value for t_ref, and

    v <- v_reset   or   E + f (v - E) + v_add,       asc_j <- amp_j + r_j asc_j exp(-t_ref / tau_asc_j)
    th_s <- th_s exp(-t_ref / tau_s) + th_add

    level   mechanisms                                 states              v after a spike
    1       LIF                                        v                   v_reset
    2       + reset rules and spike-driven th_s        v, th_s             fraction
    3       LIF + two after-spike currents             v, asc              v_reset
    4       2 and 3 together                           v, asc, th_s        fraction
    5       + voltage-driven th_v                      v, asc, th_s, th_v  fraction

The step is exact; th_v takes currents that decay within it by their mean. The v of the reset is the one that reached
the threshold; NEST's glif_psc takes the one a step before. Units: ms, mV, pA, nS, pF. Teeter, Iyer, Menon, Gouwens,
Feng, Berg, Szafer, Cain, Zeng, Hawrylycz, Koch and Mihalas, Nat. Commun. 9 (2018) 709; defaults are NEST's, those of
cell 490626718.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._params import param
from .._types import Array, Drive, State, Value
from ..units import ms, mV, nS, pA, pF
from .base import Neuron
from .integrate import synaptic_current
from .membrane import propagator, relax

STATES = {
    1: ("v",),
    2: ("v", "th_s"),
    3: ("v", "asc_1", "asc_2"),
    4: ("v", "asc_1", "asc_2", "th_s"),
    5: ("v", "asc_1", "asc_2", "th_s", "th_v"),
}
OWNERS = {
    "asc_1": ("tau_asc_1", "asc_amp_1", "asc_r_1", "tau_asc_2", "asc_amp_2", "asc_r_2"),
    "th_s": ("reset_fraction", "reset_add", "tau_th_s", "th_s_add"),
    "th_v": ("th_v_rate", "tau_th_v"),
}
"""Parameters by the state that they need."""


class GLIF(Neuron):
    """Generalised leaky integrate-and-fire neuron of a level from 1 to 5.

    Args:
        level: Which mechanisms there are; default 5. Parameters of other levels keep their defaults.
        c_mem: Capacitance (pF), > 0; default 58.72.
        g_leak: Leak conductance (nS), > 0; default 9.43.
        e_leak: Reversal potential of the leak (mV), where the neuron starts; default -78.85.
        v_th: Threshold at rest (mV); default -51.68.
        v_reset: Voltage after a spike at levels 1 and 3 (mV); default -78.85.
        tau_asc_1, tau_asc_2: Time constants of the after-spike currents (ms), > 0; default 1000/3 and 10.
        asc_amp_1, asc_amp_2: What a spike adds to them (pA); default -9.18 and -198.94.
        asc_r_1, asc_r_2: What part of them a spike leaves; default 1.
        reset_fraction: Part f of v - E that a spike leaves at levels 2, 4 and 5; default 0.2.
        reset_add: What it adds (mV); default 18.51.
        tau_th_s: Time constant of the spike-driven threshold (ms), > 0; default 1000/9.
        th_s_add: What a spike adds to it (mV); default 0.37.
        th_v_rate: Coupling a_v of the voltage to the threshold (1/ms); default 0.005.
        tau_th_v: Time constant of the voltage-driven threshold (ms), > 0; default 100/9.
        t_ref: Refractory time (ms), a multiple of dt; default 0 (3.75 in the recording).
        integrator: "exact" (default), or one of those of `Neuron`.
        i_bias, surrogate, detach_reset, precise_times, trainable: See `Neuron`.

    Raises:
        ValueError: `level` is not 1, 2, 3, 4 or 5, or has no part that a given parameter could be of.
    """

    level: int = eqx.field(static=True, default=5)
    c_mem: Array = param(58.72 * pF, positive=True)
    g_leak: Array = param(9.43 * nS, positive=True)
    e_leak: Array = param(-78.85 * mV)
    v_th: Array = param(-51.68 * mV, kind="threshold")
    v_reset: Array = param(-78.85 * mV)
    _: dataclasses.KW_ONLY
    tau_asc_1: Array = param(1000 / 3 * ms, positive=True, kind="time_constant")
    tau_asc_2: Array = param(10 * ms, positive=True, kind="time_constant")
    asc_amp_1: Array = param(-9.18 * pA)
    asc_amp_2: Array = param(-198.94 * pA)
    asc_r_1: Array = param(1.0)
    asc_r_2: Array = param(1.0)
    reset_fraction: Array = param(0.2)
    reset_add: Array = param(18.51 * mV)
    tau_th_s: Array = param(1000 / 9 * ms, positive=True, kind="time_constant")
    th_s_add: Array = param(0.37 * mV)
    th_v_rate: Array = param(0.005, unit="1/ms")
    tau_th_v: Array = param(100 / 9 * ms, positive=True, kind="time_constant")
    integrator: str = eqx.field(static=True, default="exact")

    def __post_init__(self):
        super().__post_init__()
        if self.level not in STATES:
            raise ValueError(f"`level`: expected 1, 2, 3, 4 or 5, got {self.level!r}.")
        unused = [name for state, names in OWNERS.items() if state not in STATES[self.level] for name in names]
        for name in unused + ["v_reset"] * ("th_s" in STATES[self.level]):
            value, default = getattr(self, name), type(self).__dataclass_fields__[name].default
            if np.ndim(value) or not np.isscalar(value) or value != default:
                raise ValueError(f"`{name}`: GLIF of level {self.level} has no use for it.")

    @property
    def states(self) -> dict[str, Value]:
        """Those of the level, at rest."""
        return {name: "e_leak" if name == "v" else 0.0 for name in STATES[self.level]}

    @property
    def holds(self) -> tuple[str, ...]:
        """All of them."""
        return STATES[self.level]

    def state_units(self) -> dict[str, str]:
        """Base unit of each state."""
        return super().state_units() | {n: "pA" if "asc" in n else "mV" for n in STATES[self.level]}

    def _afters(self) -> tuple[tuple[str, Array, Array, Array], ...]:
        """Name, time constant, rise and remaining part of the after-spike currents of this level."""
        both = (
            ("asc_1", self.tau_asc_1, self.asc_amp_1, self.asc_r_1),
            ("asc_2", self.tau_asc_2, self.asc_amp_2, self.asc_r_2),
        )
        return both if "asc_1" in self.states else ()

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """Every state after `dt` in closed form."""
        own = tuple((getattr(s, name), tau) for name, tau, _, _ in self._afters())
        drive = drive._replace(decaying=(*drive.decaying, *own))
        parts = dict(tau_mem=self.c_mem / self.g_leak, v_rest=self.e_leak, r_mem=1 / self.g_leak, i_bias=self.i_bias)
        later = {"v": relax(s.v, drive, dt, **parts)}
        later |= {name: getattr(s, name) * jnp.exp(-dt / tau) for name, tau, _, _ in self._afters()}
        if "th_s" in self.states:
            later["th_s"] = s.th_s * jnp.exp(-dt / self.tau_th_s)
        if "th_v" in self.states:
            later["th_v"] = self._followed(s, drive, dt)
        return later

    def _followed(self, s: State, drive: Drive, dt: float) -> Array:
        """th_v after `dt`, from v - E = beta + (v_0 - E - beta) exp(-rate t) with the mean current of the step."""
        mean = synaptic_current(self.i_bias, drive, dt, None)(jnp.zeros_like(s.v))
        load = self.g_leak if drive.conductance is None else self.g_leak + drive.conductance
        pull = 0.0 if drive.conductance is None else drive.conductance * self.e_leak
        beta, rate, back = (mean - pull) / load, load / self.c_mem, 1 / self.tau_th_v
        settled = -jnp.expm1(-dt * back) * self.tau_th_v * beta
        fading = (s.v - self.e_leak - beta) * propagator(rate, back, dt)
        return s.th_v * jnp.exp(-dt * back) + self.th_v_rate * (settled + fading)

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation, and those of the currents and thresholds of the level."""
        current = i(s.v)
        for name, _, _, _ in self._afters():
            current = current + getattr(s, name)
        slope = {"v": (self.g_leak * (self.e_leak - s.v) + current) / self.c_mem}
        slope |= {name: -getattr(s, name) / tau for name, tau, _, _ in self._afters()}
        if "th_s" in self.states:
            slope["th_s"] = -s.th_s / self.tau_th_s
        if "th_v" in self.states:
            slope["th_v"] = self.th_v_rate * (s.v - self.e_leak) - s.th_v / self.tau_th_v
        return slope

    def overdrive(self, s: State) -> Array:
        """(v - theta) / (v_th - e_leak)."""
        theta = self.v_th
        for name in ("th_s", "th_v"):
            theta = theta + getattr(s, name) if name in self.states else theta
        return (s.v - theta) / (self.v_th - self.e_leak)

    def reset(self, s: State) -> dict[str, Array]:
        """v, after-spike currents and spike-driven threshold after a spike, and after the decay over t_ref."""
        fall = lambda value, tau: value * jnp.exp(-self.t_ref / tau)
        after = {name: amp + r * fall(getattr(s, name), tau) for name, tau, amp, r in self._afters()}
        if "th_s" not in self.states:
            return after | {"v": self.v_reset}
        v = self.e_leak + self.reset_fraction * (s.v - self.e_leak) + self.reset_add
        return after | {"v": v, "th_s": fall(s.th_s, self.tau_th_s) + self.th_s_add}
