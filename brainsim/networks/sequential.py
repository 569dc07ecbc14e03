"""Layers one after the other, without delay between them: a network whose graph is a chain.

    step k:  y_0 = x_k,   (state_i, y_{i+1}) = layer_i(state_i, y_i)

Because nothing flows back, a whole run goes layer by layer (`unroll`): one event product over time and batch where a
layer remembers nothing, a scan over time where it does. The result is that of stepping.
"""

import math
from collections.abc import Sequence
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
from .layers.chain import absorb_all, build_all, init_all, named, places, step_all, unroll_all
from .reader import Reader


class Sequential(eqx.Module):
    """Layers and neurons in a chain, built: shapes are inferred, weights and parameters drawn.

    Args:
        *layers: Layers or neurons, each alone or as `(name, layer)`; names are "0", "1", ... otherwise.
        dt: Time step (ms).
        seed: Seed of weights and parameters and, if `run` gets no key, of initial values and noise.
        input_shape: Shape of the input without time and batch, such as (channels, height, width); needed where the
            first layer does not fix it (`Linear`, `Recurrent` and `Flatten` with a shape do).

    Raises:
        ValueError: Shapes that do not fit each other, or two layers of one name.
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...] = eqx.field(static=True)
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    def __init__(
        self,
        *layers: Layer | Neuron | tuple[str, Layer | Neuron],
        dt: Any,
        seed: int = 0,
        input_shape: Sequence[int] | None = None,
    ):
        self.dt, self.seed = time_step(dt), int(seed)
        row = named(layers)
        first = next(iter(row.values()))
        shape = first.expects if input_shape is None else tuple(input_shape)
        if shape is None:
            raise ValueError(
                f"`layers`: the first must fix the number of inputs, got {first!r}: give `input_shape`, or begin with "
                f"Linear(n_in, n_out), Recurrent(neuron, n) or Flatten(*shape)."
            )
        key, dtype = _streams.key_of(self.seed, "parameters"), jnp.result_type(float)
        self.names = tuple(row)
        self.layers, shapes = build_all(row, shape, dt=self.dt, key=key, dtype=dtype)
        self.shapes = (shape, *shapes)

    @property
    def row(self) -> dict[str, Layer]:
        """The layers by name."""
        return dict(zip(self.names, self.layers, strict=True))

    @property
    def places(self) -> dict[str, tuple[Layer, tuple[int, ...]]]:
        """Every layer, those inside others included, with the shape of its output, by path ("3", "3.0", ...)."""
        return places(self.row, self.shapes[1:])

    @property
    def undivided(self) -> str | None:
        """Path of a layer that must be given all steps at once, or None where there is none."""
        return next((path for path, (layer, _) in self.places.items() if not layer.divisible), None)

    def __getitem__(self, name: str | int) -> Any:
        """A layer by index, name or path ("3.0"); a neuron's layer is the neuron itself."""
        layer = self.layers[name] if isinstance(name, int) else self._place(name)[0]
        return layer.neuron if isinstance(layer, Cell) else layer

    def _place(self, path: str) -> tuple[Layer, tuple[int, ...]]:
        if path not in (known := self.places):
            raise KeyError(f"no layer {path!r}; there are {nearest(path, known)}")
        return known[path]

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
        return State(step=jnp.int32(0), key=key, layers=init_all(self.row, batch, key, self.dtype))

    def batch_of(self, state: State) -> int | None:
        """Number of trials of a state, or None where no part of it has a batch axis."""
        bare = jax.tree.leaves(jax.eval_shape(self.init_state).layers)
        pairs = zip(jax.tree.leaves(state.layers), bare, strict=True)
        return next((leaf.shape[0] for leaf, single in pairs if leaf.ndim > single.ndim), None)

    def step(self, state: State, x: Array) -> tuple[State, dict[str, Array]]:
        """One step of dt.

        Args:
            state: State at t_k.
            x: Input of the step, `([batch], *input_shape)`.

        Returns:
            The state at t_{k+1} and what every layer emitted, those inside others included, by path.
        """
        x = self._checked(state, x, lead=0)
        layers, emitted = step_all(self.row, state.layers, x, self.dt, lambda name: self._stream(state, name))
        return state.replace(step=state.step + 1, layers=layers), emitted

    def unroll(
        self,
        state: State,
        xs: Array,
        readers: tuple[Reader, ...] = (),
        *,
        valid: Array | None = None,
        packed: bool = False,
    ) -> tuple[State, dict[str, Array], tuple[Array, ...]]:
        """All steps, layer by layer; the same as scanning `step`.

        Args:
            state: State before the first step.
            xs: Input, `(time, [batch], *input_shape)`.
            readers: What to read after every step.
            valid: Which steps are no padding, bool `(time, batch)`; None: all. For layers with statistics over time.
            packed: Whether of spikes that cross a `Linear` one bit each is kept for the gradient.

        Returns:
            The state after the last step, what every layer emitted `(time, [batch], ...)`, and the readings.
        """
        ys = self._checked(state, xs, lead=1)
        stream, watch = lambda name: self._stream(state, name), dict.fromkeys(_watched(reader) for reader in readers)
        layers, emitted, seen = unroll_all(self.row, state.layers, ys, self.dt, stream, watch, valid, packed)
        later = state.replace(step=state.step + len(xs), layers=layers)
        return later, emitted, tuple(r.kept(_flat(self.places[r.owner][1], seen[_watched(r)])) for r in readers)

    def absorb(self, state: State) -> "Sequential":
        """The model with what a state has learnt of the data (running statistics) as its own; see `bs.absorb`."""
        return eqx.tree_at(lambda model: model.layers, self, absorb_all(self.layers, state.layers))

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
        expected = jax.eval_shape(lambda: self.init_state(batch)).layers
        if [leaf.shape for leaf in jax.tree.leaves(state.layers)] != [leaf.shape for leaf in jax.tree.leaves(expected)]:
            raise ValueError(
                f"`state`: made for batch {self.batch_of(state)} at dt {self.dt:g} ms, input has batch {batch}: "
                f"`state=None` or `model.init_state({batch})`."
            )
        return x

    def out(self, emitted: dict[str, Array], state: State | None = None) -> Array:
        """What the last layer emitted."""
        return emitted[self.names[-1]]

    def readable(self) -> tuple[str, ...]:
        """Every path that can be recorded."""
        paths: list[str] = []
        for path, (layer, _) in self.places.items():
            rate = ["rate"] if layer.emission == "spikes" else []
            paths += [f"{path}.{variable}" for variable in dict.fromkeys([layer.emission, *rate, *layer.state_units()])]
        return tuple(paths)

    def reader(self, path: str) -> Reader:
        """What reads `"1.spikes"`, `"1.v"`, `"0.out"` or, in a layer inside layer 3, `"3.0.spikes"`, as `([batch], n)`.

        Raises:
            ValueError: A path that names nothing; the message lists what there is.
        """
        owner, _, variable = path.rpartition(".")
        if owner not in (places := self.places):
            known = nearest(owner, places)
            raise ValueError(
                f'record "{path}": no layer {owner or path!r}; expected LAYER.VARIABLE, layers are {known}.'
            )
        layer, shape = places[owner]
        size = math.prod(shape)
        if variable == layer.emission:
            kind = "spikes" if variable == "spikes" else "emitted"
            read = lambda state, emitted: _flat(shape, emitted[owner])
            return Reader(path, owner, variable, kind, layer.emission_unit, size, read)
        if variable in (units := layer.state_units()):
            top, _, below = path.partition(".")
            index = self.names.index(top)
            read = lambda state, emitted: _flat(shape, self.layers[index].read(state.layers[index], below))
            return Reader(path, owner, variable, "state", units[variable], size, read)
        raise ValueError(f'record "{path}": {layer!r} has {nearest(variable, [layer.emission, *units])}.')

    def parameters(self) -> dict[str, ParameterInfo]:
        """Every parameter by path; depends on the structure only."""
        known: dict[str, ParameterInfo] = {}
        for index, (name, layer) in enumerate(zip(self.names, self.layers, strict=True)):
            known |= layer.parameters(name, lambda model, i=index: model.layers[i], self.dt)
        return known

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))}; dt={self.dt:g} ms, seed={self.seed})"


def _watched(reader: Reader) -> str:
    return f"{reader.owner}.{reader.variable}"


def _flat(shape: tuple[int, ...], value: Array) -> Array:
    """Values of a layer whose output has a shape, with its axes put into one."""
    return value if len(shape) == 1 else value.reshape(*value.shape[: value.ndim - len(shape)], math.prod(shape))
