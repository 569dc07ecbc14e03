"""What a contestant says to the contest: one JSON line when it is ready, then one for each line that it is sent.

    {"name": ..., "versions": {...}, "first": [...]}    then    {"seconds": wall time of one run, "figures": [...],
                                                                 "peak_mb": the largest resident memory so far}

The figures are what tells that all did the same work: spikes of the populations, or the loss. `first` are those of the
run that compiled.
Standard library only, because it runs in every peer's environment. What the peer's libraries print goes to stderr.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any


def serve(
    name: str, packages: tuple[str, ...], sample: Callable[[], tuple[float, Sequence[float]]], **about: Any
) -> None:
    """Say that all is built and compiled; then run one sample a line until the input ends.

    Args:
        name: What is measured, in words.
        packages: Whose versions to tell.
        sample: Does the work once; returns wall seconds and figures.
        about: What else to tell of itself.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _, first = sample()
    versions = {package: metadata.version(package) for package in packages}
    _say(answers, {"name": name, "versions": versions, "first": [float(x) for x in first], **about})
    for _ in sys.stdin:
        seconds, figures = sample()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        _say(answers, {"seconds": seconds, "figures": [float(x) for x in figures], "peak_mb": peak})


def _say(answers: Any, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def given() -> tuple[Path, float, int, str]:
    """Folder of the network, biological time (ms), threads and the network's name: the arguments of every simulator."""
    folder, duration, threads, network = sys.argv[1:5]
    return Path(folder), float(duration), int(threads), network
