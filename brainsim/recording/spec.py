"""What to record: spikes, traces and histograms of variables, and population rates, each named by a path.

    path  = part "." variable          "E.spikes", "I->E.g", "I->E#nmda.g", "1.v"
    sugar = path [ "[" ids "]" ]       "E.v[:3]", "0.v[2,5]", "E.spikes[100:200]"

Sampling and binning follow the model's clock: a trace or a histogram with `every` reads the values at multiples of
`every`, a rate counts the spikes with times in (j bin, (j + 1) bin]. A spike or value of step k belongs to the time
(k + 1) dt.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .. import units
from .._checks import choice, nearest, positive, steps
from .._paths import matches

_SUGAR = re.compile(r"(?P<path>[^\[\]\s]+\.(?P<variable>[A-Za-z_]\w*))(?:\[(?P<ids>[^\[\]]*)\])?")
_GRAMMAR = '"part.variable" or "part.variable[ids]", such as "E.spikes", "E.v[:3]", "I->E#nmda.g" or "0.v[2,5]"'


class Slice(NamedTuple):
    """A slice of neurons whose size is not known yet (hashable, unlike Python's own before 3.12)."""

    start: int | None
    stop: int | None
    step: int | None = None


class _Recorded:
    path: str
    ids: tuple[int, ...] | Slice | None

    @property
    def part(self) -> str:
        """The population, projection or layer: `"I->E"` of `"I->E.g"`."""
        return self.path.rpartition(".")[0]

    @property
    def variable(self) -> str:
        """The variable: `"g"` of `"I->E.g"`."""
        return self.path.rpartition(".")[2]

    @property
    def key(self) -> str:
        """Name of the record in `Run.records` and in a `Result`."""
        return self.path

    def select(self, size: int) -> np.ndarray:
        """The recorded neurons out of `size`, int64.

        Raises:
            ValueError: An id that is not in [0, size).
        """
        if self.ids is None:
            return np.arange(size)
        if isinstance(self.ids, Slice):
            return np.arange(size)[slice(*self.ids)]
        ids = np.asarray(self.ids, np.int64)
        wrong = ids[(ids < 0) | (ids >= size)]
        if wrong.size:
            raise ValueError(f'`ids` of "{self.path}": expected ids in [0, {size}), got {wrong[0]}.')
        return ids


@dataclass(frozen=True)
class Spikes(_Recorded):
    """Spikes of a population, as events.

    Args:
        path: Population, `"E"` or `"E.spikes"`.
        ids: Neurons: None (all), indices, or a slice.
    """

    path: str
    ids: Any = None

    def __post_init__(self):
        object.__setattr__(self, "path", _full(self.path, "spikes"))
        object.__setattr__(self, "ids", _ids(self.path, self.ids))

    def steps(self, dt: float) -> int:
        """Spikes are kept of every step: 1."""
        return 1


@dataclass(frozen=True)
class Trace(_Recorded):
    """Values of one variable over time.

    Args:
        path: Variable, such as `"E.v"`, `"I->E.g"` or `"in->E.weight"`.
        ids: Neurons or synapses: None (all), indices, or a slice.
        every: Time between samples (ms); None keeps each step.
        reduce: None, or "mean" or "sum" over the chosen neurons; the record is then called `"E.v_mean"` or `"E.v_sum"`.
    """

    path: str
    ids: Any = None
    every: Any = None
    reduce: str | None = None

    def __post_init__(self):
        _check_variable("Trace", self.path)
        if self.reduce is not None:
            choice(f'reduce` of `"{self.path}"', self.reduce, ("mean", "sum"))
        object.__setattr__(self, "ids", _ids(self.path, self.ids))
        if self.every is not None:
            object.__setattr__(self, "every", _time(f'every` of `"{self.path}"', self.every))

    @property
    def key(self) -> str:
        """Name of the record: the path, with `_mean` or `_sum` where reduced."""
        return f"{self.path}_{self.reduce}" if self.reduce else self.path

    def steps(self, dt: float) -> int:
        """Steps between samples; `every` must be a multiple of `dt` (ms)."""
        return 1 if self.every is None else _whole(f'every` of `"{self.path}"', self.every, dt)


@dataclass(frozen=True)
class Histogram(_Recorded):
    """How the values of one variable are distributed, over time: what weights become without storing every weight.

        bins[j] <= x < bins[j + 1],  of the last one also x = bins[-1];  below: x < bins[0];  above: all others

    Edges are compared in the precision of the variable: a weight at its bound is not above a last edge there. A sample
    takes as much memory as there are bins, however many synapses or neurons it counts. The record is called
    `"in->E.weight_histogram"`, and `result["in->E"].weight_histogram` shows it.

    Args:
        path: Variable, such as `"in->E.weight"` or `"E.v"`.
        bins: Edges of the bins, ascending: a quantity, or numbers in the base unit of the variable.
        ids: Neurons or synapses that are counted: None (all), indices, or a slice.
        every: Time between samples (ms); None takes one in each step.
        unit: Base unit of `bins`; a quantity brings it along. None: that of the variable.
    """

    path: str
    bins: Any
    ids: Any = None
    every: Any = None
    unit: str | None = None

    def __post_init__(self):
        _check_variable("Histogram", self.path)
        name, bins = f'bins` of `"{self.path}"', self.bins
        edges = bins if isinstance(bins, list | tuple) else (bins,)
        given = next((units.unit_of(edge) for edge in edges if units.is_quantity(edge)), None)
        if given is not None:
            object.__setattr__(self, "unit", given)
            bins = units.strip(name, bins, given)
        edges = np.asarray(bins)
        if edges.ndim != 1 or edges.size < 2 or edges.dtype.kind not in "iuf":
            raise ValueError(f"`{name}`: expected two or more edges, got {self.bins!r}.")
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise ValueError(f"`{name}`: expected finite edges in ascending order, got {self.bins!r}.")
        object.__setattr__(self, "bins", tuple(edges.astype(np.float64).tolist()))
        object.__setattr__(self, "ids", _ids(self.path, self.ids))
        if self.every is not None:
            object.__setattr__(self, "every", _time(f'every` of `"{self.path}"', self.every))

    @property
    def key(self) -> str:
        """Name of the record: the path with `_histogram`."""
        return f"{self.path}_histogram"

    def check_unit(self, unit: str) -> None:
        """Raise where `bins` were given in another unit than that of the variable."""
        if self.unit not in (None, unit):
            raise ValueError(
                f'`bins` of "{self.path}": expected {units.describe(unit)}, got {units.describe(self.unit or "")}.'
            )

    def steps(self, dt: float) -> int:
        """Steps between samples; `every` must be a multiple of `dt` (ms)."""
        return 1 if self.every is None else _whole(f'every` of `"{self.path}"', self.every, dt)


@dataclass(frozen=True)
class Rate(_Recorded):
    """Mean firing rate of a population in consecutive bins (Hz per neuron).

    Args:
        path: Population, `"E"` or `"E.rate"`.
        bin: Width of a bin (ms).
    """

    path: str
    bin: Any = 1.0

    ids = None

    def __post_init__(self):
        object.__setattr__(self, "path", _full(self.path, "rate"))
        object.__setattr__(self, "bin", _time(f'bin` of `"{self.path}"', self.bin))

    def steps(self, dt: float) -> int:
        """Steps in a bin; `bin` must be a multiple of `dt` (ms)."""
        return _whole(f'bin` of `"{self.path}"', self.bin, dt)


Spec: TypeAlias = Spikes | Trace | Histogram | Rate


def parse(record: str | Spec) -> Spec:
    """One entry of `record=`: a spec as it is, or the sugar for one.

    Raises:
        ValueError: The text is not of the grammar; the message gives the text and the grammar.
    """
    if isinstance(record, Spec):
        return record
    match = _SUGAR.fullmatch(record) if isinstance(record, str) else None
    if match is None:
        raise ValueError(f"`record`: expected {_GRAMMAR}, or Spikes, Trace, Histogram or Rate; got {record!r}.")
    path, ids = match["path"], _ids_of_text(record, match["ids"])
    if match["variable"] == "spikes":
        return Spikes(path, ids)
    if match["variable"] == "rate":
        if ids is not None:
            raise ValueError(f'`record` "{record}": a rate is of the whole population; use Spikes with ids.')
        return Rate(path)
    return Trace(path, ids)


def expand(record: str | Spec | Iterable[str | Spec], known: Sequence[str]) -> tuple[Spec, ...]:
    """All entries of `record=` with globs (`"*.spikes"`) replaced by the paths that they match.

    Args:
        record: One entry or several.
        known: Every path that can be recorded (`"E.spikes"`, `"E.rate"`, `"E.v"`, ...).

    Raises:
        ValueError: A path that matches nothing (the near ones are listed), or one recorded twice.
    """
    entries = [record] if isinstance(record, str | Spec) else list(record)
    specs: dict[str, Spec] = {}
    for spec in map(parse, entries):
        paths = [spec.path] if spec.path in known else [path for path in known if matches(spec.path, path)]
        if not paths:
            raise ValueError(f'`record`: "{spec.path}" matches nothing; did you mean {nearest(spec.path, known)}?')
        for path in paths:
            found = _renamed(spec, path)
            if found.key in specs:
                raise ValueError(f'`record`: "{found.key}" is there twice; give one entry with all its ids.')
            specs[found.key] = found
    return tuple(specs.values())


def _renamed(spec: Spec, path: str) -> Spec:
    fields = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
    return type(spec)(**{**fields, "path": path})


def _check_variable(kind: str, path: Any) -> None:
    if not isinstance(path, str) or not _SUGAR.fullmatch(path) or "[" in path:
        raise ValueError(f'`path` of {kind}: expected "part.variable" such as "E.v", got {path!r}.')
    if (variable := path.rpartition(".")[2]) in ("spikes", "rate"):
        raise ValueError(f'`path` of {kind}: "{path}" is recorded by {variable.capitalize()}.')


def _full(path: Any, variable: str) -> str:
    text = path if isinstance(path, str) and path.endswith("." + variable) else f"{path}.{variable}"
    if not isinstance(path, str) or not _SUGAR.fullmatch(text) or "[" in text:
        name = variable.capitalize()
        raise ValueError(f'`path` of {name}: expected a population such as "E" or "E.{variable}", got {path!r}.')
    return text


def _time(name: str, value: Any) -> float:
    number = units.strip(name, value, "ms")
    positive(name, number, "ms")
    return float(number)


def _whole(name: str, value: float, dt: float) -> int:
    if value < dt * (1 - 1e-6):
        raise ValueError(f"`{name}` = {value:g} ms is shorter than dt = {dt:g} ms.")
    return steps(name, value, dt)


def _ids(path: str, ids: Any) -> tuple[int, ...] | Slice | None:
    if ids is None or isinstance(ids, Slice):
        return ids
    if isinstance(ids, slice):
        return Slice(ids.start, ids.stop, ids.step)
    array = np.atleast_1d(np.asarray(ids if np.ndim(ids) or not isinstance(ids, Iterable) else list(ids)))
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
        raise ValueError(f'`ids` of "{path}": expected indices of neurons or a slice, got {ids!r}.')
    if np.unique(array).size != array.size:
        raise ValueError(f'`ids` of "{path}": a neuron is there twice.')
    if array.min() < 0:
        raise ValueError(f'`ids` of "{path}": expected ids >= 0, got {array.min()}.')
    return tuple(array.tolist())


def _ids_of_text(record: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        if ":" in text:
            parts = [int(part) if part.strip() else None for part in text.split(":")]
            return Slice(*parts) if len(parts) > 1 and parts[2:] != [0] else int(text)
        return [int(part) for part in text.split(",")]
    except (ValueError, TypeError):
        raise ValueError(f'`record` "{record}": expected ids such as [3], [2,5] or [:10], got [{text}].') from None
