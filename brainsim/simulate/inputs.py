"""What `inputs=` means: arrays with one row per step, and signals that are evaluated step by step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _streams, units
from .._checks import nearest
from .._streams import Stream
from .._types import Array, State
from ..networks import Moment, Network, Population, Signal, as_signal


class Inputs(NamedTuple):
    """Prepared inputs of a network.

    Attributes:
        rows: Arrays `(time, [batch], n)` in base units, by path.
        signals: Signals in base units, by path.
    """

    rows: dict[str, Array]
    signals: dict[str, Signal]

    @property
    def steps(self) -> int | None:
        """Number of steps the arrays have, or None without arrays."""
        return next((row.shape[0] for row in self.rows.values()), None)

    @property
    def batch(self) -> int | None:
        """Number of trials the arrays have, or None."""
        return next((row.shape[1] for row in self.rows.values() if row.ndim == 3), None)

    def between(self, start: int, stop: int) -> "Inputs":
        """The same inputs with the rows of steps [start, stop)."""
        return Inputs({path: row[start:stop] for path, row in self.rows.items()}, self.signals)


def prepare(network: Network, inputs: Any, steps: int | None) -> Inputs:
    """Check `inputs` against a network.

    Args:
        network: The network.
        inputs: None, an array for the only `Input` population, or a mapping from `"E"` (current, pA), `"E.v"` (jump,
            mV), `"E.spikes"` (spikes in place of its own) or `"in"` (values of an `Input`, rates of a `Poisson` in Hz)
            to array | scalar | `TimedArray` | `OU` | `f(t, key)`.
        steps: Number of steps, where the caller named it.

    Raises:
        ValueError: Unknown target, wrong unit or shape, spikes other than 0 and 1, or arrays that disagree with
            `steps`.
    """
    slots = network.takes()
    required = [path for path, slot in slots.items() if slot.required]
    if inputs is None:
        inputs = {}
    elif not isinstance(inputs, Mapping):
        if len(required) != 1:
            raise ValueError(
                f"`inputs`: expected a mapping such as {{'E': ...}}; the network has {len(required)} Input populations."
            )
        inputs = {required[0]: inputs}
    for path in required:
        if path not in inputs:
            raise ValueError(
                f'`inputs`: "{path}" is an Input of {slots[path].size} values: give `inputs={{"{path}": ...}}`.'
            )
    prepared = Inputs({}, {})
    for path, value in inputs.items():
        if path not in slots:
            raise ValueError(_no_slot(network, path, slots))
        name, slot, signal = f'inputs["{path}"]', slots[path], as_signal(value)
        if signal is not None:
            prepared.signals[path] = signal.prepared(name, slot.unit, network.dt)
        else:
            prepared.rows[path] = _rows(name, units.strip(name, value, slot.unit), slot.size, network.dtype)
            if path.endswith(".spikes"):
                _check_spikes(name, prepared.rows[path])
    _agree(prepared, steps)
    return prepared


def _rows(name: str, value: Any, size: int, dtype: Any) -> Array:
    array = jnp.asarray(value, dtype)
    if array.ndim not in (2, 3) or array.shape[-1] != size:
        hint = ""
        if array.ndim == 3 and array.shape[1] == size:
            hint = " Is it (batch, neurons, time)? `np.moveaxis(x, -1, 0)`."
        raise ValueError(f"`{name}`: expected (time, [batch], {size}), got {array.shape}.{hint}")
    return array


def _no_slot(network: Network, path: str, slots: Mapping[str, Any]) -> str:
    name, _, variable = path.rpartition(".")
    if variable == "spikes" and name in network.populations:
        population = network.populations[name]
        kind = type(population.neuron if isinstance(population, Population) else population).__name__
        return f'`inputs["{path}"]`: {kind} makes its spikes in its own way, so that they cannot be given.'
    return f'`inputs`: "{path}" takes no input; there are {nearest(path, slots)}.'


def _check_spikes(name: str, rows: Array) -> None:
    """Raise where given spikes, if their values are known, are others than 0 and 1."""
    if isinstance(rows, Tracer):
        return
    wrong = np.argwhere(~np.isin(np.asarray(rows), (0, 1)))
    if wrong.size:
        value, step = np.asarray(rows)[tuple(wrong[0])], int(wrong[0][0])
        raise ValueError(f"`{name}`: expected spikes 0 or 1, got {value:g} at step {step}, neuron {int(wrong[0][-1])}.")


def check_finite(prepared: Inputs, dt: float) -> None:
    """Raise where an input array holds a value that is not finite; for arrays whose values are known."""
    for path, row in prepared.rows.items():
        if not bool(jnp.isfinite(row).all()):
            place = np.argwhere(~np.isfinite(np.asarray(row)))[0]
            value, step = np.asarray(row)[tuple(place)], int(place[0])
            raise ValueError(f'`inputs["{path}"]`: {value} at step {step} ({step * dt:g} ms), entry {int(place[-1])}.')


def _agree(prepared: Inputs, steps: int | None) -> None:
    for path, row in prepared.rows.items():
        expected = prepared.steps if steps is None else steps
        if row.shape[0] != expected:
            raise ValueError(f'`inputs["{path}"]`: has {row.shape[0]} steps along time, expected {expected}.')
        if row.ndim == 3 and row.shape[1] != prepared.batch:
            raise ValueError(f'`inputs["{path}"]`: has batch {row.shape[1]}, another input has {prepared.batch}.')


def begin(network: Network, prepared: Inputs, state: State) -> State:
    """The state with an entry for every signal that carries something from step to step."""
    held = dict(state.inputs)
    for path, signal in prepared.signals.items():
        first = signal.init_state(_moment(network, path, state))
        if first is not None and path not in held:
            held[path] = first
    return state.replace(inputs=held)


def evaluate(
    network: Network, prepared: Inputs, state: State, rows: dict[str, Array]
) -> tuple[State, dict[str, Array]]:
    """This step's rows of all inputs, and the state in which the signals have moved on."""
    held, x = dict(state.inputs), dict(rows)
    for path, signal in prepared.signals.items():
        moment = _moment(network, path, state)
        carried, x[path] = signal.row(held.get(path), moment)
        if x[path].shape not in ((), moment.shape[-1:], moment.shape):
            raise ValueError(
                f'`inputs["{path}"]`: expected a value or an array of shape {moment.shape} in each step, '
                f"got {x[path].shape}."
            )
        if carried is not None:
            held[path] = carried
    return state.replace(inputs=held), x


def _moment(network: Network, path: str, state: State) -> Moment:
    size, batch = network.takes()[path].size, network.batch_of(state)
    key = Stream.of(_streams.fold(state.key, f"inputs.{path}"), state.step)
    return Moment(state.step, network.dt, (size,) if batch is None else (batch, size), network.dtype, key)


def known_step(state: State) -> int | None:
    """The step index of a state where it is known now, None under a trace."""
    return None if isinstance(state.step, Tracer) else int(np.asarray(state.step).flat[0])
