"""Dual-exponential synapse, as a current or as a conductance: rise and decay with time constants of their own.

    x(t) = w a (exp(-t / tau_decay) - exp(-t / tau_rise))      after one event of weight w at t = 0
    peak w at  t_peak = tau_decay tau_rise / (tau_decay - tau_rise) ln(tau_decay / tau_rise)
    a = 1 / (exp(-t_peak / tau_decay) - exp(-t_peak / tau_rise))

    tau_rise dy/dt = -y + tau_rise sum_k w_k delta(t - t_k)
    dx/dt = -x / tau_decay + a y (1 / tau_rise - 1 / tau_decay)
    y(t + dt) = y(t) exp(-dt / tau_rise),    x(t + dt) = (x(t) + a y(t)) exp(-dt / tau_decay) - a y(t + dt),

for x + a y decays with tau_decay alone. Current (e_rev None): I = x, weight in pA; conductance: I = x (e_rev - v),
weight in nS, >= 0. Normalised as in NEURON's Exp2Syn and NEST's beta functions. Roth & van Rossum, in Computational
Modeling Methods for Neuroscientists (2009), ch. 6.
"""

import jax.numpy as jnp
import numpy as np

from .._params import concrete, param
from .._types import Array, Drive, State
from .filtered import Filtered


class DualExponential(Filtered):
    """Difference of exponentials as a current (state `i`, pA) or a conductance (state `g`, nS).

    `weight` is the peak that one event makes; the state `rise` is y, in the same unit.

    Args:
        tau_rise: Time constant of the rise (ms), > 0 and < `tau_decay`.
        tau_decay: Time constant of the decay (ms).
        e_rev: Reversal potential (mV); None makes it a current.
        trainable: Names of parameters that training may change.

    Raises:
        ValueError: `tau_rise` is not below `tau_decay`; where they are equal, use `Alpha`.
    """

    tau_rise: Array = param(0.5, positive=True, kind="time_constant", unit="ms")
    tau_decay: Array = param(5.0, positive=True, kind="time_constant", unit="ms")
    e_rev: Array | None = param(None, unit="mV")

    def __post_init__(self):
        super().__post_init__()
        rise_before_decay(self.tau_rise, self.tau_decay)

    @property
    def reversal(self) -> Array | None:
        """`e_rev`."""
        return self.e_rev

    @property
    def port(self) -> str:
        """Arrivals make x rise."""
        return "rise"

    def state_units(self) -> dict[str, str]:
        """Unit of y and of what acts."""
        return {self.port: self.weight_unit, self.acting: self.weight_unit}

    def current(self, state: State) -> Drive:
        """(i + a y) exp(-t / tau_decay) - a y exp(-t / tau_rise)."""
        fast = unit_peak(self.tau_rise, self.tau_decay) * state.rise
        return Drive(decaying=((state.i + fast, self.tau_decay), (-fast, self.tau_rise)))

    def advance(self, state: State, dt: float) -> State:
        """Exact over the step."""
        rise, later = risen(state.rise, getattr(state, self.acting), self.tau_rise, self.tau_decay, dt)
        return state.replace(**{self.port: rise, self.acting: later})


def risen(rise: Array, x: Array, tau_rise: Array, tau_decay: Array, dt: float) -> tuple[Array, Array]:
    """y and x after `dt`."""
    scale, kept = unit_peak(tau_rise, tau_decay), jnp.exp(-dt / tau_rise)
    decay = jnp.exp(-dt / tau_decay)
    return rise * kept, x * decay + rise * (scale * (decay - kept))


def unit_peak(tau_rise: Array, tau_decay: Array) -> Array:
    """The factor a that makes the peak of the difference of exponentials 1."""
    peak = tau_decay * tau_rise / (tau_decay - tau_rise) * jnp.log(tau_decay / tau_rise)
    return 1 / (jnp.exp(-peak / tau_decay) - jnp.exp(-peak / tau_rise))


def rise_before_decay(tau_rise: Array, tau_decay: Array) -> None:
    """Raise where known values of `tau_rise` are not below those of `tau_decay`."""
    rise, decay = concrete(tau_rise), concrete(tau_decay)
    if rise is not None and decay is not None and np.any(rise >= decay):
        raise ValueError(
            f"`tau_rise` must be < `tau_decay`, got {np.max(rise):g} and {np.min(decay):g} ms; where they are equal, "
            "use Alpha."
        )
