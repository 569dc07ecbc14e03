"""What comes from outside, as a signal of time: one row per step for a population.

    TimedArray:  x(t) = values[min(floor(t / every), last)]
    OU:          x(t + dt) = mean + (x(t) - mean) exp(-dt/tau) + std sqrt(1 - exp(-2 dt/tau)) xi,   xi ~ N(0, 1)

The Ornstein-Uhlenbeck update is exact for any dt (Gillespie, Phys. Rev. E 54 (1996) 2084); `std` is that of the
stationary process, in which it starts.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks, units
from .._streams import Stream
from .._types import Array


@dataclasses.dataclass(frozen=True)
class Moment:
    """One step of one population, as a signal sees it: index, step (ms), shape and dtype of its row, random stream."""

    step: Array
    dt: float
    shape: tuple[int, ...]
    dtype: Any
    key: Stream


class Signal(eqx.Module):
    """A stimulus that is evaluated step by step."""

    def prepared(self, name: str, unit: str, dt: float) -> "Signal":
        """The same signal with plain numbers in `unit`."""
        raise TypeError(f"`{name}`: {type(self).__name__} does not define `prepared`.")

    def init_state(self, moment: Moment) -> Any:
        """What the signal carries from step to step: arrays, or None."""
        del moment

    def row(self, state: Any, moment: Moment) -> tuple[Any, Array]:
        """The state after this step, and this step's row, which broadcasts to `moment.shape`."""
        raise TypeError(f"{type(self).__name__} does not define `row`.")


class TimedArray(Signal):
    """Values held for `every` ms each, the last one to the end of the run.

    Args:
        values: Array or quantity, `(time,)`, `(time, n)` or `(time, batch, n)`; gradients flow to it.
        every: How long each value is held (ms), a multiple of dt.
        repeat: Whether to start again after the last value.
    """

    values: Any
    every: Any
    repeat: bool = False

    def prepared(self, name: str, unit: str, dt: float) -> "TimedArray":
        """The same signal in plain numbers."""
        array = units.strip(name, self.values, unit)
        if np.ndim(array) == 0 or np.shape(array)[0] == 0:
            raise ValueError(f"`{name}`: TimedArray needs at least one value along time, got shape {np.shape(array)}.")
        every = units.strip("every", self.every, "ms")
        if _checks.steps("every", every, dt) == 0:
            raise ValueError(f"`every` of `{name}` must be at least dt = {dt:g} ms, got {every:g} ms.")
        return TimedArray(array, every, self.repeat)

    def row(self, state: Array | None, moment: Moment) -> tuple[Array | None, Array]:
        """The value at the start of the step."""
        table = jnp.asarray(self.values, moment.dtype)
        index = moment.step // _checks.steps("every", self.every, moment.dt)
        return state, jnp.take(table, index, axis=0, mode="wrap" if self.repeat else "clip")


class OU(Signal):
    """Ornstein-Uhlenbeck noise, independent for every neuron (and batch element).

    Args:
        mean: Mean.
        std: Standard deviation of the stationary process, >= 0.
        tau: Correlation time (ms), > 0.
    """

    mean: Any
    std: Any
    tau: Any

    def prepared(self, name: str, unit: str, dt: float) -> "OU":
        """The same noise in plain numbers."""
        mean, std = units.strip("mean", self.mean, unit), units.strip("std", self.std, unit)
        tau = units.strip("tau", self.tau, "ms")
        _checks.within("std", std, unit, low=0.0)
        _checks.positive("tau", tau, "ms")
        return OU(mean, std, tau)

    def init_state(self, moment: Moment) -> Array:
        """A draw of the stationary law."""
        return self.mean + self.std * moment.key.normal(moment.shape, draw=1).astype(moment.dtype)

    def row(self, state: Array | None, moment: Moment) -> tuple[Array | None, Array]:
        """The value at the start of the step; the state moves to its end."""
        assert state is not None
        kept = float(np.exp(-moment.dt / self.tau))
        spread = float(self.std * np.sqrt(-np.expm1(-2 * moment.dt / self.tau)))
        noise = moment.key.normal(moment.shape).astype(moment.dtype)
        return self.mean + (state - self.mean) * kept + spread * noise, state


class Constant(Signal):
    """One value, or one per neuron, held for the whole run."""

    value: Any

    def prepared(self, name: str, unit: str, dt: float) -> "Constant":
        """The same value as a plain number."""
        return Constant(units.strip(name, self.value, unit))

    def row(self, state: Array | None, moment: Moment) -> tuple[Array | None, Array]:
        """The value."""
        return state, jnp.asarray(self.value, moment.dtype)


class Function(Signal):
    """`f(t, key) -> (n,)`, evaluated at the start of every step (t in ms, a fresh JAX key)."""

    function: Callable[[Array, Array], Any]

    def prepared(self, name: str, unit: str, dt: float) -> "Function":
        """The same function; what it returns is stripped when it is called."""
        return Function(lambda t, key: units.strip(name, self.function(t, key), unit))

    def row(self, state: Array | None, moment: Moment) -> tuple[Array | None, Array]:
        """The function's value."""
        time = moment.step.astype(moment.dtype) * moment.dt
        return state, jnp.asarray(self.function(time, moment.key.key), moment.dtype)


def as_signal(value: Any) -> Signal | None:
    """The signal that a stimulus stands for; None for an array with one row per step, as every `jax.Array` is."""
    if isinstance(value, Signal):
        return value
    if isinstance(value, jax.Array | np.ndarray | list | tuple):
        return None
    if units.is_quantity(value):
        return Constant(value) if np.ndim(value.magnitude) == 0 else None
    return Function(value) if callable(value) else Constant(value)
