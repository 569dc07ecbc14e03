"""Plastic synapses: nanoseconds a plastic event in brainsim and in C by hand, and, where it is installed, in Brian2.

    python benchmarks/stdp.py --threads 1 --json stdp.json [--brian2 /path/to/its/python]

Brian2's STDP example, scaled: 10,000 Poisson inputs of 15 Hz, each onto all of 1,000 conductance neurons, additive
pair STDP with hard bounds, dt = 0.1 ms. An event is one change of one weight: spikes of the inputs times the
neurons, and spikes of the neurons times the inputs. brainsim and C get the same trains of spikes and the same
weights; they must fire alike and end with the same mean weight before anything is timed. Brian2 draws its own
trains and weights from the same distributions.
"""

import argparse
import ctypes
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import brainsim as bs
from brainsim.bench import limit, script
from brainsim.bench.harness import check, lines_logged, result
from brainsim.bench.pairs import alternate, ratio
from brainsim.units import ms, mV

RATE_HZ, DT, A_PLUS, A_MINUS = 15.0, 0.1, 0.01, 0.0105
TOLERANCE = 0.02
"""Allowed relative difference in the number of spikes and in the mean weight."""

PEER = Path(__file__).resolve().parent / "peers" / "stdp_brian2.py"


def w_max(inputs: int) -> float:
    """Largest weight: 0.01 for the 1,000 inputs of the example, and as much for all of them together here."""
    return 10.0 / inputs


