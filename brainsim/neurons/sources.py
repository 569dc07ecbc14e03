"""Sources: populations that emit without being driven.

    Poisson       counts ~ Poisson(rate dt) in each step, or Bernoulli(rate dt) with `binary`
    SpikeTimes    given spikes; time t falls in the step k with k dt < t <= (k + 1) dt
    Input         what `inputs` gives

Values are float, `([batch], n)`. Units: Hz, ms.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import units
from .._params import Parameterized, buffer, concrete, param
from .._streams import Stream
from .._types import Array, State, Value


class Source(Parameterized):
    """A population that emits without being driven; a subclass has `n`, its number of channels, and `step`.

    Attributes:
        dtype: Floating dtype of the values; `build` sets it.
        emits: Name of the output.
    """

    n: eqx.AbstractVar[int]
    _: dataclasses.KW_ONLY
    dtype: Any = eqx.field(static=True, default=jnp.float32)
    emits: ClassVar[str] = "spikes"
    graded: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Number of channels."""
        return self.n

    def build(self, path: str, *, dt: float, key: Array, dtype: Any) -> Any:
        """The same source with its parameters as arrays and its events on the grid of `dt`."""
        built = super().build(path, (self.n,), dt=dt, key=key, dtype=dtype)
        return dataclasses.replace(built, dtype=jnp.dtype(dtype))

    def init_state(self, batch: int | None = None, key: Array | None = None, dtype: Any = None) -> State:
        """The empty state: what these sources emit depends on the step only."""
        return State()

    def step(
        self, state: State, x: Array | None, shape: tuple[int, ...], dt: float, k: Array, key: Stream | None
    ) -> tuple[State, Array]:
        """One step of `dt` ms.

        Args:
            state: State of the source.
            x: This step's row of `inputs`, or None.
            shape: `([batch], n)`.
            dt: Step (ms).
            k: Number of the step, int32.
            key: Random stream.

        Returns:
            The state and the values, of shape `shape`.
        """
        raise TypeError(f"{type(self).__name__} does not define `step`.")


class Poisson(Source):
    """Independent Poisson processes: how many spikes each channel has in each step.

    Args:
        n: Number of channels.
        rate: Rate (Hz): a value slot, or a function of the time in ms at the start of a step, `f(t) -> () or (n,)`. A
            row of `inputs` (Hz) takes its place.
        max_per_step: Clip counts to this; by default they never are.
        binary: At most one spike in a step, of probability rate dt, which must be <= 1.
        rate_of_time: Set from a `rate` that is a function of time.
    """

    n: int = eqx.field(static=True)
    rate: Array | None = param(unit="Hz", low=0)
    _: dataclasses.KW_ONLY
    max_per_step: int | None = eqx.field(static=True, default=None)
    binary: bool = eqx.field(static=True, default=False)
    rate_of_time: Callable[[Array], Array] | None = eqx.field(static=True, default=None)

    def __post_init__(self):
        if (
            callable(self.rate)
            and not units.is_quantity(self.rate)
            and len(inspect.signature(self.rate).parameters) == 1
        ):
            self.rate, self.rate_of_time = None, self.rate
        super().__post_init__()
        self.n = channels(self.n)

    def build(self, path: str, *, dt: float, key: Array, dtype: Any) -> "Poisson":
        """The same source with `rate` as an array; raises where `binary` would need more than one spike a step."""
        built = super().build(path, dt=dt, key=key, dtype=dtype)
        rate = concrete(built.rate)
        if self.binary and rate is not None and rate.size and rate.max() * dt > 1000:
            raise ValueError(
                f"`rate` {rate.max():g} Hz x dt {dt:g} ms = {rate.max() * dt / 1000:g} a step: with `binary=True` at "
                f"most 1; without it they are counts."
            )
        return built

    def step(
        self, state: State, x: Array | None, shape: tuple[int, ...], dt: float, k: Array, key: Stream | None
    ) -> tuple[State, Array]:
        """One step: counts (or 0. and 1.) of shape `shape`."""
        if key is None:
            raise ValueError("`key`: Poisson draws numbers and needs a random stream.")
        rate = self.rate if x is None else x
        if x is None and self.rate_of_time is not None:
            rate = self.rate_of_time(k.astype(self.dtype) * dt)
        mean = jnp.asarray(rate, self.dtype) * (dt / 1000)
        if self.binary:
            return state, (key.uniform(shape, dtype=self.dtype) < jax.lax.stop_gradient(mean)).astype(self.dtype)
        counts = key.poisson(mean, shape, dtype=self.dtype)
        return state, counts if self.max_per_step is None else jnp.minimum(counts, self.max_per_step)


