"""The conductance-based E-I network in brainsim: the contestant that the others are compared with."""

import time
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from serve import given, serve

import brainsim as bs
from brainsim import Rate
from brainsim.bench import coba
from brainsim.networks import balanced


def write(folder: Path, neurons: int, seed: int) -> None:
    """Lay down the synapses and initial voltages that all contestants take, and how they were made."""
    net = balanced.coba(neurons, seed=seed)
    indptr, indices = coba.wiring(net)
    arrays = {"indptr": indptr, "indices": indices, "v": coba.voltages(net.init_state()), "seed": np.int64(seed)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def main() -> None:
    """Compile once, run once a line."""
    folder, duration, _ = given()
    net = balanced.coba(np.load(folder / "v.npy").size, seed=int(np.load(folder / "seed.npy")))
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
    main()
