"""What a contestant says to the contest: one JSON line when it is ready, then one for each line that it is sent.

    {"name": ..., "versions": {...}}    then    {"seconds": wall time of one run, "spikes": [excitatory, inhibitory]}

Standard library only, because it runs in every peer's environment. What the peer's libraries print goes to stderr.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any


def serve(name: str, packages: tuple[str, ...], sample: Callable[[], tuple[float, tuple[int, int]]]) -> None:
    """Say that all is built and compiled; then run one sample a line until the input ends.

    Args:
        name: What is measured, in words.
        packages: Whose versions to tell.
        sample: Runs the network once from its initial state; returns wall seconds and the spikes of both populations.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sample()
    _say(answers, {"name": name, "versions": {package: metadata.version(package) for package in packages}})
    for _ in sys.stdin:
        seconds, spikes = sample()
        _say(answers, {"seconds": seconds, "spikes": [int(n) for n in spikes]})


def _say(answers: Any, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def given() -> tuple[Path, float, int]:
    """Folder of the network, biological time (ms) and threads: the first arguments of every contestant."""
    folder, duration, threads = sys.argv[1:4]
    return Path(folder), float(duration), int(threads)
