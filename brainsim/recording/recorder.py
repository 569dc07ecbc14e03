"""Collects what a run records, chunk by chunk, on the host: spikes become events in buffers that grow or fail loudly.

    dense (steps, [batch], n) -> events (step, [trial], id, [value]), in the order of time

Nothing is ever truncated. With `to=` the columns go to the disk while the run goes on (see `journal`).
"""

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Protocol

import numpy as np

from .journal import Committed, Journal
from .memory import in_words
from .records import (
    HistogramRecord,
    RateRecord,
    Record,
    Recording,
    SpikeRecord,
    TraceRecord,
    bin_edges,
    sample_steps,
)
from .spec import Histogram, Rate, Spec, Spikes, Trace

_ROWS = 1 << 20


class Column(Protocol):
    """A growing array."""

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end."""
        ...

    def __len__(self) -> int: ...

    def result(self) -> Any:
        """All of it."""
        ...


class Growing:
    """An array that grows at its first axis by a factor of 1.5, within a budget shared with others."""

    def __init__(self, key: str, dtype: np.dtype, tail: tuple[int, ...], budget: "_Budget"):
        self._key, self._budget, self._length = key, budget, 0
        self._rows = np.empty((0, *tail), dtype)

    def __len__(self) -> int:
        return self._length

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end."""
        needed = self._length + len(rows)
        if needed > len(self._rows):
            capacity = max(needed, len(self._rows) + len(self._rows) // 2, 1024 if self._rows.ndim == 1 else 0)
            row = int(np.prod(self._rows.shape[1:], dtype=np.int64)) * self._rows.itemsize
            if not self._budget.fits((capacity - len(self._rows)) * row):
                capacity = needed
            self._budget.take(self._key, (capacity - len(self._rows)) * row)
            try:
                self._rows.resize((capacity, *self._rows.shape[1:]), refcheck=False)
            except MemoryError:
                raise MemoryError(self._budget.sentence(self._key, capacity * row)) from None
        self._rows[self._length : needed] = rows
        self._length = needed

    def result(self) -> np.ndarray:
        """The array, without the spare room."""
        self._rows.resize((self._length, *self._rows.shape[1:]), refcheck=False)
        return self._rows


class _Budget:
    """Bytes that all buffers of a recorder may take together."""

    def __init__(self, limit: float | None):
        self.limit, self.taken = limit, 0

    def fits(self, more: int) -> bool:
        return self.limit is None or self.taken + more <= self.limit

    def take(self, key: str, more: int) -> None:
        if not self.fits(more):
            raise MemoryError(self.sentence(key, self.taken + more))
        self.taken += more

    def sentence(self, key: str, needed: int) -> str:
        limit = "" if self.limit is None else f"; limit {in_words(self.limit)}"
        return (
            f'simulate: the records need {in_words(needed)}, "{key}" does not fit{limit}: record fewer neurons '
            f'(`ids=`), or to a file (`to="file.h5"`).'
        )


class Recorder:
    """What simulation hands its chunks to; a context manager that leaves nothing unfinished but what was committed.

    Args:
        specs: What is recorded, with paths that exist.
        dt: Step (ms).
        sizes: Neurons (or synapses) behind each spec's path.
        start: Step that the run begins with.
        batch: Number of trials, or None.
        memory_limit: Bytes that the records may take in memory, or None.
        to: File that the records go to instead of memory.
        identity: With `to`: digests of what the run is made of, by name; it is only continued as what it was begun as.
        resume: With `to`: "auto" goes on with an unfinished run, True insists on one, False begins anew.

    Raises:
        ValueError: `every` or `bin` is not a multiple of `dt`, an id does not exist, or the unfinished run of `to` is
            of something else.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        *,
        dt: float,
        sizes: Mapping[str, int],
        start: int = 0,
        batch: int | None = None,
        memory_limit: float | None = None,
        to: str | os.PathLike[str] | None = None,
        identity: Mapping[str, str] = MappingProxyType({}),
        resume: str | bool = "auto",
    ):
        self.specs = {spec.key: spec for spec in specs}
        self._dt, self._start, self._steps = float(dt), int(start), 0
        self._batch = None if batch is None else int(batch)
        self._budget = _Budget(memory_limit)
        for spec in self.specs.values():
            spec.select(sizes[spec.path])
            spec.steps(dt)
        kinds = {Spikes: _Events, Trace: _Samples, Histogram: _Counts, Rate: _Bins}
        self._journal = None if to is None else Journal(to, dt, identity, resume)
        try:
            self._collectors: dict[str, _Events | _Samples | _Counts | _Bins] = {
                key: kinds[type(spec)](self, spec, sizes[spec.path]) for key, spec in self.specs.items()
            }
        except ValueError:
            self.__exit__(None, None, None)
            raise
        if self.committed is not None:
            self._steps = self.committed.steps
            for key, standing in self.committed.standing.items():
                self._collectors[key].go_on(standing)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._journal is not None:
            self._journal.abort()

    @property
    def committed(self) -> Committed | None:
        """Where an unfinished run of this file goes on; None where there is none."""
        return None if self._journal is None else self._journal.committed

    def commit(self, state: Any) -> None:
        """With `to=`: make what was recorded so far safe; once this returns, a killed process loses nothing before it.

        Args:
            state: State of the model after the last step taken.
        """
        if self._journal is not None:
            standing = {key: collector.standing for key, collector in self._collectors.items()}
            standing = {key: value for key, value in standing.items() if value is not None}
            self._journal.commit(self._start, self._steps, state, standing)

    def append(self, chunk: Mapping[str, np.ndarray], k0: int, steps: int) -> None:
        """Take what a chunk recorded.

        Args:
            chunk: By key. Spikes: (steps, [batch], recorded). Trace: (steps or samples, [batch], recorded), without the
                last axis where reduced. Histogram: (steps or samples, [batch], bins + 2). Rate: spikes of the
                population at each step, (steps, [batch]).
            k0: First step of the chunk; chunks follow each other without gaps.
            steps: Number of steps.

        Raises:
            ValueError: The chunk does not follow the one before, or an array has another shape.
            MemoryError: The records pass `memory_limit`.
        """
        if k0 != self._start + self._steps:
            raise ValueError(
                f"`k0`: expected {self._start + self._steps}, the step after the last one taken, got {k0}."
            )
        if set(chunk) != set(self._collectors):
            raise ValueError(f"`chunk`: expected {sorted(self._collectors)}, got {sorted(chunk)}.")
        for key, collector in self._collectors.items():
            collector.append(np.asarray(chunk[key]), k0, steps)
        self._steps += int(steps)

    def finish(
        self, *, state: Any = None, units: Mapping[str, str] | None = None, meta: Mapping[str, Any] | None = None
    ) -> Recording:
        """Everything recorded; with `to=`, written to its final place.

        Args:
            state: Final state of the model.
            units: Base unit of each trace and histogram by key.
            meta: Parameters, versions, seed and the like.
        """
        records = {key: collector.finish() for key, collector in self._collectors.items()}
        recording = Recording(
            records, self._dt, self._start, self._steps, self._batch, dict(units or {}), state, dict(meta or {})
        )
        return recording if self._journal is None else self._journal.finish(recording)

    def column(self, key: str, field: str, dtype: np.dtype | type, tail: tuple[int, ...] = ()) -> Column:
        """A column of the record `key`, in memory or on the disk: new, or as it was committed."""
        if self._journal is not None:
            return self._journal.column(key, field, np.dtype(dtype), tail)
        return Growing(key, np.dtype(dtype), tail, self._budget)

    def has(self, key: str, field: str) -> bool:
        """Whether the committed beginning of the run has this column."""
        return self._journal is not None and self._journal.has(key, field)

    @property
    def lead(self) -> tuple[int, ...]:
        """Axes between time and neurons: `(batch,)` or `()`."""
        return () if self._batch is None else (self._batch,)

    @property
    def dt(self) -> float:
        """Step (ms)."""
        return self._dt

    @property
    def span(self) -> tuple[int, int]:
        """First step and number of steps so far."""
        return self._start, self._steps


def _shaped(key: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(f'`chunk["{key}"]`: expected shape {expected}, got {array.shape}.')


class _Collector:
    """One record on its way; what it holds beside its columns is its `standing`."""

    @property
    def standing(self) -> Any:
        """What `go_on` needs, or None."""
        return None

    def go_on(self, standing: Any) -> None:
        """Take up the standing of a committed beginning."""


class _Events(_Collector):
    """Events of one population."""

    def __init__(self, recorder: Recorder, spec: Spikes, size: int):
        self._recorder, self._key, self._size = recorder, spec.key, size
        self._ids, self._all = spec.select(size), spec.ids is None
        make, lead = recorder.column, recorder.lead
        self._step, self._id = make(self._key, "step", np.int64), make(self._key, "id", np.int32)
        self._trial = make(self._key, "trial", np.int32) if lead else None
        self._value = make(self._key, "value", np.float32) if recorder.has(self._key, "value") else None

    def append(self, dense: np.ndarray, k0: int, steps: int) -> None:
        lead, chosen = self._recorder.lead, len(self._ids)
        dense = dense.reshape(*dense.shape[: 1 + len(lead)], -1) if dense.size else dense
        _shaped(self._key, dense, (steps, *lead, chosen))
        flat = dense.reshape(-1)
        where = np.flatnonzero(flat if flat.dtype == np.bool_ else flat != 0)
        row, column = np.divmod(where, chosen) if chosen else (where, where)
        trials = lead[0] if lead else 1
        before = len(self._step)
        self._step.append(k0 + (row // trials if lead else row))
        self._id.append((column if self._all else self._ids[column]).astype(np.int32))
        if self._trial is not None:
            self._trial.append((row % trials).astype(np.int32))
        self._append_values(flat, where, before)

    def _append_values(self, flat: np.ndarray, where: np.ndarray, before: int) -> None:
        values = flat[where].astype(np.result_type(flat.dtype, np.float32), copy=False)
        if self._value is None:
            if (values == 1).all():
                return
            self._value = self._recorder.column(self._key, "value", values.dtype)
            for begin in range(0, before, _ROWS):
                self._value.append(np.ones(min(_ROWS, before - begin), values.dtype))
        self._value.append(values)

    def finish(self) -> Record:
        trial = None if self._trial is None else self._trial.result()
        value = None if self._value is None else self._value.result()
        return SpikeRecord(self._step.result(), self._id.result(), trial, value, self._ids, self._size)


class _Samples(_Collector):
    """Samples of one variable."""

    def __init__(self, recorder: Recorder, spec: Trace, size: int):
        self._recorder, self._key, self._every = recorder, spec.key, spec.steps(recorder.dt)
        self._ids = None if spec.reduce else spec.select(size)
        self._values = self._column(np.float32) if recorder.has(self._key, "values") else None

    @property
    def _tail(self) -> tuple[int, ...]:
        return (*self._recorder.lead, *(() if self._ids is None else (len(self._ids),)))

    def _column(self, dtype: np.dtype | type) -> Column:
        return self._recorder.column(self._key, "values", dtype, self._tail)

    def append(self, values: np.ndarray, k0: int, steps: int) -> None:
        tail = self._tail
        values = values.reshape(len(values), *tail) if values.size == len(values) * int(np.prod(tail)) else values
        values = _sampled(self._key, values, tail, k0, steps, self._every)
        if self._values is None:
            self._values = self._column(values.dtype)
        self._values.append(values)

    def finish(self) -> Record:
        if self._values is None:
            self._values = self._column(np.float32)
        return TraceRecord(self._values.result(), self._every, self._ids)


def _sampled(key: str, values: np.ndarray, tail: tuple[int, ...], k0: int, steps: int, every: int) -> np.ndarray:
    """The rows of a chunk that are samples, (samples, *tail), of its steps or of its samples."""
    kept = sample_steps(k0, steps, every)
    if len(values) == steps and steps != len(kept):
        values = values[kept - k0]
    _shaped(key, values, (len(kept), *tail))
    return values


class _Counts(_Collector):
    """Histograms of one variable."""

    def __init__(self, recorder: Recorder, spec: Histogram, size: int):
        self._key, self._every, self._edges = spec.key, spec.steps(recorder.dt), np.asarray(spec.bins)
        self._size, self._tail = len(spec.select(size)), (*recorder.lead, len(spec.bins) + 1)
        self._binned = recorder.column(self._key, "binned", np.int32, self._tail)

    def append(self, binned: np.ndarray, k0: int, steps: int) -> None:
        self._binned.append(_sampled(self._key, binned, self._tail, k0, steps, self._every))

    def finish(self) -> Record:
        return HistogramRecord(self._binned.result(), self._edges, self._every, self._size)


class _Bins(_Collector):
    """Spikes of one population in bins; a bin that a chunk cuts stays open."""

    def __init__(self, recorder: Recorder, spec: Rate, size: int):
        self._recorder, self._key, self._size = recorder, spec.key, size
        self._bin = spec.steps(recorder.dt)
        self._counts = recorder.column(self._key, "counts", np.float64, recorder.lead)
        self._open = np.zeros(recorder.lead)

    @property
    def standing(self) -> np.ndarray:
        """Spikes in the bin that is still open."""
        return self._open

    def go_on(self, standing: np.ndarray) -> None:
        """Take up the open bin of the committed beginning."""
        self._open = standing

    def append(self, sums: np.ndarray, k0: int, steps: int) -> None:
        _shaped(self._key, sums, (steps, *self._recorder.lead))
        if steps == 0:
            return
        edges = bin_edges(k0, steps, self._bin)
        counts = np.add.reduceat(sums.astype(np.float64), edges[:-1] - k0, axis=0)
        counts[0] += self._open
        closed = len(counts) - (edges[-1] % self._bin != 0)
        self._open = counts[-1] if closed < len(counts) else np.zeros(self._recorder.lead)
        self._counts.append(counts[:closed])

    def finish(self) -> Record:
        start, steps = self._recorder.span
        if len(self._counts) < len(bin_edges(start, steps, self._bin)) - 1:
            self._counts.append(self._open[None])
        return RateRecord(np.asarray(self._counts.result()), self._bin, self._size)
