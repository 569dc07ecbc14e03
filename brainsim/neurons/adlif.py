"""Adaptive leaky integrate-and-fire neurons whose adaptation is a current that follows spikes and voltage (adLIF).

    u_k = alpha v_{k-1} + (1 - alpha) (R i_k - w_{k-1}),     s_k = H(u_k - v_th),     v_k = u_k (1 - s_k)
    w_k = beta w_{k-1} + (1 - beta) q (a v + b v_th s)       alpha = exp(-dt / tau_mem),  beta = exp(-dt / tau_adapt)

with v = v_k, s = s_k (symplectic Euler, `SEAdLIF`) or v = v_{k-1}, s = s_{k-1} (Euler forward, `EFAdLIF`). Where v and
w oscillate without spikes, the symplectic form decays by sqrt(alpha beta) a step as the differential equation does, the
other by sqrt(alpha beta + (1 - alpha)(1 - beta) q a), which may exceed 1.

Each time constant is a mixture of the two ends of its range, tau = low + mix (high - low). Units: ms, mV, pA, GOhm.
Baronig, Ferrand, Sabathiel and Legenstein, Nat. Commun. 16 (2025), and their code for the ranges.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from .. import _checks, units
from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import GOhm, mV
from ..values import Uniform
from .base import Neuron
from .membrane import relax
from .surrogate import Surrogate

LEARNED = ("mix_mem", "mix_adapt", "a", "b")


class AdLIFNeuron(Neuron):
    """What both forms share; see `SEAdLIF` for the parameters."""

    tau_mem_range: tuple[float, float] = eqx.field(static=True, default=(5.0, 25.0))
    tau_adapt_range: tuple[float, float] = eqx.field(static=True, default=(60.0, 300.0))
    _: dataclasses.KW_ONLY
    mix_mem: Array = param(Uniform(0, 1), low=0, high=1, kind="time_constant")
    mix_adapt: Array = param(Uniform(0, 1), low=0, high=1, kind="time_constant")
    a: Array = param(Uniform(0, 1), low=0, high=1)
    b: Array = param(Uniform(0, 2), low=0, high=2)
    q: Array = param(120.0, low=0)
    v_th: Array = param(1 * mV, positive=True, kind="threshold")
    r_mem: Array = param(1 * GOhm, positive=True)
    surrogate: Surrogate = eqx.field(static=True, default="slayer")
    port: str = eqx.field(static=True, default="current")
    trainable: tuple[str, ...] = eqx.field(static=True, default=LEARNED)

    def __post_init__(self):
        super().__post_init__()
        for name in ("tau_mem_range", "tau_adapt_range"):
            setattr(self, name, _range(name, getattr(self, name)))
        if self.uses_refractory:
            raise ValueError(f"`t_ref`: {type(self).__name__} has no refractory time; the reset sets v to 0.")

    @property
    def tau_mem(self) -> Array:
        """Membrane time constant (ms), `()` or `(n,)`."""
        low, high = self.tau_mem_range
        return low + self.mix_mem * (high - low)

    @property
    def tau_adapt(self) -> Array:
        """Time constant of the adaptation (ms), `()` or `(n,)`."""
        low, high = self.tau_adapt_range
        return low + self.mix_adapt * (high - low)

    def fire(self, state: State, drive: Drive, dt: float) -> tuple[Array, Array]:
        """The voltage after the reset, and the spikes."""
        parts = dict(tau_mem=self.tau_mem, v_rest=-state.w, r_mem=self.r_mem, i_bias=self.i_bias)
        u = relax(state.v, drive, dt, **parts)
        u = u if drive.jump is None else u + drive.jump
        spikes = self.surrogate(self.overdrive(State(v=u)))
        return self.at_spikes(spikes, jnp.zeros_like(u), u), spikes

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / v_th."""
        return (s.v - self.v_th) / self.v_th

    def adapted(self, w: Array, v: Array, spikes: Array, dt: float) -> Array:
        """w after a step in which it is pulled towards q (a v + b v_th s)."""
        beta = jnp.exp(-dt / self.tau_adapt)
        return beta * w + (1 - beta) * (self.q * (self.a * v + self.b * (self.v_th * spikes)))


class SEAdLIF(AdLIFNeuron):
    """Adaptive leaky integrate-and-fire neuron, symplectic Euler (SE-adLIF).

    Args:
        tau_mem_range: Ends of the range of the membrane time constant (ms); default 5 to 25. The published networks for
            spoken digits count in steps of 4 ms: 5 to 25 steps are `(20*ms, 100*ms)`.
        tau_adapt_range: Ends of the range of the time constant of the adaptation (ms); default 60 to 300.
        mix_mem: Place of tau_mem in its range, 0..1; drawn evenly for every neuron by default.
        mix_adapt: Place of tau_adapt in its range, 0..1; likewise.
        a: Coupling of the voltage to the adaptation, 0..1; likewise.
        b: Coupling of the spikes to the adaptation, 0..2; likewise.
        q: Scale of both couplings; default 120.
        v_th: Threshold (mV); default 1. A spike sets the voltage to 0.
        r_mem: Membrane resistance (GOhm); default 1.
        i_bias: Constant current (pA); default 0.
        surrogate: See `Neuron`; default "slayer".
        detach_reset: Whether no gradient crosses the reset of v; the path over w is always open.
        trainable: Names of the parameters that train; by default the two mixtures, `a` and `b`.
    """

    states: ClassVar[dict[str, Value]] = {"v": 0 * mV, "w": 0 * mV}
    emits_surrogate: ClassVar[bool] = True

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the spikes 0. or 1., `([batch], n)`."""
        v, spikes = self.fire(state, drive, dt)
        return State(v=v, w=self.adapted(state.w, v, spikes, dt)), spikes


class EFAdLIF(AdLIFNeuron):
    """Adaptive leaky integrate-and-fire neuron, Euler forward (EF-adLIF); parameters as in `SEAdLIF`."""

    states: ClassVar[dict[str, Value]] = {"v": 0 * mV, "w": 0 * mV, "s": 0.0}
    emits_surrogate: ClassVar[bool] = True

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the spikes 0. or 1., `([batch], n)`."""
        v, spikes = self.fire(state, drive, dt)
        return State(v=v, w=self.adapted(state.w, state.v, state.s, dt), s=spikes), spikes


def _range(name: str, value: Any) -> tuple[float, float]:
    """The ends of a range of times (ms)."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise ValueError(f"`{name}`: expected two times (low, high) in ms, got {value!r}.")
    low, high = (float(units.strip(name, end, "ms")) for end in value)
    _checks.positive(name, low, "ms")
    if not high >= low:
        raise ValueError(f"`{name}`: expected low <= high, got {low:g} and {high:g} ms.")
    return low, high
