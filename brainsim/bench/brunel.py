"""Brunel's network of delta synapses, driven by Poisson noise: wall seconds per biological second.

12,500 neurons with 1,250 synapses each, delays of 1.5 ms, g = 5 and twice the threshold rate, dt = 0.1 ms: asynchronous
and irregular. At other sizes a neuron has a tenth of all as partners, and weights go with 1/n. Brunel, J. Comput.
Neurosci. 8 (2000) 183.
"""

from typing import Any

from ..networks import Network
from ..networks.brunel import brunel
from ..units import mV
from . import network as balanced

RATE_HZ = (34.0, 41.0)
"""What both populations must fire at after the transient."""


def network(n: int, *, seed: int) -> Network:
    """The network at a size."""
    return brunel(n=n, indegree=2 * n // 25, weight=1250 / n * mV, seed=seed)


def measure(*, neurons: int, duration: float, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time runs of the network; see `bench.network.measure`."""
    sizes = {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup}
    return balanced.measure("brunel", network, RATE_HZ, **sizes).result
