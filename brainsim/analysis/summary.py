"""Firing statistics of every population of a run, as one table.

rate: mean and sd over neurons of N / T    active: share with a spike    ISI CV, Fano (100 ms): mean over neurons
synchrony: var / mean of the population's count in 3 ms
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import statistics

if TYPE_CHECKING:
    from .result import Result

_COLUMNS = {
    "population": "population",
    "neurons": "neurons",
    "recorded": "recorded",
    "rate": "rate (Hz)",
    "rate_sd": "sd (Hz)",
    "active": "active",
    "silent": "silent",
    "isi_cv": "ISI CV",
    "fano": "Fano",
    "synchrony": "synchrony",
}
_SHARES = ("active", "silent")


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of named values; `print` shows them aligned.

    Attributes:
        title: What the table is of.
        rows: One dict a row, all with the same keys; None where a value is not known.
    """

    title: str
    rows: Sequence[dict[str, Any]]

    def __getitem__(self, population: str) -> dict[str, Any]:
        """The row of one population."""
        for row in self.rows:
            if row["population"] == population:
                return row
        raise ValueError(f'"{population}": expected one of {", ".join(row["population"] for row in self.rows)}.')

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Rows by population; numbers are plain Python."""
        return {
            row["population"]: {key: value for key, value in row.items() if key != "population"} for row in self.rows
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings, with units."""
        return tuple(_COLUMNS.values())

    @property
    def cells(self) -> list[list[str]]:
        """The rows as text, "-" where a value is not known."""
        return [[_cell(key, row[key]) for key in _COLUMNS] for row in self.rows]

    def __str__(self) -> str:
        cells = [list(self.columns), *self.cells]
        widths = [max(len(row[k]) for row in cells) for k in range(len(_COLUMNS))]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in cells]
        return "\n".join([self.title, lines[0], "-" * max(map(len, lines)), *lines[1:]])


def summarise(result: "Result", skip: float) -> Table:
    """The table of a result without its first `skip` ms.

    Raises:
        ValueError: Neither spikes nor rates were recorded.
    """
    parts = [part for part in result.parts if f"{part}.spikes" in result or f"{part}.rate" in result]
    if not parts:
        raise ValueError(f"no spikes or rates were recorded; recorded: {', '.join(result.recorded) or 'nothing'}.")
    duration = result.t_stop - result.t_start
    if not 0 <= skip < duration:
        raise ValueError(f"`skip`: expected a time (ms) in [0, {duration:g}), got {skip:g} ms.")
    trials = "" if result.batch is None else f", {result.batch} trials"
    title = f"{result.t_start + skip:g} to {result.t_stop:g} ms, dt {result.dt:g} ms{trials}"
    return Table(title, [_row(result, part, skip) for part in parts])


def _row(result: "Result", part: str, skip: float) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS)
    row["population"] = part
    if f"{part}.spikes" in result:
        spikes = result[part].spikes
        rates = statistics.rates(spikes, skip=skip)
        per_neuron = rates.reshape(-1, rates.shape[-1]).mean(0)
        row |= {"neurons": spikes.size, "recorded": len(spikes.ids), "rate": _mean(rates)}
        row["rate_sd"] = float(per_neuron.std()) if per_neuron.size else None
        row["active"] = _mean(statistics.active_share(spikes, skip=skip)) if per_neuron.size else None
        row["silent"] = None if row["active"] is None else 1 - row["active"]
        row["isi_cv"] = _mean(statistics.isi_cv(spikes, skip=skip))
        row["fano"] = _mean(statistics.fano(spikes, skip=skip))
        row["synchrony"] = _mean(statistics.synchrony(spikes, skip=skip))
    if f"{part}.rate" in result:
        row |= _of_all(result, f"{part}.rate", skip)
    return row


def _of_all(result: "Result", key: str, skip: float) -> dict[str, Any]:
    """Size and mean rate of a population from its rate record: the bins that begin after `skip`, weighted by width."""
    edges, hertz = result.edges(key), np.asarray(result.value(key), np.float64)
    later = edges[:-1] >= result.t_start + skip - 1e-6 * result.dt
    found: dict[str, Any] = {"neurons": result.size(key)}
    if later.any():
        found["rate"] = _mean(np.average(hertz[later], axis=0, weights=np.diff(edges)[later]))
    return found


def _mean(values: np.ndarray) -> float | None:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else None


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _aligned(row: list[str], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if k == 0 else cell.rjust(width)
        for k, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
