"""The wiring of C. elegans: 302 spiking neurons, joined as in the animal, and where a touch to the head arrives.

    BRAINSIM_DATA=folder python examples/celegans.py --out celegans

    C dv/dt = -g (v - E) + sum_k g_k (e_k - v) + sum_j w_j (v_j - v) + I

g_k rises by `unit` x (sections of the synapse) per spike; w_j is `gap` x (sections of the gap junction).

Who reaches whom, and by how many sections, is measured (Cook et al., Nature 571 (2019) 63, SI 5; folder `celegans`
with `cells.csv`, `chemical.csv` and `gap_symmetric.csv`). A neuron inhibits where its transmitter is GABA, as in c302
(Gleeson et al., Phil. Trans. R. Soc. B 373 (2018) 20170379). The rest is not: most of the worm's neurons are graded,
and a spiking cell with one set of parameters stands for all; gap junctions much stronger than the default hold all
neurons at rest. ALML, ALMR and AVM are the touch receptors of the front (Chalfie et al., J. Neurosci. 5 (1985) 956),
whose first partners include the command interneurons AVD, AVB and PVC.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import brainsim as bs
from brainsim.connectivity import Table, read_table
from brainsim.units import ms, mV, nS, pA, pF

TOUCHED = ("ALML", "ALMR", "AVM")
BEGIN, END = 400, 800  # of the touch, ms


def neurons(folder: Path) -> Table:
    """The 302 neurons, in the order of the file."""
    cells = read_table(folder / "cells.csv")
    return cells.where(cells["is_neuron"] == 1)


def between_neurons(path: Path, names: np.ndarray, pre: str, post: str) -> tuple[bs.EdgeList, np.ndarray]:
    """Synapses among the neurons (the files have muscles and glia as well), and their sections."""
    table = read_table(path)
    table = table.where(np.isin(table.words(pre), names) & np.isin(table.words(post), names))
    listed = bs.EdgeList(table.neurons(pre, names), table.neurons(post, names), shape=(len(names), len(names)))
    return listed, table["em_sections"]


def chemical(folder: Path, cells: Table, unit: float) -> list[bs.Projection]:
    """Excitatory and inhibitory synapses: `unit` nS for each section that shows them."""
    edges, sections = between_neurons(folder / "chemical.csv", cells.words("cell"), "pre", "post")
    inhibits = (cells.words("openworm_neurotransmitter") == "GABA")[edges.pre]
    kinds = {"excitatory": bs.Exponential(5 * ms, e_rev=0 * mV), "inhibitory": bs.Exponential(10 * ms, e_rev=-75 * mV)}
    projections = []
    for (name, synapse), chosen in zip(kinds.items(), (~inhibits, inhibits), strict=True):
        rule = bs.EdgeList(edges.pre[chosen], edges.post[chosen], shape=edges.shape)
        weight = unit * sections[chosen] * nS
        projections.append(bs.Projection("N", "N", rule, weight, synapse, delay=1 * ms, name=name))
    return projections


def electrical(folder: Path, cells: Table, unit: float) -> bs.Projection:
    """Gap junctions, `unit` nS for each section: a junction stands in the file in both directions, and acts in both."""
    edges, sections = between_neurons(folder / "gap_symmetric.csv", cells.words("cell"), "a", "b")
    once = edges.pre < edges.post
    rule = bs.EdgeList(edges.pre[once], edges.post[once], shape=edges.shape)
    return bs.Projection("N", "N", rule, unit * sections[once] * nS, bs.synapses.GapJunction(), name="electrical")


def network(folder: Path, unit: float, gap: float, seed: int) -> tuple[bs.Network, Table]:
    """The network, and the table of its neurons."""
    cells = neurons(folder)
    lif = bs.LIF(
        tau_mem=20 * ms, v_th=-45 * mV, v_reset=-60 * mV, v_rest=-60 * mV, t_ref=3 * ms, c_mem=20 * pF, i_bias=8 * pA
    )
    population = bs.Population(len(cells.words("cell")), lif, init={"v": bs.Uniform(-60 * mV, -50 * mV)})
    wiring = [*chemical(folder, cells, unit), electrical(folder, cells, gap)]
    return bs.Network({"N": population}, wiring, dt=0.1 * ms, seed=seed), cells


def draw(path: Path, net: bs.Network, cells: Table, spikes: bs.Result) -> None:
    """The matrix of sections, and the spikes, neurons sorted by kind."""
    kinds = cells.words("cook2019_block")
    order = np.argsort(kinds, kind="stable")
    rank = np.argsort(order)
    figure, (matrix, raster) = plt.subplots(1, 2, figsize=(13, 6), width_ratios=(1, 1.3), layout="constrained")
    for name, colour in (("excitatory", "tab:red"), ("inhibitory", "tab:blue")):
        edges = net[f"N->N#{name}"].edges
        matrix.scatter(rank[edges.post], rank[edges.pre], 2 + 0.5 * edges.weight, color=colour, lw=0, label=name)
    matrix.set(xlabel="to", ylabel="from", aspect="equal", title="chemical synapses")
    matrix.legend(markerscale=4, loc="upper right")
    raster.plot(spikes.t, rank[spikes.i], ".", color="k", ms=1.5)
    raster.axvspan(BEGIN, END, color="tab:orange", alpha=0.2, lw=0)
    edges = np.flatnonzero(kinds[order][1:] != kinds[order][:-1]) + 1
    for at in edges:
        raster.axhline(at, color="0.7", lw=0.5)
    middles = np.convolve([0, *edges, len(kinds)], [0.5, 0.5], "valid")
    raster.set_yticks(middles, [str(kind).lower() for kind in dict.fromkeys(kinds[order])])
    raster.set(xlabel="time (ms)", title="spikes; the touch is shaded", xlim=(0, None), ylim=(0, len(kinds)))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate a touch, print who hears of it, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BRAINSIM_DATA", ".")) / "celegans")
    parser.add_argument("--unit", type=float, default=0.02, help="conductance of a section (nS)")
    parser.add_argument("--gap", type=float, default=0.0002, help="conductance of a section of a gap junction (nS)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("celegans"), help="folder for the picture")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    net, cells = network(options.data, options.unit, options.gap, options.seed)
    print(net)
    names = cells.words("cell")
    current = np.zeros((3, len(names)))
    current[1, np.isin(names, TOUCHED)] = 40
    pulse = bs.TimedArray(current * pA, every=(END - BEGIN) * ms)
    result = bs.simulate(net, 3 * (END - BEGIN) * ms, inputs={"N": pulse}, record=["N.spikes"])
    spikes = result["N"].spikes
    print(result.summary(skip=100 * ms))

    phase = np.searchsorted([BEGIN, END], spikes.t, side="right")
    counts = np.zeros((3, len(names)))
    np.add.at(counts, (phase, spikes.i), 1)
    gain = (counts[1] - counts[0]) / (END - BEGIN) * 1000
    heard = [at for at in np.argsort(-gain) if names[at] not in TOUCHED][:10]
    print("rise in rate during the touch (Hz):", ", ".join(f"{names[at]} {gain[at]:.0f}" for at in heard))
    draw(options.out / "celegans.png", net, cells, spikes)
    print(f"saved     {options.out / 'celegans.png'}")


if __name__ == "__main__":
    main()
