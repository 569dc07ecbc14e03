"""A balanced network in brainsim: the others are compared with it, and take the files that it writes.

simulate_brainsim.py write FOLDER NEURONS SEED NETWORK
simulate_brainsim.py FOLDER DURATION THREADS NETWORK
"""

import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from serve import given, serve

import brainsim as bs
from brainsim import Rate
from brainsim.bench.network import voltages, wiring
from brainsim.networks import balanced
from brainsim.networks.brunel import brunel

MAKE = {"coba": balanced.coba, "coba_hh": balanced.coba_hh, "cuba": balanced.cuba, "brunel": brunel}


def write(folder: Path, neurons: int, seed: int, network: str) -> None:
    """Lay down the synapses and initial voltages that all contestants take, and how they were made."""
    net = MAKE[network](neurons, seed=seed)
    indptr, indices = wiring(net)
    arrays = {"indptr": indptr, "indices": indices, "v": voltages(net.init_state()), "seed": np.int64(seed)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def main() -> None:
    """Compile once, run once a line."""
    folder, duration, _, network = given()
    net = MAKE[network](np.load(folder / "v.npy").size, seed=int(np.load(folder / "seed.npy")))
    steps, state = round(duration / net.dt), net.init_state()
    sizes = [net.populations[name].size for name in "EI"]

    @eqx.filter_jit
    def run(net, state):
        return bs.run(net, steps=steps, state=state, record=(Rate("E"), Rate("I"))).records

    def sample() -> tuple[float, tuple[int, int]]:
        begin = time.perf_counter()
        records = jax.block_until_ready(run(net, state))
        seconds = time.perf_counter() - begin
        means = [float(np.asarray(records[f"{name}.rate"], np.float64).mean()) for name in "EI"]
        excitatory, inhibitory = (round(m * n * duration / 1000) for m, n in zip(means, sizes, strict=True))
        return seconds, (excitatory, inhibitory)

    serve("brainsim, float32", ("brainsim", "jax"), sample)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
