"""A residual block: y = f(x) + g(x), where f is a row of layers and g the shortcut, by default g(x) = x.

With f ending in a spiking neuron it is the ADD block of SEW-ResNet (Fang et al., NeurIPS 2021): spikes add to counts.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx

from ... import _streams
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, State
from ...neurons import Neuron
from .at_once import Masked
from .base import Layer, Watched
from .chain import Chain, Shape, named, places, step_all, unroll_all


class Residual(Masked):
    """Layers with a way around them.

    Args:
        *layers: Layers or neurons, as in `Chain`; if the block is layer 3, its first is recorded as "3.0.spikes".
        shortcut: Layer or neuron of the way around (several: a `Chain`), recorded as "3.shortcut.spikes"; None: none.
        shapes: Shapes of the outputs of the layers; set by `build`.
    """

    body: Chain
    shortcut: Layer | None

    def __init__(self, *layers: Any, shortcut: Layer | Neuron | None = None, shapes: tuple[Shape, ...] = ()):
        self.body = Chain(*layers, shapes=shapes)
        if "shortcut" in self.body.names:
            raise ValueError('`layers`: expected another name than "shortcut", which is that of the way around.')
        self.shortcut = None if shortcut is None else named([("shortcut", shortcut)])["shortcut"]

    @property
    def around(self) -> dict[str, Layer]:
        """The shortcut by its name, where there is one."""
        return {} if self.shortcut is None else {"shortcut": self.shortcut}

    @property
    def expects(self) -> Shape | None:
        """What the first layer expects."""
        return self.body.expects

    @property
    def emission_unit(self) -> str:
        """Unit of what the last layer emits."""
        return self.body.emission_unit

    def build(self, path: str, shape: Shape, *, dt: float, key: Array, dtype: Any) -> tuple["Residual", Shape]:
        """Build the layers and the shortcut; see `Layer.build`."""
        body, out = self.body.build(path, shape, dt=dt, key=key, dtype=dtype)
        around, shortcut = shape, None
        if self.shortcut is not None:
            shortcut, around = self.shortcut.build(f"{path}.shortcut", shape, dt=dt, key=key, dtype=dtype)
        if out != around:
            raise ValueError(f"`shortcut` of layer {path}: the layers give {out}, the way around them gives {around}.")
        layers = zip(body.names, body.layers, strict=True)
        return Residual(*layers, shortcut=shortcut, shapes=body.shapes), out

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The states of the layers and of the shortcut (empty without one)."""
        states = [
            layer.init_state(batch, _streams.fold(key, f"{name}.init"), dtype) for name, layer in self.around.items()
        ]
        return State(body=self.body.init_state(batch, key, dtype), around=tuple(states))

    def inside(self) -> dict[str, tuple[Layer, Shape]]:
        """The layers and the shortcut; see `Layer.inside`."""
        return self.body.inside() | places(self.around, self.body.shapes[-1:] * len(self.around))

    def branches(self, state: State) -> tuple[tuple[dict[str, Layer], tuple[State, ...]], ...]:
        """The layers and the way around them; see `Layer.branches`."""
        return (*self.body.branches(state.body), (self.around, state.around))

    def read(self, state: State, name: str) -> Array:
        """A state of a layer inside, as "0.v" or "shortcut.v"."""
        owner, _, variable = name.partition(".")
        if owner in self.around:
            return self.around[owner].read(state.around[0], variable)
        return self.body.read(state.body, name)

    def senders(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Those of the chain, and the shortcut; see `Layer.senders`."""
        return self.body.senders() | {name: (("", 0),) for name in self.around}

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """`f(x) + g(x)`; see `Layer.step`."""
        return self.step_inside(state, x, dt, key)[:2]

    def step_inside(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array, Watched]:
        """One step, and what each layer emitted; see `Layer.step_inside`."""
        body, y, emitted = self.body.step_inside(state.body, x, dt, key)
        around, beside = step_all(self.around, state.around, x, dt, key.fold)
        return State(body=body, around=around), y + beside.get("shortcut", x), emitted | beside

    def unroll_masked(
        self,
        state: State,
        xs: Array,
        dt: float,
        key: Stream,
        watch: tuple[str, ...] = (),
        valid: Array | None = None,
    ) -> tuple[State, Array, Watched]:
        """All steps, layer by layer; see `Layer.unroll_masked`."""
        body, ys, watched = self.body.unroll_masked(state.body, xs, dt, key, watch, valid)
        around, beside, seen = unroll_all(self.around, state.around, xs, dt, key.fold, watch, valid)
        return State(body=body, around=around), ys + beside.get("shortcut", xs), watched | seen

    def absorb(self, state: State) -> "Residual":
        """The block with what its states have learnt; see `Layer.absorb`."""
        block = eqx.tree_at(lambda block: block.body, self, self.body.absorb(state.body))
        if self.shortcut is None:
            return block
        return eqx.tree_at(lambda block: block.shortcut, block, self.shortcut.absorb(state.around[0]))

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """The parameters of all layers, as "3.0.weight" and "3.shortcut.weight"."""
        known = self.body.parameters(path, lambda model: where(model).body, dt)
        for name, layer in self.around.items():
            known |= layer.parameters(f"{path}.{name}", lambda model: where(model).shortcut, dt)
        return known

    def __repr__(self) -> str:
        around = [] if self.shortcut is None else [f"shortcut={self.shortcut!r}"]
        return f"Residual({', '.join([*map(repr, self.body.layers), *around])})"
