"""A population: how many neurons of one kind, and what they start from."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import equinox as eqx
import numpy as np

from .. import values
from .._checks import nearest
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..connectivity import Positions
from ..neurons import Neuron


class Population(eqx.Module):
    """Neurons of one kind.

    Args:
        size: Number of neurons, or a shape such as `(34, 34)` (neurons are numbered in C order).
        neuron: Neuron model; its parameters are value slots, one value or one per neuron.
        init: Initial values by state name, as value slots, such as `{"v": Normal(-55*mV, 2*mV)}`; drawn afresh for
            every state (and batch element).
        positions: Where the neurons are, for connections, weights and delays that depend on distance; see
            `connectivity.grid_positions` and `random_positions`.
    """

    neuron: Neuron
    init: dict[str, Value]
    size: int = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    positions: Positions | None = eqx.field(static=True)

    def __init__(
        self,
        size: int | tuple[int, ...],
        neuron: Neuron,
        *,
        init: Mapping[str, Value] = MappingProxyType({}),
        positions: Positions | None = None,
    ):
        given = np.atleast_1d(np.asarray(size))
        if given.size == 0 or given.dtype.kind not in "iu" or given.min() < 0:
            raise ValueError(f"`size`: expected a number of neurons or a shape, got {size!r}.")
        self.shape = tuple(int(n) for n in given)
        self.size = int(np.prod(self.shape))
        if not isinstance(positions, Positions | None):
            raise TypeError(f"`positions`: expected Positions, such as grid_positions((20, 20)), got {positions!r}.")
        if positions is not None and len(positions) != self.size:
            raise ValueError(f"`positions`: expected those of {self.size} neurons, got {len(positions)}.")
        self.positions = positions
        if not isinstance(neuron, Neuron):
            raise TypeError(f"`neuron`: expected a neuron such as LIF(20*ms), got {neuron!r}.")
        self.neuron = neuron
        for name in init:
            if name not in neuron.states:
                raise ValueError(
                    f"`init`: {type(neuron).__name__} has no state `{name}`; it has {nearest(name, neuron.states)}."
                )
        self.init = dict(init)

    def build(self, path: str, *, dt: float, key: Array, dtype: Any) -> "Population":
        """The same population with the neuron's parameters as arrays of shape `()` or `(size,)`."""
        built = self.neuron.build(path, (self.size,), dt=dt, key=key, dtype=dtype)
        units = built.state_units()
        init = {name: values.strip(f"{path}.{name}", value, units[name]) for name, value in self.init.items()}
        return eqx.tree_at(lambda p: (p.neuron, p.init), self, (built, init), is_leaf=lambda x: x is self.init)

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """Leaves `([batch], size)`."""
        return self.neuron.init_state((self.size,), batch=batch, key=key, init=self.init, dtype=dtype)

    def step(self, state: State, drive: Drive, dt: float, key: Stream) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and what was emitted, `([batch], size)`."""
        return self.neuron.step(state, drive, dt, key)
