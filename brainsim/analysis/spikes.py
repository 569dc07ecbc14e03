"""Spikes of one population over a run, seen as events, counts or a dense raster.

time of a spike of step k = (k + 1) dt,     counts_i = sum of the sizes of neuron i's spikes
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jax.core import Tracer

from ..recording.memory import available_bytes, in_words
from ..recording.records import DenseRecord, Recording, SpikeRecord


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
        return np.bincount(self.rows, self._record.value, minlength=total).reshape(*lead, len(self.ids))

    @property
    def dense(self) -> Any:
        """The raster, (steps, [batch], recorded): bool, or float where spikes have sizes.

        Raises:
            MemoryError: It would take more than half of the memory there is.
        """
        if isinstance(self._record, DenseRecord):
            return self._record.values
        record, lead = self._record, () if self.batch is None else (self.batch,)
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

    def _concrete(self) -> SpikeRecord:
        if isinstance(self._record, SpikeRecord):
            return self._record
        if isinstance(self._record.values, Tracer):
            raise ValueError(
                "spikes.events has a data-dependent length, not available under jit/grad: use `.counts` or `.dense`."
            )
        return _events(np.asarray(self._record.values), self._record, self._start, self.batch)

    def __repr__(self) -> str:
        of = f"{len(self.ids)} of {self.size} neurons" if len(self.ids) < self.size else f"{self.size} neurons"
        trials = "" if self.batch is None else f", {self.batch} trials"
        return f"Spikes({of}, {self.t_start:g} to {self.t_stop:g} ms{trials})"


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
