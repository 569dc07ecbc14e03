"""What gap junctions give to populations in a step: the currents that their voltages at its start drive."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from .._types import Drive, State
from ..synapses import Coupling


def couple(projections: Iterable[Any], populations: Mapping[str, State]) -> Mapping[str, list[Drive]]:
    """The drives of every population by its name; each junction gives to one end what it takes from the other.

    Args:
        projections: Projections of a network.
        populations: States of its populations at the start of the step.
    """
    drives: Mapping[str, list[Drive]] = defaultdict(list)
    for coupling in projections:
        if isinstance(coupling, Coupling):
            currents = coupling.currents(populations[coupling.pre].v, populations[coupling.post].v)
            for end, current in zip((coupling.pre, coupling.post), currents, strict=True):
                drives[end].append(Drive(current=current))
    return drives
