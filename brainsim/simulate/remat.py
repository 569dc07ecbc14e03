"""How the backward pass of a run goes through time: what `remat` and `truncate` ask for, from an estimate of memory."""

import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from .._types import State
from ..fuse.segments import Segments

_RESIDUALS_PER_STATE = 4
_LIMIT_BYTES = 2**31
_MANY_STEPS, _LIMIT_OF_MANY = 500, 2**29
"""Steps from which recomputation keeps less than a tenth, and the limit for layers of so many."""


def segments_of(
    remat: str | int | None, truncate: int | None, stored: int, steps: int, limit: int = _LIMIT_BYTES
) -> Segments:
    """How to go through steps each of which stores so many bytes for the backward pass.

    `remat="auto"` chooses about sqrt(steps) where all steps together would pass the limit, 2 GiB.

    Raises:
        ValueError: `remat` is not "auto", None or a number of steps >= 1; or `truncate` is not None or such a number.
    """
    if truncate is not None:
        if remat not in ("auto", None):
            raise ValueError(f"`truncate`: its segments are recomputed as well, got `remat` = {remat!r} beside it.")
        return Segments(_steps("truncate", truncate, "None"), cut=True)
    if remat is None or steps <= 1:
        return Segments()
    if remat == "auto":
        return Segments(_near_root(steps) if steps * stored > limit else None)
    return Segments(_steps("remat", remat, '"auto", None'))


def stored_by(network_state: State) -> int:
    """About how many bytes a step of a network stores: four times the state that moves (rings, being linear, not)."""
    moving = jax.tree.leaves((network_state.populations, network_state.projections))
    return _RESIDUALS_PER_STATE * sum(leaf.size * leaf.dtype.itemsize for leaf in moving if leaf.ndim < 3)


def stored_by_layers(shapes: Iterable[tuple[int, ...]], batch: int | None, dtype: Any) -> int:
    """About how many bytes a step of layers stores: what each emits, and its gradient."""
    return 2 * (batch or 1) * sum(map(math.prod, shapes)) * jnp.dtype(dtype).itemsize


def limit_of_layers(steps: int) -> int:
    """Bytes that layers may store: 512 MiB where steps are many and recomputation saves most of it, else 2 GiB."""
    return _LIMIT_OF_MANY if steps >= _MANY_STEPS else _LIMIT_BYTES


def _steps(name: str, value: Any, others: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}`: expected {others} or a number of steps >= 1, got {value!r}.")
    return value


def _near_root(steps: int) -> int:
    """About sqrt(steps), and a divisor where there is one within a factor of 2: no shorter segment is left over."""
    root = math.isqrt(steps)
    divisors = [n for n in range(root // 2 + 1, 2 * root + 1) if steps % n == 0]
    return min(divisors, key=lambda n: abs(n - root), default=root)
