"""Local field potential of a network of point neurons, from its synaptic currents: the reference weighted sum.

    RWS(t) = sum_j I_AMPA,j(t - 6 ms) - 1.65 sum_j I_GABA,j(t)

over the excitatory (pyramidal) neurons j, with currents into the neuron positive, so that both terms add up. 6 ms and
1.65 are the values that Mazzoni et al. fitted to the potential of multi-compartment neurons; they give the shape of the
signal, not its size, for there is no distance in it. Mazzoni, Linden, Cuntz, Lansner, Panzeri & Einevoll, PLoS Comput.
Biol. 11 (2015) e1004584; the plain sum of absolute values: Mazzoni et al., PLoS Comput. Biol. 4 (2008) e1000239.

    record = [bs.Trace(f"{path}.current", reduce="sum") for path in ("E->E", "I->E", "ext->E")]
    t, lfp = bs.analysis.lfp(result, excitatory=["E->E", "ext->E"], inhibitory=["I->E"])
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import units
from .._checks import choice, within

if TYPE_CHECKING:
    from .result import Result

ALPHA = 1.65
"""Weight of the inhibitory current in the reference weighted sum."""
DELAY = 6.0
"""Delay of the excitatory current in the reference weighted sum (ms)."""


class Field(NamedTuple):
    """A field potential, up to its size.

    Attributes:
        t: ms, (time,).
        lfp: The proxy, (time, [batch]): pA, or without unit and with mean 0 and sd 1 where normalised.
    """

    t: np.ndarray
    lfp: np.ndarray


def lfp(
    result: "Result",
    *,
    excitatory: Iterable[str],
    inhibitory: Iterable[str],
    method: str = "rws",
    alpha: float = ALPHA,
    delay: Any = DELAY,
    normalise: bool = True,
) -> Field:
    """A proxy of the local field potential from recorded currents.

    Args:
        result: A run that recorded `Trace("I->E.current", reduce="sum")`, or the currents of single neurons, of every
            projection named; all sampled alike.
        excitatory: Projections with excitatory currents onto the pyramidal population.
        inhibitory: Projections with inhibitory currents onto it.
        method: "rws", or "sum" for the sum of the absolute currents without weight and delay.
        alpha: Weight of the inhibitory currents.
        delay: Delay of the excitatory currents (ms), a multiple of the time between samples.
        normalise: Whether to subtract the mean and divide by the standard deviation, as the paper does.

    Returns:
        The times at which both currents are known, and the proxy.

    Raises:
        ValueError: A current that was not recorded or is sampled otherwise, or of the wrong sign on the average.
    """
    choice("method", method, ("rws", "sum"))
    if method == "sum":
        alpha, delay = 1.0, 0.0
    within("alpha", alpha, low=0)
    excitatory, inhibitory = list(excitatory), list(inhibitory)
    for name, paths in (("excitatory", excitatory), ("inhibitory", inhibitory)):
        if not paths:
            raise ValueError(f"`{name}`: expected at least one projection.")
    keys = [_key(result, path) for path in (*excitatory, *inhibitory)]
    t = result.times(keys[0])
    for key in keys:
        if len(result.times(key)) != len(t):
            raise ValueError(f'"{key}" is sampled otherwise than "{keys[0]}": give all the same `every`.')
    ampa = _signed(result, keys[: len(excitatory)], +1)
    gaba = _signed(result, keys[len(excitatory) :], -1)
    late = _samples(float(units.strip("delay", delay, "ms")), t)
    total = ampa[: len(t) - late] - alpha * gaba[late:]
    if normalise:
        total = (total - total.mean(0)) / np.where((spread := total.std(0)) > 0, spread, 1.0)
    return Field(t[late:], total)


def _key(result: "Result", path: str) -> str:
    found = [f"{path}.current{suffix}" for suffix in ("_sum", "") if f"{path}.current{suffix}" in result]
    if not found:
        raise ValueError(
            f'"{path}": its current was not recorded: `record=[Trace("{path}.current", reduce="sum")]`; recorded: '
            f"{', '.join(result.recorded) or 'nothing'}."
        )
    return found[0]


def _signed(result: "Result", keys: list[str], sign: int) -> np.ndarray:
    """Sum over neurons and projections, (time, [batch]), float64; its mean must have the sign."""
    total: Any = 0.0
    for key in keys:
        values = np.asarray(result.value(key), np.float64)
        total = total + (values if result.ids(key) is None else values.sum(-1))
    if sign * total.mean() < 0:
        kind = "excitatory" if sign > 0 else "inhibitory"
        raise ValueError(
            f"`{kind}`: the currents of {', '.join(keys)} are of the other sign, mean {total.mean():g} pA."
        )
    return total


def _samples(delay: float, t: np.ndarray) -> int:
    within("delay", delay, "ms", low=0)
    every = t[1] - t[0] if len(t) > 1 else 1.0
    late = round(delay / every)
    if abs(delay / every - late) > 1e-6:
        raise ValueError(f"`delay` = {delay:g} ms is not a multiple of the {every:g} ms between samples.")
    if late >= len(t):
        raise ValueError(f"`delay` = {delay:g} ms leaves nothing of {len(t)} samples every {every:g} ms.")
    return late
