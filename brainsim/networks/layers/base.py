"""A layer: one element of a `Sequential`, which maps the values of a step to values of the same step.

    (state, x) -> (state, y)        unroll = scan(step)

A layer may override `unroll` where all steps can be computed at once; the contract is that the result is the same.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import jax.numpy as jnp

from ... import fuse
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, State

Watched = dict[str, Array]


class Crossing(NamedTuple):
    """Synapses of a layer, and what crosses them.

    Attributes:
        values: What is sent, `(time, [batch], ...)`.
        weight: Their weights.
        cross: `cross(values, weight)` is what arrives, `(time, [batch], ...)`.
    """

    values: Array
    weight: Array
    cross: Callable[[Array, Array], Array]


class Layer(eqx.Module):
    """Base of the layers; axes are `(time, [batch], ...)`, state leaves `([batch], ...)`.

    Attributes:
        emits: Name of what the layer emits, in record paths.
        elementwise: Whether each element of the output depends on the same element of the input and state only; then
            all steps of some elements run in the cache before those of others (`fuse.scan`). Other layers go step by
            step (`fuse.loop`).
    """

    emits: ClassVar[str] = "out"
    elementwise: ClassVar[bool] = False

    @property
    def expects(self) -> tuple[int, ...] | None:
        """Shape of the input without time and batch, where the layer fixes it."""
        return None

    @property
    def divisible(self) -> bool:
        """Whether `unroll` may be given the steps in parts, one after the other."""
        return True

    @property
    def emission(self) -> str:
        """Name of what the layer emits, in record paths."""
        return self.emits

    @property
    def emission_unit(self) -> str:
        """Base unit of what the layer emits."""
        return ""

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple[Self, tuple[int, ...]]:
        """The layer with its parameters as arrays, and the shape of its output.

        Args:
            path: Name of the layer.
            shape: Shape of the input without time and batch.
            dt: Time step (ms).
            key: Root key of the parameters.
            dtype: Floating dtype.
        """
        raise TypeError(f"{type(self).__name__} does not define `build`.")

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """A state at t = 0; empty where the layer remembers nothing."""
        return State()

    def state_units(self) -> dict[str, str]:
        """Unit of every state that can be recorded."""
        return {}

    def read(self, state: State, name: str) -> Array:
        """A recordable state, `([batch], ...)`."""
        return getattr(state, name)

    def inside(self) -> dict[str, tuple["Layer", tuple[int, ...]]]:
        """Layers inside this one with the shapes of their outputs, by path below it."""
        return {}

    def senders(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Whose outputs add up to the input of each layer directly inside, as (name, steps late); "" is the input."""
        return {}

    def crossings(self, xs: Array, ys: Array) -> tuple[Crossing, ...]:
        """What crosses the layer's own synapses where its input is `xs` and its output `ys`, `(time, [batch], ...)`."""
        return ()

    def branches(self, state: State) -> tuple[tuple[dict[str, "Layer"], tuple[State, ...]], ...]:
        """Rows of layers inside, by name, and their states; the first of each row gets the input of this layer."""
        return ()

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step of `dt` ms: input `([batch], ...)` to the new state and the output of the same step."""
        raise TypeError(f"{type(self).__name__} does not define `step`.")

    def step_inside(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array, Watched]:
        """`step`, and what the layers `inside` emitted, by path below this layer."""
        return *self.step(state, x, dt, key), {}

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps.

        Args:
            state: State before the first step.
            xs: Inputs, `(time, [batch], ...)`.
            dt: Time step (ms).
            key: Random stream of the first step.
            watch: States to return over time; of a layer `inside`, as PATH.VARIABLE, also what it emits.

        Returns:
            The state after the last step, the outputs `(time, [batch], ...)`, and the watched states by name.
        """

        def one(state: State, row: tuple[Array, Array]) -> tuple[State, tuple[Array, Watched]]:
            x, step = row
            state, y = self.step(state, x, dt, key._replace(step=step))
            return state, (y, {name: self.read(state, name) for name in watch})

        first = jnp.asarray(key.step)
        over = fuse.scan(one) if self.elementwise else functools.partial(fuse.loop, one)
        state, (ys, watched) = over(state, (xs, first + jnp.arange(len(xs), dtype=first.dtype)))
        return state, ys, watched

    def unroll_masked(
        self,
        state: State,
        xs: Array,
        dt: float,
        key: Stream,
        watch: tuple[str, ...] = (),
        valid: Array | None = None,
    ) -> tuple[State, Array, Watched]:
        """`unroll` of sequences of which some end early; only a layer that mixes steps or samples looks at `valid`.

        Args:
            state: State before the first step.
            xs: Inputs, `(time, [batch], ...)`.
            dt: Time step (ms).
            key: Random stream of the first step.
            watch: As in `unroll`.
            valid: Which steps are no padding, bool `(time, batch)`; None: all.
        """
        return self.unroll(state, xs, dt, key, watch)

    def near(self, state: State, xs: Array, dt: float, key: Stream, near: Array | None) -> Array | None:
        """Where a gradient to the outputs counts, bool `(time, [batch], ...)`, or None: everywhere.

        Args:
            state: State before the first step.
            xs: Inputs, `(time, [batch], ...)`.
            dt: Time step (ms).
            key: Random stream of the first step.
            near: The same of the inputs.
        """
        return None

    def gated(self, near: Array) -> "Layer":
        """What `unroll` is asked of instead where a gradient to the input counts at `near` only."""
        return self

    def binary(self, received: bool | None) -> bool | None:
        """Whether all that the layer emits is 0 or 1, None: unknown; `received`: the same of what it gets."""
        return False

    def packing(self, binary: bool) -> "Layer":
        """What `unroll` is asked of instead where bits of the input are to be kept; `binary`: where it is 0 or 1."""
        return self

    def absorb(self, state: State) -> Self:
        """The layer with what its state has learnt of the data (running statistics) as its own."""
        return self

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """The layer's parameters by path; `where(model)` is the layer in the whole model."""
        return {}
