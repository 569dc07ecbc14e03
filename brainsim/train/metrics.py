"""Metrics of an output over time, `(out, y, mask=None) -> scalar`: what `fit` reports beside the loss.

"rate" is the mean firing rate of every population or layer (Hz), which is no function of the output.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array
from ..networks import Network
from ..neurons import Source
from .losses.counted_steps import highest, summed
from .losses.first_spike import first_spike_times

Metric = Callable[..., Array]


def accuracy(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Fraction of samples whose class has the largest sum over time; arguments as in `losses.ce_sum`."""
    return jnp.mean(_hits(summed(out, mask), y), dtype=out.dtype)


def accuracy_max(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Fraction of samples whose class has the largest maximum over time; goes with `losses.ce_max`."""
    return jnp.mean(_hits(highest(out, mask), y), dtype=out.dtype)


def accuracy_softmax(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Fraction of samples whose class has the largest sum of softmax(out_t); goes with `losses.ce_softmax`."""
    return jnp.mean(_hits(summed(jax.nn.softmax(out), mask), y), dtype=out.dtype)


def accuracy_first_spike(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Fraction of samples whose class spikes first (of equals the lowest class); goes with `losses.first_spike`."""
    return jnp.mean(_hits(-first_spike_times(out, mask), y), dtype=out.dtype)


def _hits(scores: Array, y: Array) -> Array:
    return jnp.argmax(scores, axis=-1) == jnp.asarray(y)


_BY_NAME: dict[str, Metric] = {
    "accuracy": accuracy,
    "accuracy_max": accuracy_max,
    "accuracy_softmax": accuracy_softmax,
    "accuracy_first_spike": accuracy_first_spike,
}


RATE = "rate"


def named(metrics: Iterable[str | Metric]) -> dict[str, Metric]:
    """Metrics by name, but for "rate"; a function goes by its own.

    Raises:
        ValueError: An unknown name.
    """
    chosen = {}
    for metric in metrics:
        if isinstance(metric, str):
            _checks.choice("metrics", metric, [*_BY_NAME, RATE])
            if metric == RATE:
                continue
            metric = _BY_NAME[metric]
        chosen[getattr(metric, "__name__", type(metric).__name__)] = metric
    return chosen


def spiking(model: Any) -> tuple[str, ...]:
    """The paths of the spikes of every layer, or of every population that is no input."""
    inputs = (
        [name for name, part in model.populations.items() if isinstance(part, Source)]
        if isinstance(model, Network)
        else []
    )
    owners = (path.rpartition(".") for path in model.readable())
    return tuple(f"{owner}.spikes" for owner, _, variable in owners if variable == "spikes" and owner not in inputs)
