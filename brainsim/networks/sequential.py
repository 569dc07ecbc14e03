"""Layers one after the other, without delay between them: a network whose graph is a chain.

    step k:  y_0 = x_k,   (state_i, y_{i+1}) = layer_i(state_i, y_i)

Because nothing flows back, a whole run goes layer by layer (`unroll`): one event product over time and batch where a
layer remembers nothing, a scan over time where it does. The result is that of stepping.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _streams
from .._checks import nearest, time_step
from .._paths import ParameterInfo
from .._streams import Stream
from .._types import Array, State
from ..neurons import Neuron
from .layers import Cell, Layer
from .reader import Reader


class Sequential(eqx.Module):
    """Layers and neurons in a chain, built: shapes are inferred, weights and parameters drawn.

    Args:
        *layers: Layers or neurons, each alone or as `(name, layer)`; names are "0", "1", ... otherwise. The first must
            fix the shape of the input (`Linear`, `Recurrent`, `Flatten` with a shape).
        dt: Time step (ms).
        seed: Seed of weights and parameters and, if `run` gets no key, of initial values and noise.

    Raises:
        ValueError: Shapes that do not fit each other, or two layers of one name.
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...] = eqx.field(static=True)
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    def __init__(self, *layers: Layer | Neuron | tuple[str, Layer | Neuron], dt: Any, seed: int = 0):
        self.dt, self.seed = time_step(dt), int(seed)
        named = [_named(index, layer) for index, layer in enumerate(layers)]
        self.names = tuple(name for name, _ in named)
        if not named or len(set(self.names)) < len(named):
            raise ValueError(f"`layers`: expected at least one layer, each with its own name, got {list(self.names)}.")
        if (shape := named[0][1].expects) is None:
            raise ValueError(
                f"`layers`: the first must fix the number of inputs, got {named[0][1]!r}: begin with "
                f"Linear(n_in, n_out), Recurrent(neuron, n) or Flatten(*shape)."
            )
        key, dtype = _streams.key_of(self.seed, "parameters"), jnp.result_type(float)
        built, shapes = [], [shape]
        for name, layer in named:
            layer, shape = layer.build(name, shape, dt=self.dt, key=key, dtype=dtype)
            built.append(layer)
            shapes.append(shape)
        self.layers, self.shapes = tuple(built), tuple(shapes)

    def __getitem__(self, name: str | int) -> Any:
        """A layer by name or index; a neuron's layer is the neuron itself."""
        layer = self.layers[name if isinstance(name, int) else self._index(name)]
        return layer.neuron if isinstance(layer, Cell) else layer

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise KeyError(f"no layer {name!r}; there are {nearest(name, self.names)}")
        return self.names.index(name)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input without time and batch."""
        return self.shapes[0]

    @property
    def dtype(self) -> Any:
        """Floating dtype of state and parameters."""
        leaves = [leaf for leaf in jax.tree.leaves(self) if eqx.is_inexact_array(leaf)]
        return leaves[0].dtype if leaves else jnp.result_type(float)

    def init_state(self, batch: int | None = None, key: Array | None = None) -> State:
        """A state at t = 0.

        Args:
            batch: Number of trials; None for no batch axis.
            key: Key of initial values and noise; by default derived from the seed.
        """
        key = _streams.key_of(self.seed, "state") if key is None else key
        layers = tuple(
            layer.init_state(batch, _streams.fold(key, f"{name}.init"), self.dtype)
            for name, layer in zip(self.names, self.layers, strict=True)
        )
        return State(step=jnp.int32(0), key=key, layers=layers)

    def batch_of(self, state: State) -> int | None:
        """Number of trials of a state, or None where it has no batch axis."""
        bare = jax.tree.leaves(jax.eval_shape(self.init_state).layers)
        for leaf, single in zip(jax.tree.leaves(state.layers), bare, strict=True):
            return leaf.shape[0] if leaf.ndim > single.ndim else None
        return None

    def step(self, state: State, x: Array) -> tuple[State, dict[str, Array]]:
        """One step of dt.

        Args:
            state: State at t_k.
            x: Input of the step, `([batch], *input_shape)`.

        Returns:
            The state at t_{k+1} and what every layer emitted.
        """
        x = self._checked(state, x, lead=0)
        states, emitted = [], {}
        for name, layer, old in zip(self.names, self.layers, state.layers, strict=True):
            new, x = layer.step(old, x, self.dt, self._stream(state, name))
            states.append(new)
            emitted[name] = x
        return state.replace(step=state.step + 1, layers=tuple(states)), emitted

    def unroll(
        self, state: State, xs: Array, readers: tuple[Reader, ...] = ()
    ) -> tuple[State, dict[str, Array], tuple[Array, ...]]:
        """All steps, layer by layer; the same as scanning `step`.

        Args:
            state: State before the first step.
            xs: Input, `(time, [batch], *input_shape)`.
            readers: What to read after every step.

        Returns:
            The state after the last step, what every layer emitted `(time, [batch], ...)`, and the readings.
        """
        ys = self._checked(state, xs, lead=1)
        states, emitted, watched = [], {}, {}
        for name, layer, old in zip(self.names, self.layers, state.layers, strict=True):
            watch = tuple({r.variable: None for r in readers if r.owner == name and r.kind == "state"})
            new, ys, watched[name] = layer.unroll(old, ys, self.dt, self._stream(state, name), watch)
            states.append(new)
            emitted[name] = ys
        later = state.replace(step=state.step + len(xs), layers=tuple(states))
        read = [watched[r.owner][r.variable] if r.kind == "state" else emitted[r.owner] for r in readers]
        return later, emitted, tuple(self._flat(r.owner, value) for r, value in zip(readers, read, strict=True))

    def _stream(self, state: State, name: str) -> Stream:
        return Stream.of(_streams.fold(state.key, name), state.step)

    def _checked(self, state: State, x: Any, lead: int) -> Array:
        """The input in the model's dtype, after a check of its shape; `lead` is 1 with a time axis."""
        x = jnp.asarray(x, self.dtype)
        free, shape = x.ndim - lead - len(self.input_shape), self.input_shape
        if free not in (0, 1) or x.shape[lead + free :] != shape:
            axes = ", ".join([*["time"][:lead], "[batch]", *map(str, shape)])
            raise ValueError(f"`x`: expected ({axes}), got {x.shape}.")
        batch = x.shape[lead] if free else None
        if jax.tree.leaves(state.layers) and (made := self.batch_of(state)) != batch:
            raise ValueError(
                f"`state`: made for batch {made} at dt {self.dt:g} ms, input has batch {batch}: `state=None` or "
                f"`model.init_state({batch})`."
            )
        return x

    def out(self, emitted: dict[str, Array], state: State | None = None) -> Array:
        """What the last layer emitted."""
        return emitted[self.names[-1]]

    def readable(self) -> tuple[str, ...]:
        """Every path that can be recorded."""
        paths: list[str] = []
        for name, layer in zip(self.names, self.layers, strict=True):
            rate = ["rate"] if layer.emission == "spikes" else []
            paths += [f"{name}.{variable}" for variable in dict.fromkeys([layer.emission, *rate, *layer.state_units()])]
        return tuple(paths)

    def reader(self, path: str) -> Reader:
        """What reads `"1.spikes"`, `"1.v"` or `"0.out"` after a step, as `([batch], n)`.

        Raises:
            ValueError: A path that names nothing; the message lists what there is.
        """
        owner, _, variable = path.rpartition(".")
        if owner not in self.names:
            known = nearest(owner, self.names)
            raise ValueError(
                f'record "{path}": no layer {owner or path!r}; expected LAYER.VARIABLE, layers are {known}.'
            )
        index = self._index(owner)
        layer, size = self.layers[index], math.prod(self.shapes[index + 1])
        if variable == layer.emission:
            kind = "spikes" if variable == "spikes" else "emitted"
            read = lambda state, emitted: self._flat(owner, emitted[owner])
            return Reader(path, owner, variable, kind, layer.emission_unit, size, read)
        if variable in (units := layer.state_units()):
            read = lambda state, emitted: self._flat(owner, layer.read(state.layers[index], variable))
            return Reader(path, owner, variable, "state", units[variable], size, read)
        raise ValueError(f'record "{path}": {layer!r} has {nearest(variable, [layer.emission, *units])}.')

    def _flat(self, owner: str, value: Array) -> Array:
        """Values of a layer with its axes put into one."""
        shape = self.shapes[self._index(owner) + 1]
        return value if len(shape) == 1 else value.reshape(*value.shape[: value.ndim - len(shape)], math.prod(shape))

    def parameters(self) -> dict[str, ParameterInfo]:
        """Every parameter by path; depends on the structure only."""
        known: dict[str, ParameterInfo] = {}
        for index, (name, layer) in enumerate(zip(self.names, self.layers, strict=True)):
            known |= layer.parameters(name, lambda model, i=index: model.layers[i], self.dt)
        return known

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))}; dt={self.dt:g} ms, seed={self.seed})"


def _named(index: int, layer: Any) -> tuple[str, Layer]:
    name, layer = layer if isinstance(layer, tuple) and len(layer) == 2 else (str(index), layer)
    if isinstance(layer, Neuron):
        layer = Cell(layer)
    if not isinstance(layer, Layer):
        raise TypeError(
            f"`layers`: expected a layer such as Linear(2, 3) or a neuron such as LIF(20*ms), got {layer!r}."
        )
    if not isinstance(name, str) or not name or any(mark in name for mark in (".", "*", "[", "->", "#")):
        raise ValueError(f"`layers`: a name may not hold '.', '->', '#', '*' or '[', got {name!r}.")
    return name, layer
