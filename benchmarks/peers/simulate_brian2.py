"""A balanced network in Brian2, C++ standalone, float32: a contestant.

The synapses and initial voltages are those in the folder, only Brunel's noise is Brian2's own; what counts is the time
of Brian2's own run loop. With the fifth argument "fast-math" the compiler may also assume that no number is infinite,
which is not Brian2's default and lets it take vectorised exponentials.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import brian2 as b2
import numpy as np
from serve import given, serve

FAST_MATH = ["-w", "-O3", "-ffast-math", "-march=native", "-std=c++17"]
"""Brian2's own flags without `-fno-finite-math-only`."""

HODGKIN_HUXLEY = """
    dv/dt = (gl * (el - v) + ge * (ee - v) + gi * (ei - v) + channels) / capacity : volt
    channels = -gna * m**3 * h * (v - ena) - gk * n**4 * (v - ek) : amp
    dm/dt = am * (1 - m) - bm * m : 1
    dh/dt = ah * (1 - h) - bh * h : 1
    dn/dt = an * (1 - n) - bn * n : 1
    dge/dt = -ge / taue : siemens
    dgi/dt = -gi / taui : siemens
    u = (v + 63 * mV) / mV : 1
    am = 0.32 * 4 / exprel((13 - u) / 4) / ms : Hz
    bm = 0.28 * 5 / exprel((u - 40) / 5) / ms : Hz
    ah = 0.128 * exp((17 - u) / 18) / ms : Hz
    bh = 4 / (1 + exp((40 - u) / 5)) / ms : Hz
    an = 0.032 * 5 / exprel((15 - u) / 5) / ms : Hz
    bn = 0.5 * exp((10 - u) / 40) / ms : Hz
"""

NETWORKS = {
    "coba_hh": dict(
        model=HODGKIN_HUXLEY,
        method="exponential_euler",
        refractory="v >= vth",
    ),
    "coba": dict(
        model="""dv/dt = ((el - v) + ge * (ee - v) + gi * (ei - v) + drive) / taum : volt (unless refractory)
        dge/dt = -ge / taue : 1
        dgi/dt = -gi / taui : 1""",
        method="exponential_euler",
        refractory=5.1 * b2.ms,
        reset="v = el",
    ),
    "cuba": dict(
        model="""dv/dt = (ge + gi - (v + 49 * mV)) / taum : volt (unless refractory)
        dge/dt = -ge / taue : volt
        dgi/dt = -gi / taui : volt""",
        method="exact",
        refractory=5.1 * b2.ms,
        reset="v = el",
    ),
    "brunel": dict(
        model="dv/dt = -v / taum : volt (unless refractory)",
        method="exact",
        refractory=2.1 * b2.ms,
        reset="v = 10 * mV",
    ),
}
"""Equations. Brian2 counts a refractory time from the step of the spike on: 5.1 ms hold v for 50 steps after it."""

THRESHOLDS = {"coba": -50, "cuba": -50, "brunel": 20, "coba_hh": -20}
"""mV; the neurons of the last network spike where they pass it."""

EFFECTS = {
    "coba_hh": ("ge_post += 6 * nS", "gi_post += 67 * nS"),
    "coba": ("ge_post += 0.6", "gi_post += 6.7"),
    "cuba": ("ge_post += 1.62 * mV", "gi_post -= 9 * mV"),
    "brunel": ("v_post += {0} * 0.1 * mV", "v_post -= {0} * 0.5 * mV"),
}
"""What a spike of either population does; {0} is 12,500 / n."""

CONSTANTS = {"el": -60 * b2.mV, "ee": 0 * b2.mV, "ei": -80 * b2.mV, "drive": 20 * b2.mV}
CONSTANTS |= {"taum": 20 * b2.ms, "taue": 5 * b2.ms, "taui": 10 * b2.ms}
CONSTANTS |= {
    "capacity": 200 * b2.pF,
    "gl": 10 * b2.nS,
    "gna": 20 * b2.uS,
    "gk": 6 * b2.uS,
    "ena": 50 * b2.mV,
    "ek": -90 * b2.mV,
}
GATES = {"m": 0.026863329798445447, "h": 0.9913058218943975, "n": 0.06043403467863595}
"""Of Hodgkin-Huxley neurons at first, as in brainsim."""


def build(
    folder: Path, network: str, duration: float, threads: int, directory: str, fast_math: bool
) -> b2.SpikeMonitor:
    """Generate and compile the program; returns what counts its spikes."""
    b2.prefs.core.default_float_dtype = np.float32
    if fast_math:
        b2.prefs.codegen.cpp.extra_compile_args_gcc = FAST_MATH
    b2.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
    b2.set_device("cpp_standalone", build_on_run=False, directory=directory)
    b2.defaultclock.dt = 0.1 * b2.ms
    indptr, indices, initial = (np.load(folder / f"{name}.npy") for name in ("indptr", "indices", "v"))
    n, excitatory = initial.size, initial.size * 4 // 5
    constants = {**CONSTANTS, "vth": THRESHOLDS[network] * b2.mV}
    cells = b2.NeuronGroup(n, threshold="v >= vth", namespace=constants, **NETWORKS[network])
    cells.v = initial * b2.mV
    for gate, value in GATES.items() if network == "coba_hh" else ():
        setattr(cells, gate, value)
    parts, strength = [cells], 12_500 / n
    delay = {"delay": 1.4 * b2.ms} if network == "brunel" else {}  # a step less than brainsim's: it acts in the next
    for start, stop, change in zip((0, excitatory), (excitatory, n), EFFECTS[network], strict=True):
        rows = slice(indptr[start], indptr[stop])
        synapses = b2.Synapses(cells[start:stop], cells, on_pre=change.format(strength), **delay)
        synapses.connect(i=np.repeat(np.arange(stop - start), np.diff(indptr[start : stop + 1])), j=indices[rows])
        parts.append(synapses)
    if network == "brunel":
        partners = excitatory // 10
        rate = 2 * 20 / (strength * 0.1 * 20) * b2.kHz / partners
        parts.append(b2.PoissonInput(cells, "v", N=partners, rate=rate, weight=strength * 0.1 * b2.mV))
    counts = b2.SpikeMonitor(cells, record=False)
    b2.Network(*parts, counts).run(duration * b2.ms)
    b2.device.build(directory=directory, compile=True, run=False)
    return counts


def main() -> None:
    """Build once, run once a line."""
    folder, duration, threads, network = given()
    fast_math = sys.argv[5:] == ["fast-math"]
    directory = tempfile.mkdtemp(prefix="brian2_")
    counts = build(folder, network, duration, threads, directory, fast_math)
    excitatory = len(counts.source) * 4 // 5

    def sample() -> tuple[float, tuple[int, int]]:
        b2.device.run(directory, "results", with_output=False)
        seconds = float((Path(directory) / "results" / "last_run_info.txt").read_text().split()[0])
        fired = np.asarray(counts.count[:])
        return seconds, (fired[:excitatory].sum(), fired[excitatory:].sum())

    try:
        serve(f"Brian2, C++ standalone, float32{', -ffast-math' if fast_math else ''}", ("brian2",), sample)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
