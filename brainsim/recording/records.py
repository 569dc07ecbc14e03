"""What was recorded in one run, as plain arrays: events, traces, histograms, rates, and what is needed to go on.

    time of step k = (k + 1) dt,   samples: (k + 1) mod every = 0,   bin of a rate: floor(k / bin)

Steps count from the model's own time zero, so that two runs in a row have the grid of one long run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np


@dataclass(frozen=True)
class Stored:
    """A column that stays in its file until somebody looks: `np.asarray(stored)` reads all of it.

    Attributes:
        shape: Its shape.
        dtype: Its dtype.
        read: `read(rows)` is the part of the first axis in the slice `rows`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[slice], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes that reading takes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.read(slice(None)).astype(self.dtype if dtype is None else dtype, copy=False)


@dataclass(frozen=True)
class SpikeRecord:
    """Events of one population, sorted by step, then trial, then neuron; in memory or `Stored`.

    Attributes:
        step: Step of each event, int64 (events,).
        id: Neuron, int32 (events,).
        trial: Batch element, int32 (events,), or None without a batch.
        value: Size of each event (counts of a source, graded spikes), or None where all are 1.
        ids: Recorded neurons, int64 (recorded,).
        size: Neurons of the population.
    """

    step: Any
    id: Any
    trial: Any
    value: Any
    ids: np.ndarray
    size: int


@dataclass(frozen=True)
class DenseRecord:
    """Spikes as a dense array, traced perhaps: (steps, [batch], recorded)."""

    values: Any
    ids: np.ndarray
    size: int


@dataclass(frozen=True)
class TraceRecord:
    """Samples of one variable.

    Attributes:
        values: (samples, [batch], recorded); (samples, [batch]) where reduced.
        every: Steps between samples.
        ids: Recorded neurons or synapses, int64 (recorded,), or None where reduced.
    """

    values: Any
    every: int
    ids: np.ndarray | None


@dataclass(frozen=True)
class HistogramRecord:
    """How many values of one variable were where.

    Attributes:
        binned: (samples, [batch], bins + 2), int32: below the first edge, in each bin, above the last edge.
        edges: Edges of the bins, float64 (bins + 1,).
        every: Steps between samples.
        size: Values that were counted.
    """

    binned: Any
    edges: np.ndarray
    every: int
    size: int


@dataclass(frozen=True)
class RateRecord:
    """Spikes of a whole population in each bin.

    Attributes:
        counts: Float64 (bins, [batch]); the first and last bin may be cut by the ends of the run.
        bin: Steps in a bin.
        size: Neurons of the population.
    """

    counts: Any
    bin: int
    size: int


Record: TypeAlias = SpikeRecord | DenseRecord | TraceRecord | HistogramRecord | RateRecord


@dataclass(frozen=True)
class Recording:
    """One run: its records by key, its clock, and the state it ended in.

    Attributes:
        records: Records by key (`"E.spikes"`, `"E.v"`, `"E.rate"`).
        dt: Step (ms).
        start: Step that the run began with.
        steps: Number of steps.
        batch: Number of trials, or None.
        units: Base unit of each trace and histogram by key.
        state: Final state of the model, or None.
        meta: Parameters, versions, seed and the like: numbers, text, arrays in dicts and lists.
    """

    records: Mapping[str, Record]
    dt: float
    start: int
    steps: int
    batch: int | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    state: Any = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def sample_steps(start: int, steps: int, every: int) -> np.ndarray:
    """Steps of a run after which a trace or a histogram has a sample, int64: those with (k + 1) mod `every` = 0."""
    first = start + (-(start + 1)) % every
    return np.arange(first, start + steps, every, dtype=np.int64)


def bin_edges(start: int, steps: int, bin: int) -> np.ndarray:
    """Edges of a run's bins in steps, int64 (bins + 1,): multiples of `bin`, cut at both ends of the run."""
    inner = np.arange(start // bin + 1, -(-(start + steps) // bin), dtype=np.int64) * bin
    return np.concatenate([[start], inner, [start + steps]]) if steps else np.asarray([start], np.int64)
