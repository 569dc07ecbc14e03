"""The conductance-based E-I network at any size: wall seconds per biological second.

N neurons, 80 % excitatory, Bernoulli wiring with p = 80 / N, weights 0.6 and 6.7 at every N, no noise, dt = 0.1 ms.
Vogels & Abbott, J. Neurosci. 25 (2005) 10786, in the form of BrainPy's benchmark. Beside it, in the same run, the same
network by hand in C (`benchmarks/limits/coba.c`), with the same synapses and initial voltages, on one thread.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._types import State
from ..networks import Network, balanced
from . import limit as by_hand
from . import network
from .network import Counts, rates_hz, voltages, wiring
from .pairs import ratio

RATE_HZ = (18.0, 26.0)
"""What both populations must fire at after the transient (seeds and sizes differ by about 1 Hz)."""

EARLY_MS, EARLY_TOLERANCE = 20, 0.01
"""While chaos has not amplified a rounding yet, brainsim and C must agree on the number of spikes to this part."""

LATE_TOLERANCE = 0.05
"""The same for the whole run, where only the statistics agree."""


def measure(
    *,
    neurons: int,
    duration: float,
    seed: int,
    repeats: int,
    warmup: int,
    limit: bool = False,
    storage: str = "csr",
) -> dict[str, Any]:
    """Time runs of the network; see `network.measure`.

    Args:
        neurons: Size of the network.
        duration: Biological time of one run (ms), a whole number of ms.
        seed: Seed of wiring and initial voltages.
        repeats: Timed runs.
        warmup: Runs between the compiling one and the timed ones.
        storage: "csr", or "procedural": no synapse is stored.
        limit: Whether the network by hand in C runs as well, in turns; then `c_wall_per_bio_s` and `ratio_to_c`.
    """
    if limit and storage != "csr":
        raise ValueError(f"`storage`: the network in C stores its synapses, got {storage!r} with `limit`.")
    sizes = {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup}
    if not limit:
        make = functools.partial(balanced.coba, storage=storage)
        outcome = network.measure("coba", make, RATE_HZ, **sizes).result
        return outcome | {"arguments": outcome["arguments"] | ({"storage": storage} if storage != "csr" else {})}
    measured = network.measure("coba", balanced.coba, RATE_HZ, **sizes, others=_c, agree=_agree)
    outcome = measured.result | _beside(measured.times, measured.net, duration)
    return outcome | {"arguments": outcome["arguments"] | {"limit": True}}


def _c(net: Network, state: State, ms: int) -> dict[str, Callable[[], Counts]]:
    library, point = by_hand.library("coba"), by_hand.pointer
    (indptr, indices), v, per_ms = wiring(net), voltages(state), round(1 / net.dt)

    def call() -> Counts:
        counts = np.zeros((ms, 2), np.int32)
        arrays = point(indptr), point(indices), point(v)
        if library.coba(v.size, net.populations["E"].size, *arrays, ms * per_ms, per_ms, point(counts)):
            raise MemoryError("coba.c: no memory for the state.")
        return counts.astype(np.int64)

    return {"c": call}


def differences(one: Counts, other: Counts) -> dict[str, float]:
    """Relative differences in the number of spikes: `early`, before chaos, and `late`, in the whole run."""
    early, late = (abs(one[:ms].sum() / other[:ms].sum() - 1) for ms in (EARLY_MS, len(one)))
    return {"early": float(early), "late": float(late)}


def _agree(counts: Mapping[str, Counts]) -> None:
    found = differences(counts["brainsim"], counts["c"])
    if not (found["early"] <= EARLY_TOLERANCE and found["late"] <= LATE_TOLERANCE):
        raise AssertionError(f"brainsim and C do not fire alike ({found}); nothing was timed.")


def _beside(times: Mapping[str, Any], net: Network, duration: float) -> dict[str, Any]:
    """The figures of the run in C."""
    ours, hand = times["brainsim"], times["c"]
    return {
        "c_wall_per_bio_s": hand.median / (duration / 1000),
        "ratio_to_c": ratio(ours, hand),
        "c_samples": hand.samples,
        "c_flags": " ".join(by_hand.FLAGS),
        **{f"c_rate_hz_{name}": hz for name, hz in rates_hz(hand.last, net).items()},
        **{f"c_difference_{when}": value for when, value in differences(ours.last, hand.last).items()},
    }
