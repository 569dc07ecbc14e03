"""Metrics of an output over time, `(out, y, mask=None) -> scalar`: what `fit` reports beside the loss."""

from collections.abc import Callable, Iterable

import jax.numpy as jnp

from .. import _checks
from .._types import Array
from .losses import highest, summed

Metric = Callable[..., Array]


def accuracy(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Fraction of samples whose class has the largest sum over time; arguments as in `losses.ce_sum`."""
    return jnp.mean(_hits(summed(out, mask), y), dtype=out.dtype)


def accuracy_max(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Fraction of samples whose class has the largest maximum over time; goes with `losses.ce_max`."""
    return jnp.mean(_hits(highest(out, mask), y), dtype=out.dtype)


def _hits(scores: Array, y: Array) -> Array:
    return jnp.argmax(scores, axis=-1) == jnp.asarray(y)


_BY_NAME: dict[str, Metric] = {"accuracy": accuracy, "accuracy_max": accuracy_max}


def named(metrics: Iterable[str | Metric]) -> dict[str, Metric]:
    """Metrics by name; a function goes by its own.

    Raises:
        ValueError: An unknown name.
    """
    chosen = {}
    for metric in metrics:
        if isinstance(metric, str):
            _checks.choice("metrics", metric, _BY_NAME)
            metric = _BY_NAME[metric]
        chosen[getattr(metric, "__name__", type(metric).__name__)] = metric
    return chosen
