"""What `sweep` returns: one row a run, to be read, drawn and stored."""

import csv
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import choice, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class SweepTable:
    """Runs over a grid of parameters.

    Attributes:
        rows: One dict a run: the grid's names, "seed" where there were several, the measures, "wall_s" and "error"
            (None where the run went well). Measures of a run that failed are None.
        axes: The grid's names, and "seed" where there is one, with their units ("x" for factors).
        measures: Names of the measures.
    """

    rows: Sequence[Mapping[str, Any]]
    axes: Mapping[str, str]
    measures: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return (*self.axes, *self.measures, "wall_s", "error")

    @property
    def failed(self) -> list[Mapping[str, Any]]:
        """The rows that have an error."""
        return [row for row in self.rows if row["error"] is not None]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> np.ndarray:
        """One column, (rows,); a measure of numbers as float64, nan where a run failed."""
        if column not in self.columns:
            raise ValueError(f'"{column}": expected one of {nearest(column, self.columns)}.')
        values = [row[column] for row in self.rows]
        if column in self.measures and all(value is None or np.ndim(value) == 0 for value in values):
            return np.asarray([np.nan if value is None else value for value in values], np.float64)
        if any(np.ndim(value) for value in values):
            column_of_arrays = np.empty(len(values), object)
            column_of_arrays[:] = values
            return column_of_arrays
        return np.asarray(values, object if None in values else None)

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name, in plain Python (for `pandas.DataFrame`, for JSON)."""
        return {column: [_plain(row[column]) for row in self.rows] for column in self.columns}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table: a ".csv" with a line a run, or a ".json" with the axes' units and a list of rows.

        Raises:
            ValueError: Another ending.
        """
        path = Path(path)
        choice("path` ending in `.", path.suffix.removeprefix("."), ("csv", "json"))
        plain = [{column: _plain(row[column]) for column in self.columns} for row in self.rows]
        if path.suffix == ".json":
            content = {"axes": dict(self.axes), "measures": list(self.measures), "rows": plain}
            path.write_text(json.dumps(content, indent=1) + "\n")
            return
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            for row in plain:
                cells = (json.dumps(value) if isinstance(value, list) else value for value in row.values())
                writer.writerow("" if cell is None else cell for cell in cells)

    def plot(self, path: str | os.PathLike[str] | None = None) -> "Figure":
        """A panel a measure, over the first axis, a line for each value of the others; the mean and sd over seeds.

        Args:
            path: Image file to write (PNG, PDF, SVG), or None.
        """
        from .plot_sweep import plot_sweep

        figure = plot_sweep(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def __str__(self) -> str:
        heads = [f"{name} ({unit})" if unit else name for name, unit in self.axes.items()]
        shown = [*heads, *self.measures, *(["error"] if self.failed else [])]
        columns = [*self.axes, *self.measures, *(["error"] if self.failed else [])]
        cells = [shown] + [[_cell(row[column]) for column in columns] for row in self.rows]
        widths = [max(len(row[k]) for row in cells) for k in range(len(shown))]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if np.ndim(value):
        return f"array of {np.shape(value)}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
