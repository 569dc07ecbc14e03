"""A decision between two alternatives by slow reverberation and competition: Wang's cortical network.

    python examples/wang_decision.py --coherence 0.128 --trials 20 --out decision

1,600 excitatory and 400 inhibitory neurons, all connected to all. Two groups of 240, "A" and "B", prefer one
alternative each: within a group excitation is `w_plus` times as strong, from the other neurons correspondingly weaker.
From 500 to 1,500 ms the groups hear 40 (1 + c) and 40 (1 - c) spikes/s besides the background. Recurrent excitation
through NMDA receptors, whose gates stay open for 100 ms and saturate, integrates the difference; inhibition lets only
one group win, and the winner goes on firing for a while when the stimulus has ended.

    C dv/dt = -g (v - E) + sum of AMPA, NMDA (magnesium block) and GABA currents

Wang, Neuron 36 (2002) 955, with its numbers, but for the delay (one step in place of 0.5 ms) and a stimulus whose rate
does not fluctuate. Every trial is one element of a batch, with spikes of its own.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import brainsim as bs
from brainsim.units import ms, mV, nS, pF

SIZES = {"A": 240, "B": 240, "N": 1120, "I": 400}
SHARE, W_PLUS = 0.15, 1.7
BACKGROUND, STIMULUS, BEGIN, END = 2400.0, 40.0, 500.0, 1500.0  # Hz, Hz, ms, ms
AMPA, NMDA, GABA = {"E": 0.05, "I": 0.04}, {"E": 0.165, "I": 0.13}, {"E": 1.3, "I": 1.0}  # nS
OUTSIDE = {"E": 2.1, "I": 1.62}  # nS


def strength(pre: str, post: str) -> float:
    """Relative strength of excitation between two groups; the mean over all inputs of a neuron stays 1."""
    w_minus = 1 - SHARE * (W_PLUS - 1) / (1 - SHARE)
    if post not in "AB":
        return 1.0
    return W_PLUS if pre == post else w_minus


def network(coherence: float, seed: int) -> bs.Network:
    """The network, with the stimulus in it."""
    shared = dict(v_th=-50 * mV, v_reset=-55 * mV, v_rest=-70 * mV)
    excitatory = bs.LIF(20 * ms, c_mem=500 * pF, t_ref=2 * ms, **shared)
    inhibitory = bs.LIF(10 * ms, c_mem=200 * pF, t_ref=1 * ms, **shared)
    fast, gaba = bs.Exponential(2 * ms, e_rev=0 * mV), bs.Exponential(5 * ms, e_rev=-70 * mV)
    slow = bs.NMDA(2 * ms, 100 * ms, alpha=0.5)
    start = {"v": bs.Uniform(-70 * mV, -50 * mV)}
    populations: dict = {
        name: bs.Population(size, inhibitory if name == "I" else excitatory, init=start) for name, size in SIZES.items()
    }
    every = dict(rule=bs.AllToAll(self_connections=True), storage="dense")
    wiring = []
    for post in SIZES:
        kind = "I" if post == "I" else "E"
        for pre in "ABN":
            factor = strength(pre, post)
            for name, synapse, weight in (("ampa", fast, AMPA[kind]), ("nmda", slow, NMDA[kind])):
                wiring.append(
                    bs.Projection(pre, post, weight=factor * weight * nS, synapse=synapse, name=name, **every)
                )
        wiring.append(bs.Projection("I", post, weight=GABA[kind] * nS, synapse=gaba, **every))
        extra = STIMULUS * {"A": 1 + coherence, "B": 1 - coherence}.get(post, 0.0)
        populations[f"to_{post}"] = bs.Poisson(SIZES[post], _rate(extra))
        wiring.append(bs.Projection(f"to_{post}", post, bs.OneToOne(), OUTSIDE[kind] * nS, fast))
    return bs.Network(populations, wiring, dt=0.1 * ms, seed=seed)


def _rate(extra: float) -> Callable[[jnp.ndarray], jnp.ndarray]:
    """Rate (Hz) at a time (ms)."""
    return lambda t: BACKGROUND + extra * jnp.where((t >= BEGIN) & (t < END), 1.0, 0.0)


def draw(t: np.ndarray, rates: dict[str, np.ndarray], path: Path) -> None:
    """Rates of both groups (time, trials), over 50 ms."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name, colour in (("A", "tab:red"), ("B", "tab:blue")):
        smooth = np.lib.stride_tricks.sliding_window_view(rates[name], 10, axis=0).mean(-1)  # over 50 ms
        middle = t[: len(smooth)] + 22.5
        axes[0].plot(middle, smooth[:, 0], color=colour, label=name)
        axes[1].plot(middle, smooth, color=colour, lw=0.6, alpha=0.6)
    for ax, title in zip(axes, ("one trial", f"all {rates['A'].shape[1]} trials"), strict=True):
        ax.axvspan(BEGIN, END, color="0.9", zorder=0)
        ax.set(xlabel="time (ms)", ylabel="rate (Hz)", title=title, xlim=(0, t[-1]), ylim=(0, None))
    axes[0].legend(frameon=False, title="group")
    figure.savefig(path, dpi=140)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate the trials, count who won, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coherence", type=float, default=0.128, help="of the stimulus, 0 to 1, for A")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--duration", type=int, default=2500, help="biological time (ms)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("decision"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    net = network(options.coherence, options.seed)
    record = [bs.Rate(name, bin=5 * ms) for name in SIZES]
    result = bs.simulate(net, options.duration * ms, batch=options.trials, record=record)
    rates = {name: np.asarray(result[name].rate) for name in SIZES}  # (time, trials)
    t = 5.0 * (np.arange(len(rates["A"])) + 0.5)
    late = (t > END - 200) & (t < END)
    a, b = rates["A"][late].mean(0), rates["B"][late].mean(0)
    chose_a, decided = float((a > b).mean()), float((np.abs(a - b) > 10).mean())
    print(
        f"coherence {options.coherence:.1%}: A wins {chose_a:.0%} of {options.trials} trials; {decided:.0%} are decided"
    )
    winner, loser, inhibitory = np.maximum(a, b).mean(), np.minimum(a, b).mean(), rates["I"][late].mean()
    print(f"before the stimulus ends: winner {winner:.1f} Hz, loser {loser:.1f} Hz, inhibitory {inhibitory:.1f} Hz")
    draw(t, rates, options.out / "decision.png")
    figures = {"coherence": options.coherence, "trials": options.trials, "chose_a": chose_a, "decided": decided}
    (options.out / "decision.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"saved {options.out / 'decision.png'}")


if __name__ == "__main__":
    main()
