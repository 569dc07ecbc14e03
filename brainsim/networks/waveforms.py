"""Currents and rates of simple shapes, as signals of time: steps, a ramp, a sine.

    Steps:  x(t) = values[i]  for times[i] <= t < times[i + 1], 0 before times[0]
    Ramp:   x(t) = first + (last - first) clip((t - start) / (stop - start), 0, 1)
    Sine:   x(t) = mean + amplitude sin(2 pi (frequency t + phase))

Each is taken at the start of a step. The phase of a sine is counted in units of 2^-32 turns by whole numbers, so that
it is as right after hours as at first.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _checks, units
from .._types import Array
from .stimuli import Moment, Signal

TURN = 2**32
"""Parts of a turn in which a phase is counted."""


class Steps(Signal):
    """Values that change at given times, such as a current of several levels.

    Args:
        values: One value, or one row of `(n,)`, for each time; gradients flow to them.
        times: When each begins (ms): ascending multiples of dt. The last one is held to the end of the run.
    """

    values: Any
    times: Any

    def prepared(self, name: str, unit: str, dt: float) -> "Steps":
        """The same signal in plain numbers, and times in steps."""
        array = units.strip(name, self.values, unit)
        times = np.asarray(units.strip("times", self.times, "ms"), np.float64)
        if times.ndim != 1 or np.ndim(array) == 0 or np.shape(array)[0] != times.size:
            raise ValueError(f"`{name}`: Steps needs one value for each time, got {np.shape(array)} and {times.shape}.")
        if np.any(np.diff(times) <= 0):
            raise ValueError(f"`times` of `{name}` must ascend, got {times.tolist()} ms.")
        return Steps(array, tuple(_checks.steps("times", float(time), dt) for time in times))

    def row(self, state: Any, moment: Moment) -> tuple[Any, Array]:
        """The value at the start of the step."""
        table = jnp.asarray(self.values, moment.dtype)
        now = jnp.zeros(table.shape[1:], moment.dtype)
        for at, step in enumerate(self.times):
            now = jnp.where(moment.step >= step, table[at], now)
        return state, now


class Ramp(Signal):
    """A value that changes linearly from one time to another and is held before and after.

    Args:
        first: Value up to `start`, single or `(n,)`.
        last: Value from `stop` on.
        start: Begin of the change (ms).
        stop: End of the change (ms), > `start`.
    """

    first: Any
    last: Any
    start: Any
    stop: Any

    def prepared(self, name: str, unit: str, dt: float) -> "Ramp":
        """The same signal in plain numbers."""
        start, stop = (float(units.strip(end, getattr(self, end), "ms")) for end in ("start", "stop"))
        if not stop > start:
            raise ValueError(f"`stop` of `{name}` must be > `start` = {start:g} ms, got {stop:g} ms.")
        return Ramp(units.strip("first", self.first, unit), units.strip("last", self.last, unit), start, stop)

    def row(self, state: Any, moment: Moment) -> tuple[Any, Array]:
        """The value at the start of the step."""
        first, last = (jnp.asarray(value, moment.dtype) for value in (self.first, self.last))
        passed = (moment.step.astype(moment.dtype) * moment.dt - self.start) / (self.stop - self.start)
        return state, first + (last - first) * jnp.clip(passed, 0, 1)


class Sine(Signal):
    """A sine, as a current or as the rate of a `Poisson` (which must not become negative).

    Args:
        amplitude: Amplitude, single or `(n,)`.
        frequency: Frequency (Hz), single or `(n,)`.
        mean: Mean.
        phase: Phase at t = 0, in turns (1 is a full period).
    """

    amplitude: Any
    frequency: Any
    mean: Any = 0.0
    phase: Any = 0.0

    def prepared(self, name: str, unit: str, dt: float) -> "Sine":
        """The same signal in plain numbers, frequency and phase in 2^-32 turns a step."""
        amplitude, mean = units.strip("amplitude", self.amplitude, unit), units.strip("mean", self.mean, unit)
        frequency = np.asarray(units.strip("frequency", self.frequency, "Hz"), np.float64)
        phase = np.asarray(units.strip("phase", self.phase, ""), np.float64)
        _checks.within("frequency", frequency, "Hz", low=0.0, high=500 / dt)
        _checks.finite("phase", phase)
        whole = lambda turns: np.rint(turns % 1.0 * TURN).astype(np.int64).astype(np.uint32)
        if unit == "Hz":
            _checks.within(f"{name}` = `mean` - |`amplitude|", mean - np.abs(amplitude), unit, low=0.0)
        return Sine(amplitude, whole(frequency * dt / 1000), mean, whole(phase))

    def row(self, state: Any, moment: Moment) -> tuple[Any, Array]:
        """The value at the start of the step."""
        angle = moment.step.astype(jnp.uint32) * jnp.asarray(self.frequency) + jnp.asarray(self.phase)
        turn = angle.astype(jnp.int32).astype(moment.dtype) * (1 / TURN)  # in [-1/2, 1/2)
        amplitude, mean = (jnp.asarray(value, moment.dtype) for value in (self.amplitude, self.mean))
        return state, mean + amplitude * jnp.sin(2 * np.pi * turn)
