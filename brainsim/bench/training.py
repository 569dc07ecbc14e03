"""A training step of a spiking classifier in brainsim and in its peers, in turns on one machine: how many times faster.

Batch 128, 100 steps, 700 inputs at 2 %, 20 classes. All begin with the same weights and get the same batch. The losses
of their first steps are compared: to 0.1 % where the dynamics are the same, to 10 % for snnTorch, whose neuron resets
one step later. A peer whose loss is another is told, and its times are not.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from .. import _checks
from . import peers as field
from .contest import Outcome, contest
from .harness import Timing, affinity, check, result
from .train import HIDDEN

SCRIPT = "train_brainsim.py"


def measure(*, net: str, seed: int, rounds: int, peers: str, environments: str = ".peers") -> dict[str, Any]:
    """Compare, then time, all contestants.

    Args:
        net: Hidden part of the classifier: ff256, ff1024 (two layers) or rec256.
        seed: Seed of weights and spikes.
        rounds: Timed rounds.
        peers: Names out of `TRAINERS`, with commas between them.
        environments: Folder that `make peers` made.

    Returns:
        A result with `rows`: for each contestant `step_ms`, `over_brainsim` (how many times longer it takes), the
        difference of the first loss, the rates of the hidden layers (spikes per neuron and step) and the largest
        resident memory; and with `missing`, the reasons of those that did not run. Its samples are brainsim's.
    """
    _checks.choice("net", net, HIDDEN)
    names = field.chosen(field.TRAINERS, peers)
    absent = field.missing(field.TRAINERS, names, Path(environments))
    there = {name: field.TRAINERS[name] for name in names if name not in absent}
    with tempfile.TemporaryDirectory() as folder:
        field.lay_down(SCRIPT, folder, net, seed)
        given = (folder, len(affinity()))
        programs = {name: field.command(peer, Path(environments), *given) for name, peer in there.items()}
        ours = field.command(None, Path(environments), *given, ours=SCRIPT)
        outcomes, failed = contest({field.OURS: ours, **programs}, rounds=rounds)
    seconds = field.require_ours(outcomes, failed).seconds
    checks = first_losses(outcomes)
    alike = {name: o for name, o in outcomes.items() if checks.get(f"first loss of {name}", {"ok": True})["ok"]}
    return result(
        "training",
        {"net": net, "seed": seed, "rounds": rounds, "peers": ",".join(names)},
        Timing(statistics.median(seconds), seconds),
        checks=checks,
        rows={name: row(outcome, alike[field.OURS]) for name, outcome in alike.items()},
        missing=absent | failed,
    )


def first_losses(outcomes: dict[str, Outcome]) -> dict[str, dict[str, Any]]:
    """Relative differences of the first losses from brainsim's, as checks."""
    (ours,) = outcomes[field.OURS].about["first"]
    peers = {name: outcome for name, outcome in outcomes.items() if name != field.OURS}
    return {
        f"first loss of {name}": check(
            abs(outcome.about["first"][0] / ours - 1), 0, field.TRAINERS[name].tolerance or 0
        )
        for name, outcome in peers.items()
    }


def row(outcome: Outcome, ours: Outcome) -> dict[str, Any]:
    """The figures of a contestant."""
    return {
        "step_ms": 1000 * statistics.median(outcome.seconds),
        "over_brainsim": statistics.median(a / b for a, b in zip(outcome.seconds, ours.seconds, strict=True)),
        "first_loss_difference": abs(outcome.about["first"][0] / ours.about["first"][0] - 1),
        "peak_mb": outcome.peak_mb,
        "samples": outcome.seconds,
        **outcome.about,
    }
