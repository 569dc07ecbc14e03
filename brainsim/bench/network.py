"""Networks of excitatory and inhibitory neurons, simulated and timed: wall seconds per biological second.

Every run starts from the same initial state and records the rates of the populations "E" and "I" alone.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from .. import _checks
from .._types import State
from ..networks import Network
from ..recording import Rate
from ..simulate import run
from .harness import Timing, check, result
from .pairs import alternate

TRANSIENT_MS = 200.0

Counts = np.ndarray
"""Spikes of both populations in each ms, (ms, 2)."""

Others = Callable[[Network, State, int], dict[str, Callable[[], Counts]]]
"""What runs in turns with brainsim: calls by name, made for a network, its state and a number of ms."""


class Measured(NamedTuple):
    """A result, and what it came from: the timings by name and the network."""

    result: dict[str, Any]
    times: dict[str, Timing]
    net: Network


def measure(
    workload: str,
    make: Callable[..., Network],
    hz: tuple[float, float],
    *,
    neurons: int,
    duration: float,
    seed: int,
    repeats: int,
    warmup: int,
    others: Others | None = None,
    agree: Callable[[Mapping[str, Counts]], None] = lambda counts: None,
) -> Measured:
    """Time runs of `duration` ms.

    Args:
        workload: Name of the result.
        make: `make(neurons, seed=seed)` is the network.
        hz: Rates between which both populations must fire after the transient.
        neurons: Size of the network.
        duration: Biological time of one run (ms), a whole number of ms.
        seed: Seed of wiring and initial voltages.
        repeats: Timed runs.
        warmup: Runs between the compiling one and the timed ones.
        others: What runs in turns with brainsim.
        agree: Raises where the counts of the first round are not of the same network.

    Returns:
        A result with `wall_per_bio_s`, `rate_hz_E`, `rate_hz_I`, `synapses`, `build_s`, `ns_per_neuron_step` and
        `synaptic_events_per_s` (spikes times mean out-degree, per wall second).
    """
    start = time.perf_counter()
    net = make(neurons, seed=seed)
    build_s = time.perf_counter() - start
    state = net.init_state()
    calls = {"brainsim": _counting(net, state, _checks.steps("duration", duration, net.dt))}
    calls |= others(net, state, round(duration)) if others else {}
    times = alternate(calls, repeats=repeats, warmup=warmup, agree=agree)
    timing = times["brainsim"]
    rates = rates_hz(timing.last, net)
    synapses = {name: sum(edge.n_synapses for edge in net.projections.values() if edge.pre == name) for name in "EI"}
    events = sum(int(n) * synapses[name] / net.populations[name].size for name, n in _columns(timing.last.sum(0)))
    outcome = result(
        workload,
        {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup},
        timing,
        checks={f"rate_hz_{name}": check(value, *hz) for name, value in rates.items()},
        wall_per_bio_s=timing.median / (duration / 1000),
        rate_hz_E=rates["E"],
        rate_hz_I=rates["I"],
        synaptic_events_per_s=events / timing.median,
        ns_per_neuron_step=1e9 * timing.median / (neurons * duration / net.dt),
        synapses=sum(synapses.values()),
        build_s=build_s,
    )
    return Measured(outcome, times, net)


def wiring(net: Network) -> tuple[np.ndarray, np.ndarray]:
    """All synapses of a network of "E" and "I" as one CSR, `(n + 1)` offsets and targets, "E" before "I" (int32)."""
    edges = net.projections
    counts, ends = [], np.zeros(1, np.int64)
    for pre in "EI":
        counts.append([np.diff(np.asarray(edges[f"{pre}->{post}"].indptr)) for post in "EI"])
        ends = np.concatenate([ends, ends[-1] + np.cumsum(sum(counts[-1]), dtype=np.int64)])
    targets, begin = np.empty(ends[-1], np.int32), 0
    for pre, both in zip("EI", counts, strict=True):
        at = ends[begin : begin + both[0].size]
        for post, count, shift in zip("EI", both, (0, net.populations["E"].size), strict=True):
            edge = edges[f"{pre}->{post}"]
            places = np.repeat(at - np.asarray(edge.indptr)[:-1], count) + np.arange(count.sum())
            targets[places] = np.asarray(edge.indices) + shift
            at = at + count
        begin += both[0].size
    return ends.astype(np.int32), targets


def voltages(state: State) -> np.ndarray:
    """Membrane voltages of both populations, "E" before "I", (n,) (mV, float32)."""
    return np.concatenate([np.asarray(state.populations[name].v, np.float32) for name in "EI"])


def rates_hz(counts: Counts, net: Network) -> dict[str, float]:
    """Mean rates after the transient."""
    skip = round(min(TRANSIENT_MS, len(counts) / 2))
    return {name: 1000 * float(c.mean()) / net.populations[name].size for name, c in _columns(counts[skip:].T)}


def _columns(values: Any) -> Any:
    return zip("EI", values, strict=True)


def _counting(net: Network, state: State, steps: int) -> Callable[[], Counts]:
    @eqx.filter_jit
    def rates(net, state):
        return run(net, steps=steps, state=state, record=(Rate("E"), Rate("I"))).records

    def call() -> Counts:
        records = rates(net, state)
        spikes = [np.asarray(records[f"{name}.rate"]) * net.populations[name].size / 1000 for name in "EI"]
        return np.rint(np.stack(spikes, axis=1)).astype(np.int64)

    return call