class SpikeTimes(Source):
    """Given spikes, the same in every trial; several of one channel in one step add up.

    A spike at time t is emitted in the step k with k dt < t <= (k + 1) dt, so that recorded spikes, fed back, fall in
    the steps they came from; t = 0 falls in the first.

    Args:
        times: Times (ms), >= 0, in any order.
        ids: Channel of each.
        n: Number of channels; by default the largest id + 1.
        offsets: Set by `build`: the events of step k are `offsets[k]` to `offsets[k + 1]`.
        window: Set by `build`: the largest number of events in one step.
    """

    times: Value = buffer()
    ids: Value = buffer()
    n: int = eqx.field(static=True, default=None)
    _: dataclasses.KW_ONLY
    offsets: Array | None = buffer(None)
    window: int = eqx.field(static=True, default=0)

    def __post_init__(self):
        super().__post_init__()
        if self.offsets is not None:
            return
        self.times = np.asarray(units.strip("times", self.times, "ms"), dtype=np.float64)
        self.ids = np.asarray(self.ids)
        if self.times.ndim != 1 or self.ids.shape != self.times.shape:
            raise ValueError(
                f"`times` and `ids`: expected one entry per spike, got shapes {self.times.shape} and {self.ids.shape}."
            )
        if self.ids.size and self.ids.dtype.kind not in "iu":
            raise TypeError(f"`ids`: expected integers, got an array of {self.ids.dtype}.")
        bad = ~(np.isfinite(self.times) & (self.times >= 0))
        if bad.any():
            raise ValueError(
                f"`times`: expected times >= 0 ms, got {self.times[bad][0]:g} at spike {int(np.argmax(bad))}."
            )
        self.n = channels(int(self.ids.max(initial=-1)) + 1 if self.n is None else self.n)
        bad = (self.ids < 0) | (self.ids >= self.n)
        if bad.any():
            raise ValueError(f"`ids`: expected 0..{self.n - 1}, got {self.ids[bad][0]} at spike {int(np.argmax(bad))}.")

    def build(self, path: str, *, dt: float, key: Array, dtype: Any) -> "SpikeTimes":
        """The same source with its events sorted by step."""
        times = np.asarray(self.times)
        steps = np.maximum(np.ceil(times / dt - 1e-6) - 1, 0).astype(np.int64)
        order = np.lexsort((self.ids, steps))
        counts = np.bincount(steps, minlength=1)
        return dataclasses.replace(
            self,
            times=times[order],
            ids=jnp.asarray(np.asarray(self.ids)[order], jnp.int32),
            offsets=jnp.asarray(np.concatenate([[0], np.cumsum(counts)]), jnp.int32),
            window=int(counts.max()),
            dtype=jnp.dtype(dtype),
        )

    def step(
        self, state: State, x: Array | None, shape: tuple[int, ...], dt: float, k: Array, key: Stream | None
    ) -> tuple[State, Array]:
        """One step: the number of spikes of each channel, the same for every trial."""
        no_input(self, x)
        values = jnp.zeros(self.n, self.dtype)
        if self.window and self.offsets is not None:
            last = self.offsets.shape[0] - 1
            start, stop = (self.offsets[jnp.minimum(k + i, last)] for i in (0, 1))
            at = start + jnp.arange(self.window, dtype=jnp.int32)
            target = jnp.where(at < stop, self.ids[jnp.minimum(at, self.ids.shape[0] - 1)], self.n)
            values = values.at[target].add(1, mode="drop")
        return state, jnp.broadcast_to(values, shape)


class Input(Source):
    """A placeholder for what `inputs` gives: spikes, counts or graded values.

    Args:
        n: Number of channels.
    """

    n: int = eqx.field(static=True)

    def __post_init__(self):
        super().__post_init__()
        self.n = channels(self.n)

    def step(
        self, state: State, x: Array | None, shape: tuple[int, ...], dt: float, k: Array, key: Stream | None
    ) -> tuple[State, Array]:
        """One step: the row of `inputs`."""
        if x is None:
            raise ValueError(f"`inputs`: expected values of shape {shape} for this Input, got nothing.")
        values = jnp.asarray(x)
        values = values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(self.dtype)
        if values.ndim and values.shape[-1] not in (1, self.n):
            raise ValueError(f"`inputs`: expected {self.n} channels, got {values.shape[-1]}.")
        return state, jnp.broadcast_to(values, shape)


def channels(n: Any) -> int:
    """`n` as a number of channels."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise ValueError(f"`n`: expected a number of channels, got {n!r}.")
    return int(n)


def no_input(source: Source, x: Array | None) -> None:
    """Raise where a row of `inputs` came for a source that takes none."""
    if x is not None:
        raise ValueError(f"`inputs`: {type(source).__name__} takes none.")
