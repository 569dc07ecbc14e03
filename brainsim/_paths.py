"""Paths name every parameter of a model: `"E.tau_mem"`, `"I->E.weight"`, `"2.tau_mem"`, with `*` matching anything.

A container (`Network`, `Sequential`) answers `parameters()` with one `ParameterInfo` a path; selecting, labelling,
constraining and reporting need nothing else.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ._checks import nearest
from ._params import Kind, Param, Parameterized


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """What is known of one parameter without looking at its value.

    Attributes:
        where: `where(model)` is the parameter's leaf, for `equinox.tree_at`; None in a partitioned model that lacks it.
        kind: "weight", "bias", "time_constant", "threshold", "delay" or "other".
        unit: Base unit.
        low: Smallest value allowed (inclusive).
        high: Largest value allowed (inclusive).
        trainable: Whether it trains by default.
        rate: Share of an optimizer's updates that it takes.
    """

    where: Callable[[Any], Any]
    kind: Kind = "other"
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    trainable: bool = False
    rate: float = 1.0


class Model(Protocol):
    """A container whose parameters have paths."""

    def parameters(self) -> dict[str, ParameterInfo]:
        """Every parameter by path; depends on the model's structure only, not on values."""
        ...


def parameters_of(
    part: Parameterized, path: str, where: Callable[[Any], Any], *, dt: float, trains: Iterable[str] = ()
) -> dict[str, ParameterInfo]:
    """The parameters of one part of a model: its fields declared by `param`.

    Args:
        part: Part of a model, such as a neuron.
        path: Path of the part; its field `tau_mem` becomes `path.tau_mem`.
        where: Finds the part in the whole model.
        dt: Step of the model (ms), which sets how small a time constant may become.
        trains: Kinds that train by default; fields named by the part's `trainable` always do.
    """
    known = {}
    for name, declared in part.params.items():
        low, high = bounds(declared, dt)
        known[f"{path}.{name}"] = ParameterInfo(
            where=lambda model, name=name: getattr(where(model), name),
            kind=declared.kind,
            unit=declared.unit,
            low=low,
            high=high,
            trainable=name in part.trainable or declared.kind in trains,
        )
    return known


def bounds(declared: Param, dt: float) -> tuple[float, float]:
    """The closed interval in which a declared parameter must stay while it trains.

    "Positive" becomes >= dt / 100 for a time constant (below, the step cannot tell it from 0) and >= 1e-6 otherwise.
    """
    low = -math.inf if declared.low is None else declared.low
    high = math.inf if declared.high is None else declared.high
    if declared.positive:
        low = max(low, dt / 100 if declared.kind == "time_constant" else 1e-6)
    return low, high


def matches(pattern: str, path: str) -> bool:
    """Whether a path fits a pattern, in which `*` stands for any text."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), path) is not None


def select(name: str, patterns: Iterable[str], paths: Iterable[str]) -> list[str]:
    """The paths that fit any of the patterns, in the order of `paths`.

    Args:
        name: Argument that the patterns were given for, for the message.
        patterns: Paths, with `*` for any text.
        paths: Every path there is.

    Raises:
        TypeError: A single string instead of a list of patterns.
        ValueError: A pattern that fits nothing; the message lists the nearest paths.
    """
    if isinstance(patterns, str):
        raise TypeError(f'`{name}`: expected a list of paths, got "{patterns}": pass ["{patterns}"].')
    patterns, paths = list(patterns), list(paths)
    for pattern in patterns:
        if not any(matches(pattern, path) for path in paths):
            raise ValueError(f'`{name}`: "{pattern}" matches nothing; did you mean {nearest(pattern, paths)}?')
    return [path for path in paths if any(matches(pattern, path) for pattern in patterns)]
