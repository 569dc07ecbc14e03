"""A balanced network in NEST, float64: a contestant.

The synapses and initial voltages are those in the folder; only Brunel's noise is NEST's own. Delays of one step, NEST's
least, act a step later than brainsim's; conductances are integrated with steps of NEST's own choice. The network is
built anew before every run, so that each begins at the start; that is not in the time.
"""

import time
from pathlib import Path

import nest
import numpy as np
from serve import given, serve

DT = 0.1
CELLS = {"E_L": -60.0, "V_reset": -60.0, "V_th": -50.0, "t_ref": 5.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0}
NETWORKS = {
    # nS and pF of a leak of 10 nS, so that weights relative to the leak are 10 times as large
    "coba": (
        "iaf_cond_exp",
        {**CELLS, "C_m": 200.0, "g_L": 10.0, "E_ex": 0.0, "E_in": -80.0, "I_e": 200.0},
        6.0,
        -67.0,
    ),
    # 1 nS: pA are mV
    "cuba": ("iaf_psc_exp", {**CELLS, "C_m": 20.0, "tau_m": 20.0, "I_e": 11.0}, 1.62, -9.0),
    "brunel": (
        "iaf_psc_delta",
        {"C_m": 1.0, "tau_m": 20.0, "t_ref": 2.0, "E_L": 0.0, "V_reset": 10.0, "V_th": 20.0},
        0.1,
        -0.5,
    ),
}
"""Model, parameters, excitatory and inhibitory weight (Brunel: of 12,500 neurons)."""


def build(folder: Path, network: str, threads: int) -> tuple[nest.NodeCollection, int]:
    """Neurons, synapses, noise and a recorder, which is returned, and the id of the last excitatory neuron."""
    nest.ResetKernel()
    nest.SetKernelStatus({"resolution": DT, "local_num_threads": threads, "rng_seed": 1})
    indptr, indices, v = (np.load(folder / f"{name}.npy") for name in ("indptr", "indices", "v"))
    model, parameters, *weights = NETWORKS[network]
    n, excitatory = v.size, v.size * 4 // 5
    scale = 12_500 / n if network == "brunel" else 1.0
    cells = nest.Create(model, n, params=parameters)
    cells.V_m = v.astype(float)
    pre, ids = np.repeat(np.arange(n), np.diff(indptr)), np.asarray(cells.tolist())
    border = indptr[excitatory]
    for weight, part in zip(weights, (slice(0, border), slice(border, None)), strict=True):
        size = len(pre[part])
        nest.Connect(
            ids[pre[part]],
            ids[indices[part]],
            "one_to_one",
            {
                "synapse_model": "static_synapse",
                "weight": np.full(size, scale * weight),
                "delay": np.full(size, 1.5 if network == "brunel" else DT),
            },
        )
    if network == "brunel":
        noise = nest.Create("poisson_generator", params={"rate": 2 * 20 / (scale * 0.1 * 20) * 1000})
        nest.Connect(noise, cells, syn_spec={"weight": scale * 0.1, "delay": DT})
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    return recorder, int(ids[excitatory - 1])


def main() -> None:
    """Build once, run once a line."""
    folder, duration, threads, network = given()
    nest.set_verbosity("M_ERROR")

    def sample() -> tuple[float, tuple[int, int]]:
        recorder, last = build(folder, network, threads)
        nest.Prepare()
        begin = time.perf_counter()
        nest.Run(duration)
        seconds = time.perf_counter() - begin
        nest.Cleanup()
        senders = np.asarray(recorder.events["senders"])
        below = int((senders <= last).sum())
        return seconds, (below, senders.size - below)

    serve(f"NEST, {NETWORKS[network][0]}, float64", ("nest-simulator",), sample)


if __name__ == "__main__":
    main()
