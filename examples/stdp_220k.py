"""A recurrent network of 220,000 neurons whose excitatory synapses learn by spike timing.

    python examples/stdp_220k.py                       220,000 neurons, 11 million plastic synapses
    python examples/stdp_220k.py --neurons 20000       the same, smaller

The conductance-based E-I network of Vogels & Abbott, J. Neurosci. 25 (2005) 10786, with about 80 synapses a neuron, in
which the synapses among excitatory neurons have additive STDP with hard bounds (Song, Miller & Abbott, Nat. Neurosci. 3
(2000) 919).
"""

import argparse
import time
from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np

import brainsim as bs
from brainsim.units import ms, mV, nS


def network(n: int, seed: int = 1) -> bs.Network:
    """`n` neurons, 80 % excitatory; potentiation is a little weaker than depression."""
    cell = bs.LIF(20 * ms, v_th=-50 * mV, v_rest=-60 * mV, v_reset=-60 * mV, t_ref=5 * ms, i_bias=20.0)
    cells = dict(neuron=cell, init={"v": bs.Normal(-55 * mV, 5 * mV)})
    exc, inh = bs.Exponential(5 * ms, e_rev=0 * mV), bs.Exponential(10 * ms, e_rev=-80 * mV)
    wiring, excitatory = bs.FixedProbability(min(1.0, 80 / n)), 4 * n // 5
    rule = bs.STDP(0.005, 0.00525, 20 * ms, 20 * ms, w_max=1.2 * nS)
    projections = [
        bs.Projection("E", "E", wiring, 0.6 * nS, exc, plasticity=rule),
        bs.Projection("E", "I", wiring, 0.6 * nS, exc),
        bs.Projection("I", "E", wiring, 6.7 * nS, inh),
        bs.Projection("I", "I", wiring, 6.7 * nS, inh),
    ]
    populations = {"E": bs.Population(excitatory, **cells), "I": bs.Population(n - excitatory, **cells)}
    return bs.Network(populations, projections, dt=0.1 * ms, seed=seed)


def main(argv: Sequence[str] | None = None) -> None:
    """Build, run, and print what it took and what was learnt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=220_000)
    parser.add_argument("--duration", type=float, default=100.0, help="biological time of one stretch (ms)")
    parser.add_argument("--stretches", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    began = time.perf_counter()
    net = network(options.neurons, options.seed)
    edge, state = net["E->E"], net.init_state()
    print(f"built     {options.neurons:,} neurons, {edge.n_synapses:,} plastic synapses", end=" ")
    print(f"of {sum(c.n_synapses for c in net.projections.values()):,}, {time.perf_counter() - began:.1f} s")

    @eqx.filter_jit
    def stretch(net, state):
        return bs.run(net, steps=round(options.duration / net.dt), state=state, record=("E.rate", "I.rate"))

    print("run       time (ms)   wall (s)   E (Hz)   I (Hz)   plastic events   mean w (nS)   sd")
    for number in range(options.stretches):
        began = time.perf_counter()
        result = jax.block_until_ready(stretch(net, state))
        wall, state = time.perf_counter() - began, result.state
        rates = [float(np.mean(np.asarray(result.records[f"{name}.rate"]))) for name in "EI"]
        events = 2 * rates[0] * options.duration / 1000 * edge.n_synapses
        w = np.asarray(state.projections["E->E"].weight)
        print(
            f"          {(number + 1) * options.duration:9.0f}   {wall:8.2f}   {rates[0]:6.1f}   {rates[1]:6.1f}",
            end="   ",
        )
        print(f"{events:14,.0f}   {w.mean():11.3f}   {w.std():.3f}" + ("   (with compilation)" if number == 0 else ""))


if __name__ == "__main__":
    main()
