"""Losses of spike times, and which losses are such: what EventProp can treat where the output is spikes.

    time_to_first_spike:  cross entropy of softmax(-t / tau) + weight (exp(t_y / tau_late) - 1)

t = first spike time of each class, t_y that of the sample's class: the second term calls for an early answer. The
derivative of a time with respect to its spike is -dt, as in `losses.first_spike`. Times in ms.
Goeltz et al., Nat. Mach. Intell. 3 (2021) 823; Wunderlich and Pehle, Sci. Rep. 11 (2021) 12829, equation 17.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from ... import _checks, units
from ..._types import Array
from .cross_entropies import classes_of, cross_entropy
from .first_spike import first_spike, first_spike_times, mse_first_spike


def time_to_first_spike(
    out: Array,
    y: Array,
    mask: Array | None = None,
    *,
    tau: Any = 0.5,
    tau_late: Any = 6.4,
    weight: float = 3e-3,
    dt: Any = 1.0,
) -> Array:
    """Cross entropy of the first spike times, and a price of late answers, mean over the batch.

    Args:
        out: Spikes of output neurons, (time, batch, classes).
        y: Class of each sample, integers (batch,).
        mask: Steps that count.
        tau: How much earlier a spike must be for e times the probability (ms).
        tau_late: Time constant of the price (ms).
        weight: Factor of the price.
        dt: Step (ms).
    """
    tau, tau_late = (float(units.strip(name, value, "ms")) for name, value in (("tau", tau), ("tau_late", tau_late)))
    _checks.positive("tau", tau, "ms")
    _checks.positive("tau_late", tau_late, "ms")
    times = first_spike_times(out, mask, dt=dt)
    own = jnp.take_along_axis(times, classes_of(jnp.asarray(y), out.shape[1])[:, None], axis=1)
    return cross_entropy(-times / tau, y) + weight * jnp.mean(jnp.expm1(own / tau_late))


OF_SPIKE_TIMES: tuple[Callable[..., Array], ...] = (first_spike, mse_first_spike, time_to_first_spike)


def require_spike_times(loss: Callable[..., Array]) -> None:
    """Raise where a loss is one of this library's and not one of spike times; a loss of one's own is trusted.

    Raises:
        ValueError: Such a loss.
    """
    while isinstance(loss, functools.partial):
        loss = loss.func
    if loss.__module__.startswith(f"{__package__}.") and loss not in OF_SPIKE_TIMES:
        known = ", ".join(function.__name__ for function in OF_SPIKE_TIMES)
        raise ValueError(
            f'`loss`: "eventprop" with spikes as the output needs a loss of spike times ({known}), got '
            f"{getattr(loss, '__name__', loss)}: end with a readout such as LI, or take one of those."
        )
