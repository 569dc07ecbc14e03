"""In which order populations step: along the edges without delay, which therefore must not close a cycle."""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter


def step_order(names: Iterable[str], immediate: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Populations, each after all those that reach it without delay; otherwise in the order given.

    Args:
        names: Populations.
        immediate: (pre, post) of every projection with delay 0.

    Raises:
        ValueError: A cycle of such projections, which it names.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter({name: () for name in names})
    for pre, post in immediate:
        sorter.add(post, pre)
    try:
        return tuple(sorter.static_order())
    except CycleError as error:
        cycle = "->".join(reversed(error.args[1]))
        raise ValueError(f"`delay`: 0 ms on the cycle {cycle}; one of its projections needs at least dt.") from None
