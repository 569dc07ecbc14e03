"""A class read by many neurons: the outputs of a group are summed before a loss or metric sees them.

neurons k n/classes ... (k + 1) n/classes - 1 stand for class k
"""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from ... import _checks
from ..._types import Array


def population(function: Callable[..., Array], classes: int) -> Callable[..., Array]:
    """A loss or metric of groups of neurons: `population(ce_count, 10)` with 200 outputs has 20 neurons a class.

    Args:
        function: `(out, y, mask=None) -> scalar`; a rate or count that it aims at is that of a whole group.
        classes: Number of groups; it divides the number of outputs.
    """
    _checks.within("classes", classes, low=1)

    @functools.wraps(function)
    def of_groups(out: Array, y: Array, mask: Array | None = None, **options: Any) -> Array:
        if out.shape[-1] % classes:
            raise ValueError(f"`classes`: expected a divisor of the {out.shape[-1]} outputs, got {classes}.")
        return function(jnp.sum(out.reshape(*out.shape[:-1], classes, -1), axis=-1), y, mask, **options)

    return of_groups
