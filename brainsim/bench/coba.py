"""The conductance-based E-I network at any size: wall seconds per biological second.

N neurons, 80 % excitatory, Bernoulli wiring with p = 80 / N, weights 0.6 and 6.7 at every N, no noise, dt = 0.1 ms.
Vogels & Abbott, J. Neurosci. 25 (2005) 10786, in the form of BrainPy's benchmark.
"""

import time
from typing import Any

import equinox as eqx

from .. import _checks
from ..networks import Network
from ..networks.balanced import coba
from ..recording import Rate
from ..simulate import run
from .harness import check, result, time_calls

RATE_HZ = (18.0, 26.0)
"""What both populations must fire at after the transient (seeds and sizes differ by about 1 Hz)."""

TRANSIENT_MS = 200.0


def measure(*, neurons: int, duration: float, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time runs of `duration` ms, all from the same initial state, recording the population rates only.

    Args:
        neurons: Size of the network.
        duration: Biological time of one run (ms), a whole number of ms.
        seed: Seed of wiring and initial voltages.
        repeats: Timed runs.
        warmup: Runs between the compiling one and the timed ones.

    Returns:
        A result with `wall_per_bio_s`, `rate_hz_E`, `rate_hz_I`, `synapses`, `build_s` and `synaptic_events_per_s`
        (spikes times mean out-degree, per wall second).
    """
    start = time.perf_counter()
    net = coba(neurons, seed=seed)
    build_s = time.perf_counter() - start
    steps = _checks.steps("duration", duration, net.dt)
    state = net.init_state()

    @eqx.filter_jit
    def rates(net, state):
        return run(net, steps=steps, state=state, record=(Rate("E"), Rate("I"))).records

    timing = time_calls(lambda: rates(net, state), repeats=repeats, warmup=warmup)
    skip = round(min(TRANSIENT_MS, duration / 2))
    hz = {name: float(timing.last[f"{name}.rate"][skip:].mean()) for name in "EI"}
    events = sum(float(timing.last[f"{name}.rate"].mean()) * duration / 1000 * _synapses(net, name) for name in "EI")
    return result(
        "coba",
        {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup},
        timing,
        checks={f"rate_hz_{name}": check(value, *RATE_HZ) for name, value in hz.items()},
        wall_per_bio_s=timing.median / (duration / 1000),
        rate_hz_E=hz["E"],
        rate_hz_I=hz["I"],
        synaptic_events_per_s=events / timing.median,
        synapses=sum(connection.n_synapses for connection in net.projections.values()),
        build_s=build_s,
    )


def _synapses(net: Network, pre: str) -> int:
    """Synapses that leave a population."""
    return sum(connection.n_synapses for connection in net.projections.values() if connection.pre == pre)
