"""Spike-timing-dependent plasticity sorts synapses into strong and weak ones.

    python examples/stdp.py --duration 60000

Song, Miller & Abbott, Nat. Neurosci. 3 (2000) 919: Poisson inputs onto neurons that fire, additive STDP with hard
bounds and a little more depression than potentiation. Weights begin uniform; inputs that happen to come before the
neuron's spikes win, the others lose, and the histogram parts in two. Then learning is turned off and the neurons go on
with the weights they have.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import brainsim as bs
from brainsim.units import Hz, ms, mV, nS

INPUTS = 1000


def network(neurons: int, seed: int = 1) -> bs.Network:
    """`INPUTS` Poisson inputs of 15 Hz onto each of some neurons; g_max as in the paper, in units of the leak."""
    cell = bs.LIF(10 * ms, v_th=-54 * mV, v_rest=-74 * mV, v_reset=-60 * mV)
    g_max = 0.01 * nS
    rule = bs.STDP(0.01, 0.0105, 20 * ms, 20 * ms, w_max=g_max)
    edge = bs.Projection(
        "in", "E", bs.AllToAll(), bs.Uniform(0 * nS, g_max), bs.Exponential(5 * ms, 0 * mV), plasticity=rule
    )
    populations = {"in": bs.Poisson(INPUTS, 15 * Hz, binary=True), "E": bs.Population(neurons, cell)}
    return bs.Network(populations, [edge], dt=0.1 * ms, seed=seed)


def draw(weights: dict[str, np.ndarray], t: np.ndarray, traces: np.ndarray, path: Path) -> None:
    """Histograms of the weights before and after, and some weights over time."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for name, values in weights.items():
        left.hist(values, np.linspace(0, 1, 41), histtype="step", label=name)
    left.set(xlabel="w / w_max", ylabel="synapses")
    left.legend()
    right.plot(t / 1000, traces, lw=0.8)
    right.set(xlabel="time (s)", ylabel="w / w_max", ylim=(-0.02, 1.02))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Learn, print the figures, freeze, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=20)
    parser.add_argument("--duration", type=float, default=60_000.0, help="biological time (ms)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("stdp"), help="folder for the picture")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    net = network(options.neurons, options.seed)
    edge = net["in->E"]
    largest = float(edge.rules[0].w_max)
    some = range(0, edge.n_synapses, edge.n_synapses // 12)
    every = options.duration / 100 * ms
    record = ["E.rate", bs.Trace("in->E.weight", ids=some, every=every)]
    result = bs.simulate(net, options.duration * ms, record=record)
    after = np.asarray(result.state.projections["in->E"].weight) / largest
    shares = [(after < 0.2).mean(), (after > 0.8).mean()]
    print(bs.explain(net))
    print(f"rate      {result['E'].rate[: len(result['E'].rate) // 10].mean():.1f} Hz at first, ", end="")
    print(f"{result['E'].rate[-len(result['E'].rate) // 10 :].mean():.1f} Hz at the end")
    print(f"weights   {shares[0]:.0%} below a fifth of the largest, {shares[1]:.0%} above four fifths")

    frozen = bs.inference_mode(bs.absorb(net, result.state))
    later = bs.simulate(frozen, 1000 * ms, record=["E.rate"])
    print(f"frozen    {later['E'].rate.mean():.1f} Hz with the weights learnt")
    before = np.asarray(edge.weight) / largest
    traces = result["in->E"].weight / largest
    t = (np.arange(len(traces)) + 1) * options.duration / 100
    draw({"before": before, "after": after}, t, traces, options.out / "stdp.png")
    print(f"saved     {options.out / 'stdp.png'}")


if __name__ == "__main__":
    main()
