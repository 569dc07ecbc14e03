"""Recordings in NIR's data format: a grid (sample, time, neuron), or events (sample, event) padded with -1 and inf.

An event of step k is written at (k + 1/2) dt, in seconds, and belongs to step floor(t / dt) when it is read: both agree
with the format's own conversions, and neither depends on how k dt is rounded. Axes here are (time, [batch], neuron).
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _checks
from .convention import TIME_UNITS
from .package import nir_package

_BINARY = (0, 1)


def write_nir_data(path: str | os.PathLike[str], records: Mapping[str, Any], *, dt: Any, events: bool = False) -> None:
    """Write what was recorded, such as `run(...).records`, to a file (HDF5).

    Args:
        path: File.
        records: Arrays `(time, [batch], n)` by path: "1.spikes" is the observable "spikes" of node "1".
        dt: Step of the records (ms).
        events: Whether to write spikes as events; values other than 0 and 1 become valued events. Other observables
            are written on the grid.

    Raises:
        ValueError: A record that is no such array, or a path without a node.
    """
    nir, step = nir_package(), _checks.time_step(dt) / TIME_UNITS["s"]
    nodes: dict[str, dict[str, Any]] = {}
    for name, values in records.items():
        node, _, observable = name.rpartition(".")
        array = np.asarray(values)
        if not node or array.ndim not in (2, 3):
            raise ValueError(
                f'record "{name}": expected NODE.OBSERVABLE of shape (time, [batch], n), got {array.shape}.'
            )
        samples = array[None] if array.ndim == 2 else np.moveaxis(array, 1, 0)
        spikes = observable == "spikes"
        form = _events if spikes and events else _gridded
        nodes.setdefault(node, {})[observable] = form(nir, samples, step, binary=spikes and bool(_is_binary(samples)))
    data = nir.NIRGraphData({node: nir.NIRNodeData(observables) for node, observables in nodes.items()})
    nir.write_data(os.fspath(path), data)


def read_nir_data(path: str | os.PathLike[str], *, dt: Any) -> dict[str, np.ndarray]:
    """Recordings of a file by path, each `(time, batch, n)`: ready to be a model's input.

    Args:
        path: File.
        dt: Step (ms); a grid must have this one, events fall into it.

    Raises:
        ValueError: A grid of another step, or an event outside the recording.
    """
    nir, step = nir_package(), _checks.time_step(dt) / TIME_UNITS["s"]
    found: dict[str, np.ndarray] = {}

    def visit(data: Any, path: str) -> None:
        for name, node in data.nodes.items():
            if isinstance(node, nir.NIRGraphData):
                visit(node, f"{path}{name}.")
                continue
            for observable, values in node.observables.items():
                full = f"{path}{name}.{observable}"
                read = _from_grid if isinstance(values, nir.TimeGriddedData) else _from_events
                found[full] = np.moveaxis(read(full, values, step), 0, 1)

    visit(nir.read_data(os.fspath(path)), "")
    return found


def _is_binary(values: np.ndarray) -> np.bool_:
    return np.isin(values, _BINARY).all()


def _gridded(nir: Any, samples: np.ndarray, step: float, binary: bool) -> Any:
    return nir.TimeGriddedData(samples.astype(bool) if binary else samples, step)


def _events(nir: Any, samples: np.ndarray, step: float, binary: bool) -> Any:
    """Events sorted by sample, time and neuron, as `np.nonzero` gives them."""
    sample, time, neuron = np.nonzero(samples)
    counts = np.bincount(sample, minlength=len(samples))
    place = np.arange(len(sample)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(samples), int(counts.max(initial=0)))
    idx, at, value = np.full(shape, -1), np.full(shape, np.inf), np.zeros(shape)
    idx[sample, place], at[sample, place] = neuron, (time + 0.5) * step
    value[sample, place] = samples[sample, time, neuron]
    n, end = samples.shape[2], samples.shape[1] * step
    return nir.EventData(idx, at, n, end) if binary else nir.ValuedEventData(idx, at, n, end, value)


def _from_grid(path: str, values: Any, step: float) -> np.ndarray:
    if not np.isclose(values.dt, step, rtol=1e-6):
        raise ValueError(f"`dt`: {path} has a step of {values.dt * 1e3:g} ms, got {step * 1e3:g} ms.")
    return values.data.astype(np.float32) if values.data.dtype == bool else values.data


def _from_events(path: str, values: Any, step: float) -> np.ndarray:
    steps = int(np.rint(values.t_max / step))
    sample, place = np.nonzero(values.idx >= 0)
    time, neuron = np.floor(values.time[sample, place] / step).astype(np.int64), values.idx[sample, place]
    outside = (time < 0) | (time >= steps) | (neuron >= values.n_neurons)
    if outside.any():
        first = int(np.argmax(outside))
        raise ValueError(
            f"{path}: neuron {neuron[first]} at {values.time[sample, place][first] * 1e3:g} ms lies outside of "
            f"{values.n_neurons} neurons and {values.t_max * 1e3:g} ms."
        )
    full = np.zeros((len(values.idx), steps, values.n_neurons), np.float32)
    np.add.at(full, (sample, time, neuron), values.value[sample, place] if hasattr(values, "value") else 1)
    return full
