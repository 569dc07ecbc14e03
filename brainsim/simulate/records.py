"""Which quantities a run writes down in each step, and which once in a while."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .._types import Array, State
from ..networks import Reader
from ..recording import Histogram, Rate, Spec, Spikes, Trace, expand
from .histogram import histogram


class Piece(NamedTuple):
    """`count` blocks of `length` steps each, with or without a reading of the sampled traces after each block."""

    count: int
    length: int
    sampled: bool

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.count * self.length


class Plan(NamedTuple):
    """The records of a run, resolved against a model.

    Attributes:
        every_step: Specs that are read in each step: spikes, rates (as population sums), undecimated traces and
            histograms.
        sampled: Traces and histograms read once in several steps.
        intervals: Steps between the samples of each of them.
    """

    every_step: tuple[Spec, ...]
    sampled: tuple[Trace | Histogram, ...]
    intervals: tuple[int, ...]

    @property
    def block(self) -> int:
        """Greatest common divisor of the sampling intervals, in steps."""
        return math.gcd(*self.intervals) if self.intervals else 1

    @property
    def period(self) -> int:
        """Steps after which the sampling of all traces repeats."""
        return math.lcm(*self.intervals)

    def pieces(self, start: int, steps: int) -> tuple[Piece, ...]:
        """Steps start ... start + steps - 1, cut so that samples fall on multiples of `block` of the model's clock."""
        head = -start % self.block
        if not self.sampled or head > steps:
            return (Piece(steps, 1, False),)
        count, tail = divmod(steps - head, self.block)
        cut = (Piece(1, head, True), Piece(count, self.block, True), Piece(tail, 1, False))
        return tuple(piece for piece in cut if piece.steps) or (Piece(0, 1, False),)

    def kept(self, trace: Trace | Histogram, start: int) -> slice:
        """Which of the samples, taken at the multiples of `block` after `start`, a trace keeps."""
        ratio = self.intervals[self.sampled.index(trace)] // self.block
        return slice(-(start // self.block + 1) % ratio, None, ratio)


def make_plan(model: Any, record: Any) -> Plan:
    """Resolve `record=` against a model.

    Raises:
        ValueError: A path that names nothing in the model, ids out of range, or bins in another unit.
    """
    specs = expand(record, model.readable())
    sampled = tuple(s for s in specs if isinstance(s, Trace | Histogram) and s.steps(model.dt) > 1)
    every_step = tuple(spec for spec in specs if spec not in sampled)
    for spec in specs:
        reader = reader_of(model, spec)
        spec.select(reader.size)
        if isinstance(spec, Histogram):
            spec.check_unit(reader.unit)
        if isinstance(spec, Rate):
            spec.steps(model.dt)
    return Plan(every_step, sampled, tuple(trace.steps(model.dt) for trace in sampled))


def reader_of(model: Any, spec: Spec) -> Reader:
    """The model's reader for a spec, which keeps what the spec asks for; a rate reads the spikes."""
    reader = model.reader(f"{spec.part}.spikes" if isinstance(spec, Rate) else spec.path)
    return dataclasses.replace(reader, keep=functools.partial(chosen, spec))


def read(model: Any, spec: Spec, state: State, emitted: dict[str, Array], *, compact: bool = False) -> Array:
    """One record after a step, as `chosen` leaves it; `compact` stores spikes that are 0 or 1 as bool."""
    reader = reader_of(model, spec)
    values = reader(state, emitted)
    return values != 0 if compact and isinstance(spec, Spikes) and not reader.graded else values


def chosen(spec: Spec, values: Array) -> Array:
    """What a spec keeps of `(..., n)`: `(..., m)`, `(...)` for a rate (the population's sum) and reduced traces, and
    `(..., bins + 2)` for a histogram."""
    if isinstance(spec, Rate):
        return values.sum(-1)
    if spec.ids is not None:
        ids = spec.select(values.shape[-1]).astype(np.int32)  # known to be in range
        values = jnp.take(values, ids, axis=-1, mode="clip")
    if isinstance(spec, Histogram):
        return histogram(values, spec.bins)
    if isinstance(spec, Spikes) or spec.reduce is None:
        return values
    return values.mean(-1) if spec.reduce == "mean" else values.sum(-1)


def rates(sums: Array, spec: Rate, size: int, dt: float) -> Array:
    """Spikes of a population in each step, `(time, [batch])`, as rates per neuron in Hz, `(bins, [batch])`."""
    width = spec.steps(dt)
    if sums.shape[0] % width:
        raise ValueError(
            f'`bin` of "{spec.path}": {sums.shape[0]} steps are not a multiple of the bin of {width} steps '
            f"({spec.bin:g} ms)."
        )
    binned = sums.reshape(-1, width, *sums.shape[1:])
    return binned.mean(1) * (1000.0 / (dt * max(size, 1)))
