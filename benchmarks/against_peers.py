"""The conductance-based E-I network in brainsim and in its peers, in turns on one machine: how many times faster.

    sh benchmarks/peers/make_env.sh                                        once: an environment for each peer
    python benchmarks/against_peers.py --neurons 4000 --threads 1 --json peers.json

brainsim draws the synapses and initial voltages; Brian2 and brainevent get the very same, brainpy.state draws its own.
First all simulate 50 ms, where those with the same synapses must fire as often as brainsim to 1 %, and brainpy.state is
left out; then come the timed rounds of `--duration` ms, over which all must fire as often to 10 %.
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

HERE = Path(__file__).resolve().parent / "peers"
PEERS = {
    "brian2": ("brian2", "coba_brian2.py", []),
    "brian2_fast_math": ("brian2", "coba_brian2.py", ["fast-math"]),
    "brainevent": ("brainevent", "coba_brainevent.py", []),
    "brainpy": ("brainevent", "coba_brainpy.py", []),
}
"""Environment, script and further arguments of each peer."""
OTHER_SYNAPSES = {"brainpy"}

EARLY_MS, EARLY_TOLERANCE, LATE_TOLERANCE = 50.0, 0.01, 0.1


def command(name: str, environments: Path, network: Path, duration: float, threads: int) -> list[str]:
    """How a contestant is started."""
    given = [str(network), str(duration), str(threads)]
    if name == "brainsim":
        return [sys.executable, str(HERE / "coba_brainsim.py"), *given]
    environment, script, more = PEERS[name]
    return [str(environments / environment / "bin" / "python"), str(HERE / script), *given, *more]


def differences(outcomes: dict[str, Outcome]) -> dict[str, float]:
    """Relative difference from brainsim in the mean number of spikes a run, the larger one of both populations."""
    means = {name: [statistics.mean(x) for x in zip(*o.figures, strict=True)] for name, o in outcomes.items()}
    ours = means["brainsim"]
    return {name: max(abs(a / b - 1) for a, b in zip(x, ours, strict=True)) for name, x in means.items()}


def require(found: dict[str, float], tolerance: float) -> None:
    """Raise where a contestant does not do the same work."""
    if wrong := {name: value for name, value in found.items() if not value <= tolerance}:
        raise AssertionError(f"the number of spikes differs by more than {tolerance:.0%}: {wrong}.")


def lay_down(folder: str, neurons: int, seed: int) -> None:
    """Write the network's files, in a process of its own, so that its memory is free again."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from pathlib import Path; import coba_brainsim as c; "
    code += f"c.write(Path({folder!r}), {neurons}, {seed})"
    subprocess.run([sys.executable, "-c", code], check=True)


def rows(outcomes: dict[str, Outcome], duration: float, early: dict[str, float]) -> dict[str, dict[str, Any]]:
    """The figures of every contestant."""
    ours, late = outcomes["brainsim"].seconds, differences(outcomes)
    return {
        name: {
            "wall_per_bio_s": 1000 * statistics.median(outcome.seconds) / duration,
            "over_brainsim": statistics.median(a / b for a, b in zip(outcome.seconds, ours, strict=True)),
            "early_difference": early.get(name),
            "difference": late[name],
            "samples": outcome.seconds,
            "spikes": outcome.figures[-1],
            "peak_mb": outcome.peak_mb,
            **outcome.about,
        }
        for name, outcome in outcomes.items()
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Compare, then time, all contestants.

    Returns:
        A result with `rows`: for each contestant `wall_per_bio_s`, `over_brainsim` (how many times longer it takes),
        its spikes and how far they are from brainsim's; its samples are brainsim's.
    """
    names = ["brainsim", *options.peers.split(",")]

    def among(names: list[str], duration: float, rounds: int) -> dict[str, Outcome]:
        programs = {n: command(n, options.environments, Path(network), duration, options.threads) for n in names}
        return contest.contest(programs, threads=options.threads, rounds=rounds)

    with tempfile.TemporaryDirectory() as network:
        lay_down(network, options.neurons, options.seed)
        early = differences(among([name for name in names if name not in OTHER_SYNAPSES], EARLY_MS, 1))
        require(early, EARLY_TOLERANCE)
        outcomes = among(names, options.duration, options.rounds)
        require(differences(outcomes), LATE_TOLERANCE)
    arguments = {name: getattr(options, name) for name in ("neurons", "duration", "threads", "seed", "rounds", "peers")}
    seconds = outcomes["brainsim"].seconds
    figures = rows(outcomes, options.duration, early)
    return result("peers", arguments, Timing(statistics.median(seconds), seconds), checks={}, rows=figures)


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    options = contest.parser(__doc__.splitlines()[0], PEERS, rounds=5)
    options.add_argument("--neurons", type=int, default=4000)
    options.add_argument("--duration", type=float, default=1000.0, help="biological time of one run (ms)")
    return contest.parsed(options, words, PEERS)


def told(outcome: dict[str, Any]) -> Iterator[str]:
    """A line for each contestant."""
    for name, row in outcome["rows"].items():
        shown = f"{row['wall_per_bio_s']:.4g} s per biological s, {row['over_brainsim']:.2f} times brainsim's"
        yield f"{name}: {shown}, spikes {row['difference']:.1%} off"


if __name__ == "__main__":
    contest.main(measure, told, parsed())