def trains(inputs: int, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of the inputs: `(steps + 1)` offsets and ids, both int32."""
    rng = np.random.default_rng(seed)
    counts = rng.binomial(inputs, RATE_HZ * DT / 1000, steps)
    ids = [np.sort(rng.choice(inputs, count, replace=False)) for count in counts]
    return np.r_[0, np.cumsum(counts)].astype(np.int32), np.concatenate(ids).astype(np.int32)


def network(inputs: int, neurons: int, weight: np.ndarray) -> bs.Network:
    """The network in brainsim."""
    cell = bs.LIF(10 * ms, v_th=-54 * mV, v_rest=-74 * mV, v_reset=-60 * mV)
    rule = bs.STDP(A_PLUS, A_MINUS, 20 * ms, 20 * ms, w_max=w_max(inputs))
    every = bs.EdgeList(*np.divmod(np.arange(inputs * neurons, dtype=np.int32), neurons))
    edge = bs.Projection("in", "E", every, weight.ravel(), bs.Exponential(5 * ms, 0 * mV), plasticity=rule)
    populations = {"in": bs.Input(inputs), "E": bs.Population(neurons, cell)}
    return bs.Network(populations, [edge], dt=DT)


def by_brainsim(net: bs.Network, at: np.ndarray, ids: np.ndarray) -> Callable[[], dict[str, Any]]:
    """A run from the beginning."""
    state = net.init_state()
    spikes = np.zeros((at.size - 1, net["in"].size), np.float32)
    spikes[np.repeat(np.arange(at.size - 1), np.diff(at)), ids] = 1
    given = {"in": jnp.asarray(spikes)}

    @eqx.filter_jit
    def run(net, state, given):
        found = bs.run(net, given, state=state, record=(bs.Rate("E", bin=DT),))
        return found.records["E.rate"].sum() * (DT / 1000), found.state.projections["in->E"].weight

    def call() -> dict[str, Any]:
        rate, weight = run(net, state, given)
        return {"spikes": rate * net["E"].size, "weight": weight}

    return call


def by_hand(weight: np.ndarray, at: np.ndarray, ids: np.ndarray) -> Callable[[], dict[str, Any]]:
    """The same in C; the weights are written over by the next call."""
    library, point = limit.library("stdp"), limit.pointer
    (inputs, neurons), numbers = weight.shape, (A_PLUS, A_MINUS, 1.0)
    given = [ctypes.c_float(x * w_max(inputs)) for x in numbers]
    w, spikes = np.empty_like(weight), np.empty(neurons, np.int32)

    def call() -> dict[str, Any]:
        w[:], spikes[:] = weight, 0
        if library.stdp(inputs, neurons, at.size - 1, point(at), point(ids), *given, point(w), point(spikes)):
            raise MemoryError("stdp.c: no memory for the state.")
        return {"spikes": float(spikes.sum()), "weight": w}

    return call


def agree(results: Mapping[str, Any]) -> None:
    """Raise unless both fire alike and end with the same mean weight."""
    ours, hand = ({k: float(np.mean(np.asarray(v))) for k, v in results[name].items()} for name in ("brainsim", "c"))
    found = {key: abs(ours[key] / hand[key] - 1) for key in hand}
    if not max(found.values()) <= TOLERANCE:
        raise AssertionError(f"brainsim and C do not learn alike ({found}); nothing was timed.")


def peer(python: str, inputs: int, neurons: int, steps: int, seed: int) -> dict[str, Any]:
    """What Brian2 takes, from its own process: seconds of its run loop, spikes of the neurons, mean weight."""
    command = [python, str(PEER), *map(str, (inputs, neurons, steps * DT, seed))]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout.splitlines()[-1])


def measure(
    *, inputs: int, neurons: int, steps: int, seed: int, repeats: int, warmup: int, brian2: str | None
) -> dict[str, Any]:
    """Time the network in turns.

    Returns:
        A result with `ns_per_event`, `c_ns_per_event`, `ratio_to_c`, and, with Brian2, `brian2_ns_per_event` and
        `brian2_over_brainsim`; its samples are brainsim's.
    """
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0, w_max(inputs), (inputs, neurons)).astype(np.float32)
    at, ids = trains(inputs, steps, seed)
    net = network(inputs, neurons, weight)
    calls = {"brainsim": by_brainsim(net, at, ids), "c": by_hand(weight, at, ids)}
    with lines_logged() as lines:
        times = alternate(calls, repeats=repeats, warmup=warmup, agree=agree)
    ours, hand = times["brainsim"], times["c"]
    spikes = float(np.asarray(ours.last["spikes"]))
    events = ids.size * neurons + spikes * inputs
    figures = {"ns_per_event": 1e9 * ours.median / events, "c_ns_per_event": 1e9 * hand.median / events}
    figures |= {"ratio_to_c": ratio(ours, hand), "rate_hz": spikes / neurons / (steps * DT / 1000)}
    figures |= {"mean_weight": float(jnp.mean(ours.last["weight"])) / w_max(inputs), "events": events}
    checks = {"lines_logged": check(len(lines), 0, 0)}
    if brian2 is not None:
        theirs = [peer(brian2, inputs, neurons, steps, seed + k) for k in range(min(repeats, 3))]
        per_event = [t["seconds"] / (t["inputs"] * neurons + t["spikes"] * inputs) for t in theirs]
        figures |= {"brian2_ns_per_event": 1e9 * float(np.median(per_event)), "brian2_version": theirs[0]["version"]}
        figures["brian2_over_brainsim"] = figures["brian2_ns_per_event"] / figures["ns_per_event"]
        checks["brian2_spikes"] = check(theirs[0]["spikes"] / spikes, 0.95, 1.05)
        checks["brian2_weight"] = check(theirs[0]["weight"] / figures["mean_weight"], 0.95, 1.05)
    arguments = {
        "inputs": inputs,
        "neurons": neurons,
        "steps": steps,
        "seed": seed,
        "repeats": repeats,
        "warmup": warmup,
    }
    return result("stdp", arguments, ours, checks=checks, log=lines, **figures)


def options() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (
        ("inputs", 10_000),
        ("neurons", 1000),
        ("steps", 2000),
        ("seed", 1),
        ("repeats", 5),
        ("warmup", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--brian2", default=None, metavar="PYTHON", help="Python of an environment that has Brian2")
    return parser


if __name__ == "__main__":
    script.main(measure, options())
