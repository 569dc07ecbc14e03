"""A balanced network in brainsim and in its peers, in turns on one machine: how many times faster.

brainsim draws the synapses and initial voltages, and its peers get the very same, but for those that can only draw
their own. First all with the same synapses simulate 50 ms and must fire as often as brainsim, to the peer's tolerance;
then come the timed rounds, over which all must fire as often to 10 %. A peer that does not is told, and its times are
not.
"""

import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import _checks
from . import peers as field
from .contest import Outcome, contest
from .harness import Timing, affinity, check, result

EARLY_MS, LATE_TOLERANCE = 50.0, 0.1
SCRIPT = "simulate_brainsim.py"


def measure(
    *, network: str, neurons: int, duration: float, seed: int, rounds: int, peers: str, environments: str = ".peers"
) -> dict[str, Any]:
    """Compare, then time, all contestants.

    Args:
        network: Name in `SIMULATORS`.
        neurons: Size of the network.
        duration: Biological time of one run (ms).
        seed: Seed of wiring, initial voltages and noise.
        rounds: Timed rounds.
        peers: Names out of `SIMULATORS[network]`, with commas between them.
        environments: Folder that `make peers` made.

    Returns:
        A result with `rows`: for each contestant `wall_per_bio_s`, `over_brainsim` (how many times longer it takes),
        its spikes and how far they are from brainsim's; and `missing`, why others did not run. Its samples are ours.
    """
    _checks.choice("network", network, field.SIMULATORS)
    known = field.SIMULATORS[network]
    names = field.chosen(known, peers)
    absent = field.missing(known, names, Path(environments))

    def among(names: Iterable[str], duration: float, rounds: int) -> dict[str, Outcome]:
        given = (folder, duration, len(affinity()), network)
        there = {name: known[name] for name in names if name not in absent}
        programs = {name: field.command(peer, Path(environments), *given) for name, peer in there.items()}
        ours = field.command(None, Path(environments), *given, ours=SCRIPT)
        outcomes, failed = contest({field.OURS: ours, **programs}, rounds=rounds)
        field.require_ours(outcomes, failed)
        absent.update(failed)
        return outcomes

    with tempfile.TemporaryDirectory() as folder:
        field.lay_down(SCRIPT, folder, neurons, seed, network)
        exact = {name: tolerance for name in names if (tolerance := known[name].tolerance) is not None}
        early = differences(among(exact, EARLY_MS, 1)) if exact.keys() - absent.keys() else {}
        checks = {f"early spikes of {name}": check(early[name], 0, exact[name]) for name in exact if name in early}
        alike = names_of(checks, names)
        outcomes = among(alike, duration, rounds)
    late = differences(outcomes)
    checks |= {f"spikes of {name}": check(late[name], 0, LATE_TOLERANCE) for name in alike if name in late}
    agreeing = [field.OURS, *names_of(checks, [name for name in alike if name in outcomes])]
    seconds = outcomes[field.OURS].seconds
    return result(
        "peers",
        {"network": network, "neurons": neurons, "duration": duration, "seed": seed, "rounds": rounds}
        | {"peers": ",".join(names)},
        Timing(statistics.median(seconds), seconds),
        checks=checks,
        rows=rows({name: outcomes[name] for name in agreeing}, duration, early, late),
        missing=absent,
    )


def names_of(checks: dict[str, dict[str, Any]], names: Iterable[str]) -> list[str]:
    """Those of the names with no failed check."""
    failed = {words.rpartition(" ")[2] for words, entry in checks.items() if not entry["ok"]}
    return [name for name in names if name not in failed]


def differences(outcomes: dict[str, Outcome]) -> dict[str, float]:
    """Relative difference from brainsim in the mean number of spikes a run, the larger one of both populations."""
    means = {name: [statistics.mean(x) for x in zip(*o.figures, strict=True)] for name, o in outcomes.items()}
    ours = means[field.OURS]
    return {name: max(abs(a / b - 1) for a, b in zip(x, ours, strict=True)) for name, x in means.items()}


def rows(
    outcomes: dict[str, Outcome], duration: float, early: dict[str, float], late: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """The figures of every contestant."""
    ours = outcomes[field.OURS].seconds
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
