"""A training step of a spiking classifier in brainsim and in its peers, in turns on one machine: how many times faster.

    sh benchmarks/peers/make_env.sh                                once: an environment for each peer
    python benchmarks/training.py --net ff256 --threads 1 --json training.json

Batch 128, 100 steps, 700 inputs at 2 %, 20 classes; `--net` is the hidden part: ff256, ff1024 (two layers) or rec256.
All begin with the same weights and get the same batch. The losses of their first steps are compared before anything is
timed: to 0.1 % where the dynamics are the same, to 10 % for snnTorch, whose neuron resets one step later. The scan by
hand uses the same JAX as brainsim; trainers that are not installed are named and left out.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brainsim.bench import contest
from brainsim.bench.contest import Outcome
from brainsim.bench.harness import Timing, result
from brainsim.bench.train import HIDDEN

HERE = Path(__file__).resolve().parent / "peers"
OURS = Path(sys.executable)
PEERS = {
    "jax_scan": (None, "train_jax_scan.py", []),
    "snntorch": ("snntorch", "train_torch.py", ["snntorch"]),
    "spikingjelly": ("snntorch", "train_torch.py", ["spikingjelly"]),
}
"""Environment (None: brainsim's own), script and further arguments of each peer."""
TOLERANCE = {"snntorch": 0.1}
"""Allowed relative difference of the first loss, 0.001 where nothing is said."""


def interpreter(name: str, environments: Path) -> Path:
    """The Python that runs a peer."""
    environment = PEERS[name][0]
    return OURS if environment is None else environments / environment / "bin" / "python"


def command(name: str, environments: Path, folder: Path, threads: int) -> list[str]:
    """How a contestant is started."""
    if name == "brainsim":
        return [str(OURS), str(HERE / "train_brainsim.py"), str(folder), str(threads)]
    _, script, more = PEERS[name]
    return [str(interpreter(name, environments)), str(HERE / script), str(folder), str(threads), *more]


def lay_down(folder: str, net: str, seed: int) -> None:
    """Write the classifier's files, in a process of its own, so that its memory is free again."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from pathlib import Path; import train_brainsim as t; "
    subprocess.run([str(OURS), "-c", code + f"t.write(Path({folder!r}), {net!r}, {seed})"], check=True)


def require_equal_losses(outcomes: dict[str, Outcome]) -> dict[str, float]:
    """Relative differences of the first losses from brainsim's; raises where one is too large."""
    (ours,) = outcomes["brainsim"].about["first"]
    found = {name: abs(outcome.about["first"][0] / ours - 1) for name, outcome in outcomes.items()}
    if wrong := {name: value for name, value in found.items() if not value <= TOLERANCE.get(name, 0.001)}:
        raise AssertionError(f"the first loss is not brainsim's, {ours:.5g}; relative differences: {wrong}.")
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Compare, then time, all contestants.

    Returns:
        A result with `rows`: for each contestant `step_ms`, `over_brainsim` (how many times longer it takes), the
        difference of the first loss, the rates of the hidden layers (spikes per neuron and step) and the largest
        resident memory; its samples are brainsim's.
    """
    there = [name for name in options.peers.split(",") if interpreter(name, options.environments).exists()]
    with tempfile.TemporaryDirectory() as folder:
        lay_down(folder, options.net, options.seed)
        names = ["brainsim", *there]
        programs = {name: command(name, options.environments, Path(folder), options.threads) for name in names}
        outcomes = contest.contest(programs, threads=options.threads, rounds=options.rounds)
    differences, ours = require_equal_losses(outcomes), outcomes["brainsim"].seconds
    rows = {
        name: {
            "step_ms": 1000 * statistics.median(outcome.seconds),
            "over_brainsim": statistics.median(a / b for a, b in zip(outcome.seconds, ours, strict=True)),
            "first_loss_difference": differences[name],
            "peak_mb": outcome.peak_mb,
            "samples": outcome.seconds,
            **outcome.about,
        }
        for name, outcome in outcomes.items()
    }
    arguments = {name: getattr(options, name) for name in ("net", "threads", "seed", "rounds", "peers")}
    missing = sorted(set(options.peers.split(",")) - set(there))
    timing = Timing(statistics.median(ours), ours)
    return result("training", arguments, timing, checks={}, rows=rows, missing=missing)


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    options = contest.parser(__doc__.splitlines()[0], PEERS, rounds=15)
    options.add_argument("--net", default="ff256", choices=HIDDEN)
    return contest.parsed(options, words, PEERS)


def told(outcome: dict[str, Any]) -> Iterator[str]:
    """A line for each contestant."""
    for name, row in outcome["rows"].items():
        rates = ", ".join(f"{rate:.1%}" for rate in row["hidden_rates"])
        shown = f"{row['step_ms']:.4g} ms a step, {row['over_brainsim']:.2f} times brainsim's"
        yield f"{name}: {shown}; hidden rates {rates}; peak {row['peak_mb']:.0f} MB"
    for name in outcome["missing"]:
        yield f"{name}: not installed; see benchmarks/peers/make_env.sh"


if __name__ == "__main__":
    contest.main(measure, told, parsed())
