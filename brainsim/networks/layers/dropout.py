"""Dropout with one mask a sample, the same in all its steps: y = x m / (1 - p),  m ~ Bernoulli(1 - p).

An input that is dropped is silent for the whole sequence, as in a sequence net of Gal and Ghahramani (NeurIPS 2016); a
mask drawn anew in every step, as torch's Dropout in a loop over time draws it, is averaged out by the membrane. The
delay-learning recipes for SHD use it with p = 0.4 (Hammouamri, Khalfaoui-Hassani and Masquelier, ICLR 2024). The unit
of the values does not change.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ... import _checks
from ..._streams import Stream
from ..._types import Array, State
from .at_once import Steady


class Dropout(Steady):
    """Silence inputs at random while training; the identity under `bs.inference_mode`.

    The mask is drawn by `init_state`: every run without a `state` draws its own from its `key` (`fit` gives each step
    another), and a run that goes on from a state keeps its mask.

    Args:
        p: Probability of an input to be dropped, in [0, 1).
        inference: Whether to pass everything; set by `bs.inference_mode(model)`.
    """

    p: float = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True, default=(), kw_only=True)
    inference: bool = eqx.field(static=True, default=False, kw_only=True)

    def __post_init__(self):
        _checks.within("p", self.p, low=0.0)
        if not self.p < 1:
            raise ValueError(f"`p` must be < 1, got {self.p:g}: nothing would pass.")
        self.p = float(self.p)

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Dropout", tuple[int, ...]]:
        """Take the shape of the input; see `Layer.build`."""
        return Dropout(self.p, shape=shape, inference=self.inference), shape

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The mask, 0 or 1 / (1 - p), `([batch], *shape)`; nothing in inference."""
        if self.inference:
            return State()
        lead = () if batch is None else (batch,)
        kept = Stream.of(key, 0).uniform((*lead, *self.shape), dtype=dtype) >= self.p
        return State(mask=jnp.where(kept, 1 / (1 - self.p), 0.0).astype(dtype))

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The input times the mask; see `Layer.step`."""
        return state, x if self.inference else x * state.mask

    def near(self, state: State, xs: Array, dt: float, key: Stream, near: Array | None) -> Array | None:
        """Where it does to the inputs; see `Layer.near`."""
        return near

    def __repr__(self) -> str:
        return f"Dropout({self.p:g})"
