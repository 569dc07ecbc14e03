"""Every neuron model in a loop of its own: nanoseconds per neuron and step, fused, on XLA, and by hand in C.

    python benchmarks/neurons.py --threads 1 --json neurons.json

40,000 neurons, 500 steps of 0.1 ms with a constant drive that differs from neuron to neuron, parameters shared; the sum
of what is emitted is kept in every step. The fused loop is `fuse.loop.loop`, XLA's is `jax.lax.scan` over the same
step, C is `benchmarks/limits/lif.c`. They run in turns in one process, after their last states were compared.
"""

import argparse
import ctypes
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import brainsim as bs
from brainsim import neurons as zoo
from brainsim._streams import Stream
from brainsim._types import Drive
from brainsim.bench import limit, script
from brainsim.bench.harness import Timing, check, lines_logged, result
from brainsim.bench.pairs import alternate, ratio, share_that_differs
from brainsim.fuse.loop import loop
from brainsim.units import ms, mV, pA

DT = 0.1
TOLERANCE = 1e-3
"""Allowed difference of a state, as a part of the largest value of that state."""
FLIPPED = 2e-3
"""Allowed share of neurons beyond it: those whose v was a rounding away from the threshold in some step."""

AT_REST = {"v_th": -50 * mV, "v_reset": -60 * mV, "v_rest": -60 * mV, "t_ref": 5 * ms}


class Case(NamedTuple):
    """A neuron model and its drive.

    Attributes:
        neuron: The model.
        drive: Values in units of the ports, by port, from draws in (0, 1) for every neuron.
        by_hand: Its function in `benchmarks/limits/lif.c`, if there is one.
    """

    neuron: bs.Neuron
    drive: Callable[[np.ndarray], dict[str, np.ndarray]]
    by_hand: str | None = None


def current(low: float, high: float) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Uniform in a range of currents (pA)."""
    return lambda u: {"current": low + (high - low) * u}


def adex() -> bs.Neuron:
    """The neuron of `examples/adex_noise.py`."""
    file = Path(__file__).resolve().parents[1] / "examples" / "adex_noise.py"
    spec = importlib.util.spec_from_file_location("adex_noise", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.AdEx(t_ref=2 * ms)


def cases() -> dict[str, Case]:
    """The models of the package that fuse, and a user's own."""
    return {
        "LIF": Case(bs.LIF(20 * ms, **AT_REST), current(5, 25), "lif_current"),
        "LIF, conductances": Case(
            bs.LIF(20 * ms, **AT_REST),
            lambda u: {"conductance": 0.5 + u, "reversal": 60 * u - 60 * (0.5 + u)},
            "lif_conductance",
        ),
        "AdaptiveLIF": Case(bs.AdaptiveLIF(20 * ms, **AT_REST), current(5, 25)),
        "LI": Case(bs.LI(20 * ms), current(-5, 5)),
        "SEAdLIF": Case(zoo.SEAdLIF(), current(0, 30)),
        "EFAdLIF": Case(zoo.EFAdLIF(), current(0, 30)),
        "CubaLIF": Case(zoo.CubaLIF(20 * ms), lambda u: {"jump": 0.02 + 0.1 * u}),
        "AMSU": Case(zoo.AMSU(20 * ms), lambda u: {"jump": 0.002 + 0.02 * u}),
        "UltraLIF": Case(bs.UltraLIF(20 * ms), lambda u: {"jump": u - 0.5}),
        "Astrocyte": Case(bs.Astrocyte(), lambda u: {"jump": 0.002 * u}),
        "LeakyAstrocyte": Case(zoo.LeakyAstrocyte(), lambda u: {"jump": 0.05 * u}),
        "IF": Case(zoo.IF(), lambda u: {"jump": 0.02 + 0.1 * u}),
        "Integrator": Case(zoo.Integrator(), lambda u: {"jump": 0.02 * (u - 0.5)}),
        "CubaLI": Case(zoo.CubaLI(20 * ms), lambda u: {"jump": 0.02 + 0.1 * u}),
        "QIF": Case(zoo.QIF(), current(5, 15)),
        "EIF": Case(zoo.EIF(t_ref=2 * ms), current(600, 1000)),
        "AdEx": Case(zoo.AdEx(t_ref=2 * ms), current(700, 1100)),
        "Izhikevich": Case(zoo.Izhikevich(), current(5, 15)),
        "Izhikevich (2007)": Case(zoo.Izhikevich2007(), current(80, 200)),
        "EscapeLIF": Case(zoo.EscapeLIF(20 * ms), current(0.8, 1.5)),
        "GIF": Case(zoo.GIF(tau_stc_1=10 * ms, q_stc_1=5 * pA, tau_sfa_1=50 * ms, q_sfa_1=2 * mV), current(140, 300)),
        "GLIF 5": Case(zoo.GLIF(t_ref=3 * ms), current(300, 600)),
        "MAT2": Case(zoo.MAT2(), current(500, 1500)),
        "Hodgkin-Huxley": Case(zoo.HodgkinHuxley(), current(1000, 2000)),
        "Hodgkin-Huxley, Traub": Case(zoo.TraubHH(), current(300, 900)),
        "Pinsky-Rinzel": Case(zoo.PinskyRinzel(), current(100, 200)),
        "ResonateAndFire": Case(zoo.ResonateAndFire(), current(0.5, 1)),
        "BRF": Case(zoo.BRF(), lambda u: {"jump": 12 + 12 * u}),
        "RateUnit": Case(zoo.RateUnit(), current(-2, 2)),
        "LIF, precise times": Case(bs.LIF(20 * ms, precise_times=True, **AT_REST), current(5, 25)),
        "AdEx with noise (user's)": Case(adex(), current(400, 700)),
    }


