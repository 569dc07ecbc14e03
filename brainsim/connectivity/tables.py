"""Tables with one row for each synapse or neuron: text (CSV, TSV) and Parquet, checked row by row.

    edges = read_edges("chemical.csv", pre="pre", post="post", nodes=names)
    Projection("N", "N", edges.rule, weight=edges["em_sections"] * 0.1 * nS, ...)

Neurons are numbers from 0, or names that `nodes` puts in order. Every fault names the file, the row (counted from 1,
the first one under the header; in text also its line) and the column. Parquet needs pyarrow.
"""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .edge_list import EdgeList

SUFFIXES = (".parquet", ".pq")


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length.

    Attributes:
        path: File that they come from.
        columns: Arrays; words (object) in a text table.
    """

    path: Path
    columns: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """A column as numbers (float64).

        Raises:
            ValueError: There is no such column, or a row of it is no finite number.
        """
        column = self.words(name)
        if column.dtype.kind in "iuf":
            numbers = column.astype(np.float64)
        else:
            numbers = np.array([_number(word) for word in column], np.float64)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if bad.size:
            raise ValueError(f"{self.place(bad[0])}: expected a number in `{name}`, got {column[bad[0]]!r}.")
        return numbers

    def words(self, name: str) -> np.ndarray:
        """A column as it is in the file."""
        if name not in self.columns:
            raise ValueError(f"{self.path}: expected a column `{name}`, got {', '.join(self.columns) or 'none'}.")
        return self.columns[name]

    def neurons(self, name: str, nodes: Sequence[Any] | int | None = None) -> np.ndarray:
        """A column as neurons (int64).

        Args:
            name: Column.
            nodes: The names of all neurons in order, or their number; None: whatever numbers >= 0 there are.

        Raises:
            ValueError: A row names a neuron that does not exist.
        """
        column = self.words(name)
        if nodes is not None and not isinstance(nodes, int):
            number = {str(node): at for at, node in enumerate(nodes)}
            if len(number) != len(nodes):
                raise ValueError(
                    f"`nodes`: expected each name once, got {len(nodes)} names, {len(number)} of them different."
                )
            ids = np.array([number.get(str(word), -1) for word in column], np.int64)
            bad, expected = np.flatnonzero(ids < 0), f"one of {len(number)} names"
        else:
            values = self[name]
            ids = values.astype(np.int64)
            limit = np.iinfo(np.int32).max if nodes is None else nodes
            bad = np.flatnonzero((ids != values) | (ids < 0) | (ids >= limit))
            expected = "a whole number >= 0" + ("" if nodes is None else f" and < {nodes}")
        if bad.size:
            raise ValueError(f"{self.place(bad[0])}: expected {expected} in `{name}`, got {column[bad[0]]!r}.")
        return ids

    def where(self, mask: np.ndarray) -> "Table":
        """The rows for which `mask` is true."""
        return Table(self.path, {name: column[mask] for name, column in self.columns.items()})

    def place(self, row: int) -> str:
        """File and row, for messages."""
        return f"{self.path}, row {int(row) + 1}"


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeTable:
    """Synapses of a table: `rule` says who is connected; `table["delay"]` and so on are arrays in the same order."""

    rule: EdgeList
    table: Table

    def __getitem__(self, name: str) -> np.ndarray:
        """A column as numbers (nnz,)."""
        return self.table[name]


def read_table(path: str | Path, *, delimiter: str | None = None) -> Table:
    """A table whose first line names the columns, or a Parquet file.

    Args:
        path: File; `.parquet` and `.pq` are Parquet, others text.
        delimiter: What separates columns of text; by default a tab in `.tsv` and a comma elsewhere.

    Raises:
        ValueError: Rows of different lengths, or two columns of one name.
        ImportError: Parquet without pyarrow.
    """
    path = Path(path)
    if path.suffix in SUFFIXES:
        return Table(path, _parquet(path))
    delimiter = delimiter or ("\t" if path.suffix == ".tsv" else ",")
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        names = [name.strip() for name in next(reader, [])]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"{path}: expected a first line of different column names, got {names}.")
        rows = []
        for row in reader:
            if row and len(row) != len(names):
                raise ValueError(
                    f"{path}, row {len(rows) + 1} (line {reader.line_num}): expected {len(names)} columns, got "
                    f"{len(row)}."
                )
            rows += [row] if row else []
    columns = np.array(rows, object).reshape(len(rows), len(names)).T
    return Table(path, dict(zip(names, columns, strict=True)))


def read_edges(
    path: str | Path,
    *,
    pre: str = "pre",
    post: str = "post",
    nodes: Sequence[Any] | int | tuple[Any, Any] | None = None,
    delimiter: str | None = None,
) -> EdgeTable:
    """The synapses of a table.

    Args:
        path: File, see `read_table`.
        pre: Column of presynaptic neurons.
        post: Column of postsynaptic neurons.
        nodes: Names of all neurons in order, or how many there are; a pair where pre and post are two populations.
        delimiter: What separates columns of text.

    Raises:
        ValueError: A column is missing, or a row names a neuron that does not exist.
    """
    table = read_table(path, delimiter=delimiter)
    before, after = nodes if isinstance(nodes, tuple) else (nodes, nodes)
    ends = table.neurons(pre, before), table.neurons(post, after)
    sizes = [end if end is None or isinstance(end, int) else len(end) for end in (before, after)]
    known = None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1])
    return EdgeTable(EdgeList(*ends, shape=known), table)


def _number(word: Any) -> float:
    try:
        return float(word)
    except (TypeError, ValueError):
        return np.nan


def _parquet(path: Path) -> dict[str, np.ndarray]:
    try:
        import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"{path}: Parquet files need pyarrow: pip install 'brainsim[tables]'.") from error
    table = parquet.read_table(path)
    return {name: table.column(name).to_numpy() for name in table.column_names}
