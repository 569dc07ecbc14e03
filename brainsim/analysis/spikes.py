"""Spikes of one population over a run, seen as events, counts or a dense raster.

time of a spike of step k = (k + 1) dt,     counts_i = sum of the sizes of neuron i's spikes

Spikes in a file stay there until they are looked at; `between` reads the part of them in a window of time.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jax.core import Tracer

from .. import units
from ..recording.memory import available_bytes, in_words
from ..recording.records import DenseRecord, Recording, SpikeRecord, Stored


class Events(NamedTuple):
    """One entry an event, in order of time.

    Attributes:
        t: Time (ms), float64.
        i: Neuron, int32.
        trial: Batch element, int32, or None without a batch.
        value: Size, or None where every spike has size 1.
    """

    t: np.ndarray
    i: np.ndarray
    trial: np.ndarray | None
    value: np.ndarray | None


class SpikeView:
    """Spikes of one population; neuron numbers are the population's, columns are those of `ids`.

    Attributes:
        ids: Recorded neurons, int64 (recorded,).
        size: Neurons of the population.
        dt: Step (ms).
        t_start: Time at which the run began (ms).
        t_stop: Time at which it ended (ms).
        batch: Number of trials, or None.
    """

    def __init__(self, record: SpikeRecord | DenseRecord, recording: Recording):
        self._record, self._start, self._steps = record, recording.start, recording.steps
        self.ids, self.size, self.dt, self.batch = record.ids, record.size, recording.dt, recording.batch
        self.t_start = recording.start * recording.dt
        self.t_stop = (recording.start + recording.steps) * recording.dt

    @property
    def t(self) -> np.ndarray:
        """Time of each event (ms)."""
        return self.events.t

    @property
    def i(self) -> np.ndarray:
        """Neuron of each event."""
        return self.events.i

    @property
    def trial(self) -> np.ndarray | None:
        """Batch element of each event, or None without a batch."""
        return self.events.trial

    @cached_property
    def events(self) -> Events:
        """Every spike, in order of time.

        Raises:
            ValueError: Recorded under jit, grad or vmap, where the number of events is not known.
        """
        record = self._concrete()
        return Events((record.step + 1) * self.dt, record.id, record.trial, record.value)

    @cached_property
    def counts(self) -> Any:
        """Spikes of each recorded neuron, ([batch], recorded): int64, or float where spikes have sizes."""
        if isinstance(self._record, DenseRecord):
            return self._record.values.sum(0)
        lead = () if self.batch is None else (self.batch,)
        total = int(np.prod(lead, dtype=np.int64)) * len(self.ids)
        return np.bincount(self.rows, self._in_memory.value, minlength=total).reshape(*lead, len(self.ids))

    @property
    def dense(self) -> Any:
        """The raster, (steps, [batch], recorded): bool, or float where spikes have sizes.

        Raises:
            MemoryError: It would take more than half of the memory there is.
        """
        if isinstance(self._record, DenseRecord):
            return self._record.values
        record, lead = self._in_memory, () if self.batch is None else (self.batch,)
        shape = (self._steps, *lead, len(self.ids))
        dtype = np.dtype(np.bool_) if record.value is None else record.value.dtype
        needed, limit = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, available_bytes() // 2
        if needed > limit:
            raise MemoryError(f"spikes.dense: {in_words(needed)}, limit {in_words(limit)}: use `.events` or `.counts`.")
        raster = np.zeros((self._steps, int(np.prod(lead, dtype=np.int64)) * len(self.ids)), dtype)
        raster[record.step - self._start, self.rows] = True if record.value is None else record.value
        return raster.reshape(shape)

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of each event in the flattened ([batch], recorded): trial * recorded + column."""
        record = self._concrete()
        column = np.full(self.size, -1, np.int64)
        column[self.ids] = np.arange(len(self.ids))
        columns = column[record.id]
        return columns if record.trial is None else record.trial.astype(np.int64) * len(self.ids) + columns

    def between(self, begin: Any, end: Any) -> "SpikeView":
        """The spikes of the steps that lie in a window, and nothing else in memory, also of a file of any size.

        Args:
            begin: Begin of the window (ms), exclusive.
            end: End of the window (ms), inclusive.

        Raises:
            ValueError: The window is empty or not inside the run.
        """
        begin, end = float(units.strip("begin", begin, "ms")), float(units.strip("end", end, "ms"))
        if not self.t_start - 1e-6 * self.dt <= begin < end <= self.t_stop + 1e-6 * self.dt:
            raise ValueError(
                f"`begin`, `end`: expected {self.t_start:g} <= begin < end <= {self.t_stop:g} ms, got {begin:g} and "
                f"{end:g} ms."
            )
        first, last = round(begin / self.dt), round(end / self.dt)
        record = self._record
        if isinstance(record, DenseRecord):
            values = record.values[first - self._start : last - self._start]
            part: SpikeRecord | DenseRecord = DenseRecord(values, record.ids, record.size)
        else:
            rows = slice(_first_at(record.step, first), _first_at(record.step, last))
            part = _part(record, rows)
        return SpikeView(part, Recording({}, self.dt, first, last - first, self.batch))

    @cached_property
    def _in_memory(self) -> SpikeRecord:
        """The record with every column read.

        Raises:
            MemoryError: That would take more than half of the memory there is.
        """
        assert isinstance(self._record, SpikeRecord)
        record = self._record
        columns = (record.step, record.id, record.trial, record.value)
        needed = sum(column.nbytes for column in columns if isinstance(column, Stored))
        if needed > (limit := available_bytes() // 2):
            raise MemoryError(
                f"spikes: {in_words(needed)} in their file, limit {in_words(limit)}: `.between(begin, end)` takes the "
                f"spikes of a window."
            )
        return _part(record, slice(None))

    def _concrete(self) -> SpikeRecord:
        if isinstance(self._record, SpikeRecord):
            return self._in_memory
        if isinstance(self._record.values, Tracer):
            raise ValueError(
                "spikes.events has a data-dependent length, not available under jit/grad: use `.counts` or `.dense`."
            )
        return _events(np.asarray(self._record.values), self._record, self._start, self.batch)

    def __repr__(self) -> str:
        of = f"{len(self.ids)} of {self.size} neurons" if len(self.ids) < self.size else f"{self.size} neurons"
        trials = "" if self.batch is None else f", {self.batch} trials"
        return f"Spikes({of}, {self.t_start:g} to {self.t_stop:g} ms{trials})"


def _part(record: SpikeRecord, rows: slice) -> SpikeRecord:
    step, neuron, trial, value = (_rows(c, rows) for c in (record.step, record.id, record.trial, record.value))
    return SpikeRecord(step, neuron, trial, value, record.ids, record.size)


def _rows(column: Any, rows: slice) -> Any:
    return column.read(rows) if isinstance(column, Stored) else None if column is None else column[rows]


def _first_at(step: Any, value: int) -> int:
    """Number of events before step `value`, by bisection: steps are in order."""
    low, high = 0, step.shape[0]
    while low < high:
        middle = (low + high) // 2
        if _rows(step, slice(middle, middle + 1))[0] < value:
            low = middle + 1
        else:
            high = middle
    return low


def _events(dense: np.ndarray, record: DenseRecord, start: int, batch: int | None) -> SpikeRecord:
    where = np.nonzero(dense)
    values = dense[where]
    return SpikeRecord(
        step=start + where[0].astype(np.int64),
        id=record.ids[where[-1]].astype(np.int32),
        trial=None if batch is None else where[1].astype(np.int32),
        value=None if (values == 1).all() else values,
        ids=record.ids,
        size=record.size,
    )
