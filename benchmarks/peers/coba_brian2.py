"""The conductance-based E-I network in Brian2, C++ standalone, float32: a contestant of `against_peers.py`.

The synapses and initial voltages are those in the folder; what counts is the time of Brian2's own run loop. With the
fourth argument "fast-math" the compiler may also assume that no number is infinite, which is not Brian2's default and
lets it take vectorised exponentials.
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

REFRACTORY_MS = 5.1
"""Brian2 counts from the step of the spike on: v stays where it is during the 50 steps after it."""


def build(folder: Path, duration: float, threads: int, directory: str, fast_math: bool) -> b2.SpikeMonitor:
    """Generate and compile the program; returns what counts its spikes."""
    b2.prefs.core.default_float_dtype = np.float32
    if fast_math:
        b2.prefs.codegen.cpp.extra_compile_args_gcc = FAST_MATH
    b2.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
    b2.set_device("cpp_standalone", build_on_run=False, directory=directory)
    b2.defaultclock.dt = 0.1 * b2.ms
    indptr, indices, initial = (np.load(folder / f"{name}.npy") for name in ("indptr", "indices", "v"))
    n, excitatory = initial.size, initial.size * 4 // 5
    cells = b2.NeuronGroup(
        n,
        """dv/dt = ((el - v) + ge * (ee - v) + gi * (ei - v) + drive) / taum : volt (unless refractory)
        dge/dt = -ge / taue : 1
        dgi/dt = -gi / taui : 1""",
        threshold="v >= vth",
        reset="v = el",
        refractory=REFRACTORY_MS * b2.ms,
        method="exponential_euler",
        namespace={
            **{"el": -60 * b2.mV, "ee": 0 * b2.mV, "ei": -80 * b2.mV, "vth": -50 * b2.mV, "drive": 20 * b2.mV},
            **{"taum": 20 * b2.ms, "taue": 5 * b2.ms, "taui": 10 * b2.ms},
        },
    )
    cells.v = initial * b2.mV
    parts = [cells]
    for start, stop, change in ((0, excitatory, "ge_post += 0.6"), (excitatory, n, "gi_post += 6.7")):
        rows = slice(indptr[start], indptr[stop])
        synapses = b2.Synapses(cells[start:stop], cells, on_pre=change)
        synapses.connect(i=np.repeat(np.arange(stop - start), np.diff(indptr[start : stop + 1])), j=indices[rows])
        parts.append(synapses)
    counts = b2.SpikeMonitor(cells, record=False)
    b2.Network(*parts, counts).run(duration * b2.ms)
    b2.device.build(directory=directory, compile=True, run=False)
    return counts


def main() -> None:
    """Build once, run once a line."""
    folder, duration, threads = given()
    fast_math = sys.argv[4:] == ["fast-math"]
    directory = tempfile.mkdtemp(prefix="brian2_")
    counts = build(folder, duration, threads, directory, fast_math)
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