def by_scan(scan: Callable[..., Any], case: Case, drive: Drive, n: int, steps: int) -> Callable[[], Any]:
    """The loop as a call; it returns the last state and what was emitted in each step, summed over the neurons."""
    key = jax.random.key(0)
    neuron = case.neuron.build("zoo", (n,), dt=DT, key=key, dtype=jnp.float32)
    state = neuron.init_state((n,), key=key, dtype=jnp.float32)
    words = Stream.of(key, 0).words

    @jax.jit
    def run(neuron, state, drive, words):
        def step(carry, _):
            state, k = carry
            state, emitted = neuron.step(state, drive, DT, Stream(words, k))
            return (state, k + 1), emitted.sum()

        (state, _), sums = scan(step, (state, jnp.int32(0)), None, steps)
        return {name: getattr(state, name) for name in case.neuron.states}, sums

    return lambda: run(neuron, state, drive, words)


def by_hand(function: str, drive: Drive, n: int, steps: int) -> Callable[[], Any]:
    """The same in C, where the number of spikes of all steps is what is known."""
    call, point = getattr(limit.library("lif"), function), limit.pointer
    call.restype = ctypes.c_int64
    i, g = (np.asarray(x) for x in (drive.current if drive.current is not None else drive.reversal, drive.conductance))
    start, v = np.full(n, -60, np.float32), np.empty(n, np.float32)

    def run() -> Any:
        v[:] = start
        spikes = call(n, steps, point(i), point(g) if g.ndim else None, point(v))
        if spikes < 0:
            raise MemoryError("lif.c: no memory for the refractory counters.")
        return {"v": v}, np.float64(spikes)

    return run


def agree(results: Mapping[str, Any]) -> None:
    """Raise unless the last states, and the sums of what was emitted, are those of XLA."""
    states, sums = results["xla"]
    for name, (found, emitted) in results.items():
        share = share_that_differs(found, {key: states[key] for key in found}, TOLERANCE)
        totals = [float(np.sum(np.asarray(x, np.float64))) for x in (emitted, sums)]
        if share > FLIPPED or abs(totals[0] - totals[1]) > FLIPPED * abs(totals[1]):
            raise AssertionError(f"{name}: {share:.2%} of the states and totals {totals} differ; nothing was timed.")


def row(times: Mapping[str, Timing], updates: int) -> dict[str, float]:
    """The figures of one model."""
    figures = {f"{name}_ns": 1e9 * timing.median / updates for name, timing in times.items()}
    figures["xla_over_fused"] = ratio(times["xla"], times["fused"])
    if "c" in times:
        figures["fused_over_c"] = ratio(times["fused"], times["c"])
    return figures


def measure(*, neurons: int, steps: int, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time every model.

    Returns:
        A result with `rows`: for each model `fused_ns`, `xla_ns`, perhaps `c_ns` per neuron and step, and the ratios
        `xla_over_fused` and `fused_over_c`; its samples are the fused loops of all models, added.
    """
    rows, logged, fused = {}, {}, []
    for name, case in cases().items():
        draws = np.random.default_rng(seed).random(neurons)
        drive = Drive(**{port: jnp.asarray(x, jnp.float32) for port, x in case.drive(draws).items()})
        calls = {way: by_scan(scan, case, drive, neurons, steps) for way, scan in SCANS.items()}
        if case.by_hand is not None:
            calls["c"] = by_hand(case.by_hand, drive, neurons, steps)
        with lines_logged() as lines:
            times = alternate(calls, repeats=repeats, warmup=warmup, agree=agree)
        rows[name], logged[name] = row(times, neurons * steps), lines
        fused.append(times["fused"])
    total = Timing(sum(t.first_s for t in fused), [sum(x) for x in zip(*(t.samples for t in fused), strict=True)])
    arguments = {"neurons": neurons, "steps": steps, "seed": seed, "repeats": repeats, "warmup": warmup}
    checks = {f"lines_logged: {name}": check(len(lines), 0, 0) for name, lines in logged.items()}
    return result("neurons", arguments, total, checks=checks, rows=rows, log=logged)


SCANS: dict[str, Callable[..., Any]] = {"fused": loop, "xla": jax.lax.scan}


def options() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("neurons", 40_000), ("steps", 500), ("seed", 1), ("repeats", 11), ("warmup", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


if __name__ == "__main__":
    script.main(measure, options())
