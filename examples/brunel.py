"""The four regimes of Brunel's network of excitatory and inhibitory neurons, and the theory of their rates.

    python examples/brunel.py --out brunel

Strong inhibition makes neurons fire irregularly; with the drive from outside it decides whether the network as a whole
is stationary or oscillates. The figure repeats figure 8 of the paper: spikes of 50 neurons and the rate of all, in the
last 100 ms. Rates are printed beside those at which the network would be consistent with itself in the asynchronous
state (Siegert's formula), which they leave as far as it oscillates. Brunel, J. Comput. Neurosci. 8 (2000) 183.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import brainsim as bs
from brainsim.analysis import brunel_rate
from brainsim.networks.brunel import brunel
from brainsim.units import ms

REGIMES = {
    "synchronous regular": (3.0, 2.0),
    "synchronous irregular, fast": (6.0, 4.0),
    "asynchronous irregular": (5.0, 2.0),
    "synchronous irregular, slow": (4.5, 0.9),
}
SKIP, SHOWN, TRACED = 200, 100, 50


def figures(result: bs.Result, g: float, eta: float, n: int) -> dict[str, float]:
    """Rate and its theory (Hz), irregularity of the neurons and variation of the population's rate."""
    rate = np.asarray(result["E"].rate)[SKIP:]
    theory = brunel_rate(g, eta, indegree=2 * n // 25, weight=1250 / n)
    cv = float(np.nanmean(bs.analysis.isi_cv(result["E"], skip=SKIP)))
    return {
        "rate_hz": float(rate.mean()),
        "theory_hz": theory,
        "isi_cv": cv,
        "variation": float(rate.std() / rate.mean()),
    }


def draw(results: dict[str, bs.Result], path: Path) -> None:
    """Spikes above, rate below, one column a regime."""
    figure, axes = plt.subplots(2, len(results), figsize=(14, 5), sharex="col", layout="constrained")
    for (above, below), (name, result) in zip(axes.T, results.items(), strict=True):
        spikes, rate = result["E"].spikes, np.asarray(result["E"].rate)
        end = float(len(rate))
        shown = (spikes.i < TRACED) & (spikes.t > end - SHOWN)
        above.plot(spikes.t[shown], spikes.i[shown], "k.", ms=2)
        above.set(title=name, ylim=(-1, TRACED))
        below.bar(np.arange(len(rate))[-SHOWN:] + 0.5, rate[-SHOWN:], width=1.0, color="tab:red")
        below.set(xlabel="time (ms)", xlim=(end - SHOWN, end))
    axes[0, 0].set_ylabel("excitatory neuron")
    axes[1, 0].set_ylabel("rate (Hz)")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate the four, print and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=12_500)
    parser.add_argument("--duration", type=int, default=600, help="biological time (ms)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("brunel"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    if options.duration < SKIP + SHOWN:
        parser.error(f"--duration: expected {SKIP + SHOWN} ms or more, got {options.duration}")
    options.out.mkdir(parents=True, exist_ok=True)

    results, found = {}, {}
    for name, (g, eta) in REGIMES.items():
        net = brunel(options.neurons, g=g, eta=eta, seed=options.seed)
        results[name] = bs.simulate(net, options.duration * ms, record=["E.spikes", "E.rate"])
        found[name] = figures(results[name], g, eta, options.neurons)
        line = "{0:28} {rate_hz:6.1f} Hz, theory {theory_hz:6.1f}; ISI CV {isi_cv:.2f}; variation {variation:.2f}"
        print(line.format(name, **found[name]))
    draw(results, options.out / "brunel.png")
    (options.out / "brunel.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"saved {options.out / 'brunel.png'}")


if __name__ == "__main__":
    main()
