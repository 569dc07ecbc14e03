"""The network of `stdp.py` in Brian2, C++ standalone, float32, one thread: its STDP example, larger.

Arguments: inputs, neurons, biological time (ms), seed. Prints one JSON line: seconds of Brian2's own run loop,
spikes of the inputs and of the neurons, and the mean weight as a share of the largest.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import brian2 as b2
import numpy as np


def main(inputs: int, neurons: int, duration: float, seed: int, directory: str) -> dict[str, float | str]:
    """Build, run, and tell."""
    b2.prefs.core.default_float_dtype = np.float32
    b2.set_device("cpp_standalone", build_on_run=False, directory=directory)
    b2.defaultclock.dt = 0.1 * b2.ms
    b2.seed(seed)
    numbers = {
        "taum": 10 * b2.ms,
        "taue": 5 * b2.ms,
        "taupre": 20 * b2.ms,
        "taupost": 20 * b2.ms,
        "gmax": 10.0 / inputs,
    }
    numbers |= {"el": -74 * b2.mV, "vt": -54 * b2.mV, "vr": -60 * b2.mV, "ee": 0 * b2.mV}
    numbers |= {"up": 0.01 * 10.0 / inputs, "down": -0.0105 * 10.0 / inputs}
    source = b2.PoissonGroup(inputs, rates=15 * b2.Hz)
    cells = b2.NeuronGroup(
        neurons,
        """dv/dt = (ge * (ee - v) + el - v) / taum : volt
        dge/dt = -ge / taue : 1""",
        threshold="v > vt",
        reset="v = vr",
        method="exponential_euler",
        namespace=numbers,
    )
    cells.v = -74 * b2.mV
    synapses = b2.Synapses(
        source,
        cells,
        """w : 1
        dapre/dt = -apre / taupre : 1 (event-driven)
        dapost/dt = -apost / taupost : 1 (event-driven)""",
        on_pre="""ge_post += w
        apre += up
        w = clip(w + apost, 0, gmax)""",
        on_post="""apost += down
        w = clip(w + apre, 0, gmax)""",
        namespace=numbers,
    )
    synapses.connect()
    synapses.w = "rand() * gmax"
    sent, fired = b2.SpikeMonitor(source, record=False), b2.SpikeMonitor(cells, record=False)
    b2.Network(source, cells, synapses, sent, fired).run(duration * b2.ms)
    b2.device.build(directory=directory, compile=True, run=True, with_output=False)
    seconds = float((Path(directory) / "results" / "last_run_info.txt").read_text().split()[0])
    counts = {"inputs": int(np.sum(sent.count[:])), "spikes": int(np.sum(fired.count[:]))}
    mean = float(np.mean(np.asarray(synapses.w[:], np.float64))) * inputs / 10.0
    return {"seconds": seconds, **counts, "weight": mean, "version": b2.__version__}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = tempfile.mkdtemp(prefix="brian2_")
    try:
        found = main(*map(int, sys.argv[1:3]), float(sys.argv[3]), int(sys.argv[4]), folder)
    finally:
        shutil.rmtree(folder)
    answers.write(json.dumps(found) + "\n")
