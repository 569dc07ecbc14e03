"""The current-based E-I network at any size: wall seconds per biological second.

N neurons, 80 % excitatory, Bernoulli wiring with p = 80 / N, the numbers of Brian2's example "CUBA", dt = 0.1 ms.
"""

from typing import Any

from ..networks import balanced
from . import network

RATE_HZ = (4.0, 8.0)
"""What both populations must fire at after the transient."""


def measure(*, neurons: int, duration: float, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time runs of the network; see `network.measure`."""
    sizes = {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup}
    return network.measure("cuba", balanced.cuba, RATE_HZ, **sizes).result
