"""Several ways to do the same work, timed in turns, so that what slows the machine down slows all of them.

    ratio = median over rounds k of  seconds_k(one) / seconds_k(other)

Before anything is timed, their results are compared.
"""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from .harness import Timing, timed

Call = Callable[[], Any]


def alternate(
    calls: Mapping[str, Call], *, repeats: int, warmup: int, agree: Callable[[Mapping[str, Any]], None]
) -> dict[str, Timing]:
    """Time calls in turns: one of each in every round.

    Args:
        calls: Work without arguments, by name; results are waited for.
        repeats: Timed rounds.
        warmup: Rounds between the first, which compiles, and the timed ones.
        agree: Is given the results of the first round, and raises where they differ too much.

    Returns:
        The timing of each.
    """
    first = {name: timed(call) for name, call in calls.items()}
    values = {name: value for name, (_, value) in first.items()}
    agree(values)
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warmup + repeats):
        for name, call in calls.items():
            seconds, values[name] = timed(call)
            if number >= warmup:
                samples[name].append(seconds)
    return {name: Timing(first[name][0], samples[name], values[name]) for name in calls}


def ratio(one: Timing, other: Timing) -> float:
    """How many times longer `one` takes than `other`: the median of the rounds."""
    return statistics.median(a / b for a, b in zip(one.samples, other.samples, strict=True))


def share_that_differs(one: Any, other: Any, tolerance: float) -> float:
    """The largest share, over the leaves of two alike pytrees, of entries that differ by more than the tolerance.

    Args:
        one: Arrays.
        other: Arrays of the same shapes.
        tolerance: Allowed difference, as a part of the largest absolute value in the leaf of `other`.
    """
    shares = [0.0]
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        wrong = ~(np.abs(a - b) <= tolerance * np.abs(b).max(initial=0.0))
        shares.append(float(wrong.mean()) if wrong.size else 0.0)
    return max(shares)
