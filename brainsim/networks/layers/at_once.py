"""Layers that compute all steps at once: each defines one method, and the other follows from it.

Steady    y = f(x) for any axes before those of x       unroll(xs) = step(xs)
Unrolled  all steps together                            step(x) = unroll([x])
Masked    all steps together, but for padding           unroll(xs) = unroll_masked(xs, no padding)
"""

from ..._streams import Stream
from ..._types import Array, State
from .base import Layer, Watched


class Steady(Layer):
    """Base of the layers whose `step` keeps the state and takes any axes in front, time among them."""

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps at once; see `Layer.unroll`."""
        return *self.step(state, xs, dt, key), {}


class Unrolled(Layer):
    """Base of the layers that define `unroll` alone."""

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step as all steps; see `Layer.step`."""
        state, ys, _ = self.unroll(state, x[None], dt, key)
        return state, ys[0]


class Masked(Layer):
    """Base of the layers that look at which steps are padding: they define `unroll_masked`."""

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps, none of them padding; see `Layer.unroll`."""
        return self.unroll_masked(state, xs, dt, key, watch)
