"""The conductance-based E-I network at any size: wall seconds per biological second.

N neurons, 80 % excitatory, Bernoulli wiring with p = 80 / N, weights 0.6 and 6.7 at every N, no noise, dt = 0.1 ms.
Vogels & Abbott, J. Neurosci. 25 (2005) 10786, in the form of BrainPy's benchmark. Beside it, in the same run, the same
network by hand in C (`benchmarks/limits/coba.c`), with the same synapses and initial voltages, on one thread.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from .._types import State
from ..networks import Network
from ..networks.balanced import coba
from ..recording import Rate
from ..simulate import run
from . import limit as by_hand
from .harness import check, result
from .pairs import alternate, ratio

RATE_HZ = (18.0, 26.0)
"""What both populations must fire at after the transient (seeds and sizes differ by about 1 Hz)."""

TRANSIENT_MS = 200.0

EARLY_MS, EARLY_TOLERANCE = 20, 0.01
"""While chaos has not amplified a rounding yet, brainsim and C must agree on the number of spikes to this part."""

LATE_TOLERANCE = 0.05
"""The same for the whole run, where only the statistics agree."""

Counts = np.ndarray
"""Spikes of both populations in each ms, (ms, 2)."""


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
    """Time runs of `duration` ms, all from the same initial state, recording the population rates only.

    Args:
        neurons: Size of the network.
        duration: Biological time of one run (ms), a whole number of ms.
        seed: Seed of wiring and initial voltages.
        repeats: Timed runs.
        warmup: Runs between the compiling one and the timed ones.
        storage: "csr", or "procedural": no synapse is stored.
        limit: Whether the network by hand in C runs as well, in turns; then `c_wall_per_bio_s` and `ratio_to_c`.

    Returns:
        A result with `wall_per_bio_s`, `rate_hz_E`, `rate_hz_I`, `synapses`, `build_s`, `ns_per_neuron_step` and
        `synaptic_events_per_s` (spikes times mean out-degree, per wall second).
    """
    if limit and storage != "csr":
        raise ValueError(f"`storage`: the network in C stores its synapses, got {storage!r} with `limit`.")
    start = time.perf_counter()
    net = coba(neurons, seed=seed, storage=storage)
    build_s = time.perf_counter() - start
    state = net.init_state()
    calls = {"brainsim": _brainsim(net, state, _checks.steps("duration", duration, net.dt))}
    if limit:
        calls["c"] = _c(net, state, round(duration))
    times = alternate(calls, repeats=repeats, warmup=warmup, agree=_agree)
    timing = times["brainsim"]
    hz = rates_hz(timing.last, net)
    events = sum(int(n) * _out_degree(net, name) for n, name in zip(timing.last.sum(0), "EI", strict=True))
    arguments = {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup}
    return result(
        "coba",
        arguments | ({"limit": True} if limit else {}) | ({"storage": storage} if storage != "csr" else {}),
        timing,
        checks={f"rate_hz_{name}": check(value, *RATE_HZ) for name, value in hz.items()},
        wall_per_bio_s=timing.median / (duration / 1000),
        rate_hz_E=hz["E"],
        rate_hz_I=hz["I"],
        synaptic_events_per_s=events / timing.median,
        ns_per_neuron_step=1e9 * timing.median / (neurons * duration / net.dt),
        synapses=sum(connection.n_synapses for connection in net.projections.values()),
        build_s=build_s,
        **(_beside(times, net, duration) if limit else {}),
    )


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
    return {name: 1000 * float(c[skip:].mean()) / net.populations[name].size for name, c in _columns(counts)}


def _columns(counts: Counts) -> Any:
    return zip("EI", counts.T, strict=True)


def _brainsim(net: Network, state: State, steps: int) -> Callable[[], Counts]:
    @eqx.filter_jit
    def rates(net, state):
        return run(net, steps=steps, state=state, record=(Rate("E"), Rate("I"))).records

    def call() -> Counts:
        records = rates(net, state)
        spikes = [np.asarray(records[f"{name}.rate"]) * net.populations[name].size / 1000 for name in "EI"]
        return np.rint(np.stack(spikes, axis=1)).astype(np.int64)

    return call


def _c(net: Network, state: State, ms: int) -> Callable[[], Counts]:
    library, point = by_hand.library("coba"), by_hand.pointer
    (indptr, indices), v, per_ms = wiring(net), voltages(state), round(1 / net.dt)

    def call() -> Counts:
        counts = np.zeros((ms, 2), np.int32)
        arrays = point(indptr), point(indices), point(v)
        if library.coba(v.size, net.populations["E"].size, *arrays, ms * per_ms, per_ms, point(counts)):
            raise MemoryError("coba.c: no memory for the state.")
        return counts.astype(np.int64)

    return call


def differences(one: Counts, other: Counts) -> dict[str, float]:
    """Relative differences in the number of spikes: `early`, before chaos, and `late`, in the whole run."""
    early, late = (abs(one[:ms].sum() / other[:ms].sum() - 1) for ms in (EARLY_MS, len(one)))
    return {"early": float(early), "late": float(late)}


def _agree(counts: Mapping[str, Counts]) -> None:
    if "c" not in counts:
        return
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


def _out_degree(net: Network, pre: str) -> float:
    """Mean synapses that leave a neuron of a population."""
    leaving = sum(connection.n_synapses for connection in net.projections.values() if connection.pre == pre)
    return leaving / net.populations[pre].size
