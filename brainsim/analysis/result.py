"""What `simulate` returns: spikes, traces, histograms and rates by path, in NumPy and base units, and the final state.

    r["E"].spikes.t    r["E"].v    r["I->E"].g    r["E->E"].weight_histogram.counts    r["E"].rate    r.t    r.state

Axes are (time, [batch], neurons); `r.t[k]` = (k + 1) dt after the start is the time of row k of a trace of every step.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import units
from .._checks import nearest
from ..recording import spike_file
from ..recording.memory import available_bytes, in_words
from ..recording.records import (
    DenseRecord,
    HistogramRecord,
    RateRecord,
    Recording,
    SpikeRecord,
    Stored,
    TraceRecord,
    bin_edges,
    sample_steps,
)
from .histogram import HistogramView
from .spikes import SpikeView
from .summary import Table, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Part:
    """What was recorded of one population, projection or layer: its variables are attributes."""

    def __init__(self, result: "Result", name: str):
        self._result, self._name = result, name

    def __getattr__(self, variable: str) -> Any:
        if variable.startswith("__"):
            raise AttributeError(variable)
        key = f"{self._name}.{variable}"
        if key not in self._result.recorded:
            listed = ", ".join(self._result.recorded)
            raise AttributeError(f'"{key}" was not recorded; recorded: {listed}. Ask for it: `record=["{key}"]`.')
        return self._result.value(key)

    @property
    def ids(self) -> np.ndarray:
        """Neurons (or synapses) behind the columns, where all records of this part have the same."""
        found = {key: self._result.ids(key) for key in self if not key.endswith(".rate")}
        known = [ids for ids in found.values() if ids is not None]
        if not known:
            raise ValueError(f'"{self._name}" has no record with columns.')
        if any(not np.array_equal(ids, known[0]) for ids in known):
            raise ValueError(f'the records of "{self._name}" have different neurons: `r.ids("{next(iter(found))}")`.')
        return known[0]

    def __iter__(self) -> Iterator[str]:
        """Keys of the records of this part."""
        return (key for key in self._result.recorded if key.rpartition(".")[0] == self._name)

    def __dir__(self) -> list[str]:
        return ["ids", *(key.rpartition(".")[2] for key in self)]

    def __repr__(self) -> str:
        return f"Part({self._name}: {', '.join(key.rpartition('.')[2] for key in self)})"


class Result:
    """One run.

    Args:
        recording: What the recorder collected.

    Attributes:
        dt: Step (ms).
        steps: Number of steps.
        batch: Number of trials, or None.
        t_start: Time at which the run began (ms).
        t_stop: Time at which it ended (ms).
        state: State of the model after the last step; `simulate(model, ..., state=r.state)` goes on exactly.
        meta: Parameters, versions, seed and the like.
    """

    def __init__(self, recording: Recording):
        self._recording, self._values = recording, {}
        self.dt, self.steps, self.batch = recording.dt, recording.steps, recording.batch
        self.t_start = recording.start * recording.dt
        self.t_stop = (recording.start + recording.steps) * recording.dt
        self.state, self.meta = recording.state, dict(recording.meta)

    @property
    def recorded(self) -> tuple[str, ...]:
        """Keys of all records, such as `("E.spikes", "E.v")`."""
        return tuple(self._recording.records)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the populations, projections and layers that have records."""
        return tuple(dict.fromkeys(key.rpartition(".")[0] for key in self.recorded))

    def __getitem__(self, name: str | int) -> Part:
        if str(name) not in self.parts:
            listed = ", ".join(self.recorded) or "nothing"
            raise ValueError(
                f'"{name}": nothing was recorded of it (near: {nearest(str(name), self.parts)}); recorded: {listed}.'
            )
        return Part(self, str(name))

    def __contains__(self, name: object) -> bool:
        return str(name) in self.parts or name in self.recorded

    @property
    def t(self) -> np.ndarray:
        """Time at the end of each step (ms), float64 (steps,)."""
        return (self._recording.start + 1 + np.arange(self.steps)) * self.dt

    def times(self, key: str) -> np.ndarray:
        """Times of the rows of one record (ms): samples of a trace or histogram, centres of bins of a rate, steps."""
        record = self._record(key)
        if isinstance(record, TraceRecord | HistogramRecord):
            return (sample_steps(self._recording.start, self.steps, record.every) + 1) * self.dt
        if isinstance(record, RateRecord):
            edges = self.edges(key)
            return (edges[1:] + edges[:-1]) / 2
        return self.t

    def edges(self, key: str) -> np.ndarray:
        """Edges of the bins, (bins + 1,): of a rate (ms; the ends of the run may cut the first and last bin), or of a
        histogram (in the unit of its variable)."""
        record = self._record(key)
        if isinstance(record, HistogramRecord):
            return record.edges
        if not isinstance(record, RateRecord):
            raise ValueError(f'"{key}": expected a rate or a histogram.')
        return bin_edges(self._recording.start, self.steps, record.bin) * self.dt

    def ids(self, key: str) -> np.ndarray | None:
        """Neurons (or synapses) behind the columns of one record; None for a rate, a histogram or a reduced trace."""
        return getattr(self._record(key), "ids", None)

    def size(self, key: str) -> int:
        """Neurons of the population behind spikes or a rate, recorded or not; values that a histogram counts."""
        record = self._record(key)
        if isinstance(record, TraceRecord):
            raise ValueError(f'"{key}": expected spikes, a histogram or a rate.')
        return record.size

    def unit(self, key: str) -> str:
        """Base unit of a record: "mV" of a voltage or of the edges of its histogram, "Hz" of a rate, "" of spikes."""
        record = self._record(key)
        return "Hz" if isinstance(record, RateRecord) else self._recording.units.get(key, "")

    def value(self, key: str) -> Any:
        """A record by its key: `r.value("E.v")` is `r["E"].v`.

        Raises:
            MemoryError: A trace in a file that does not fit into half of the memory there is.
        """
        if key not in self._values:
            self._values[key] = self._view(key)
        return self._values[key]

    def _view(self, key: str) -> Any:
        record = self._record(key)
        if isinstance(record, SpikeRecord | DenseRecord):
            return SpikeView(record, self._recording)
        if isinstance(record, RateRecord):
            seconds = np.diff(self.edges(key)) * 1e-3 * record.size
            return record.counts / seconds.astype(record.counts.dtype).reshape(-1, *(1,) * (record.counts.ndim - 1))
        rows = _in_memory(key, _rows(record))
        if isinstance(record, HistogramRecord):
            unit, begin = self.unit(key), self.t_start
            return HistogramView(key, self.times(key), record.edges, rows, size=record.size, unit=unit, t_start=begin)
        return rows

    def read(self, key: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows `start` to `stop` of a trace, or of the counts of a histogram `(samples, [batch], bins + 2)` (the first
        below, the last above its bins), from its file where it is in one."""
        record = self._record(key)
        if not isinstance(record, TraceRecord | HistogramRecord):
            raise ValueError(f'"{key}": expected a trace or a histogram.')
        rows, found = slice(start, stop), _rows(record)
        return found.read(rows) if isinstance(found, Stored) else found[rows]

    def _record(self, key: str) -> Any:
        if key not in self._recording.records:
            listed = ", ".join(self.recorded) or "nothing"
            raise ValueError(f'"{key}" was not recorded; recorded: {listed}.')
        return self._recording.records[key]

    def summary(self, skip: Any = 0.0) -> Table:
        """Rates, activity and regularity of every population.

        Args:
            skip: Time left out at the beginning (ms).
        """
        return summarise(self, float(units.strip("skip", skip, "ms")))

    def plot(self, path: str | os.PathLike[str] | None = None, skip: Any = 0.0, *, spectrum: bool = False) -> "Figure":
        """Raster, population rates and traces, one above the other.

        Args:
            path: Image file to write (PNG, PDF, SVG), or None.
            skip: Time left out at the beginning (ms).
            spectrum: Whether to add the power spectra of the population rates.
        """
        from .plot import plot_result

        figure = plot_result(self, skip=float(units.strip("skip", skip, "ms")), spectrum=spectrum)
        if path is not None:
            figure.savefig(path)
        return figure

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        skip: Any = 0.0,
        network: Any = None,
        title: str = "Simulation report",
    ) -> None:
        """Write one self-contained page (HTML) with figures, statistics, the model's tables and how to repeat the run.

        Args:
            path: File to write.
            skip: Time left out of figures and statistics at the beginning (ms).
            network: The `Network` that ran, for figures of its connections and weights, or None.
            title: Title of the page.
        """
        from .report import report

        text = report(self, skip=float(units.strip("skip", skip, "ms")), network=network, title=title)
        Path(path).write_text(text, encoding="utf-8")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Store everything in one HDF5 file (spikes as SONATA has them), atomically; `Result.load` reads it."""
        spike_file.write(path, self._recording)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Result":
        """The result in a file; `r.state` goes on where the run stopped.

        Raises:
            ValueError: Not such a file, of a newer version, truncated or damaged.
        """
        return cls(spike_file.read(path))

    def to_dict(self) -> dict[str, Any]:
        """Everything recorded as dicts and arrays: `{"dt": ..., "E": {"spikes": {"t": ..., "i": ...}, "v": ...}}`."""
        found: dict[str, Any] = {"dt": self.dt, "t_start": self.t_start, "t_stop": self.t_stop, "meta": self.meta}
        for key in self.recorded:
            part, _, variable = key.rpartition(".")
            value = self.value(key)
            if isinstance(value, SpikeView):
                value = {name: column for name, column in value.events._asdict().items() if column is not None}
            if isinstance(value, HistogramView):
                value = {name: getattr(value, name) for name in ("t", "edges", "counts", "below", "above")}
            found.setdefault(part, {})[variable] = value
        return found

    def to_neo(self) -> Any:
        """Everything recorded as a `neo.Block`: a segment a trial, a spike train a neuron; needs `brainsim[neo]`."""
        from .to_neo import to_neo

        return to_neo(self)

    def __repr__(self) -> str:
        trials = "" if self.batch is None else f", {self.batch} trials"
        listed = ", ".join(self.recorded) or "nothing"
        return f"Result({self.t_start:g} to {self.t_stop:g} ms, dt {self.dt:g} ms{trials}: {listed})"


def _rows(record: TraceRecord | HistogramRecord) -> Any:
    return record.binned if isinstance(record, HistogramRecord) else record.values


def _in_memory(key: str, rows: Any) -> Any:
    if not isinstance(rows, Stored):
        return rows
    limit = available_bytes() // 2
    if rows.nbytes > limit:
        raise MemoryError(
            f'"{key}": {in_words(rows.nbytes)} in its file, limit {in_words(limit)}: '
            f'`r.read("{key}", start, stop)` takes some rows.'
        )
    return np.asarray(rows)
