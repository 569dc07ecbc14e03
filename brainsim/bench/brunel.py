"""Brunel's network of delta synapses, driven by Poisson noise: wall seconds per biological second.

12,500 neurons with 1,250 synapses each, delays of 1.5 ms, g = 5 and twice the threshold rate, dt = 0.1 ms. Brunel, J.
Comput. Neurosci. 8 (2000) 183.
"""

from typing import Any

from ..networks.brunel import brunel
from . import network

RATE_HZ = (34.0, 41.0)
"""What both populations must fire at after the transient."""


def measure(*, neurons: int, duration: float, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time runs of the network; see `network.measure`."""
    sizes = {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup}
    return network.measure("brunel", brunel, RATE_HZ, **sizes).result
