"""Programs that do the same work, each in a process and an environment of its own, run in turns.

A contestant prints a JSON line when it is ready, and one with `seconds` and `figures` for every line that it reads (see
`benchmarks/peers/serve.py`). All are built and compiled before the first round, and wait without work for their turn.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .worker import WorkerFailed, pinned, thread_environment


class Contestant:
    """A running program.

    Args:
        name: For messages.
        command: The program and its arguments.
        threads: Cores that it may use, or None for all.
    """

    def __init__(self, name: str, command: list[str], threads: int | None = None):
        self.name = name
        environment = os.environ | thread_environment(threads)
        with pinned(threads):
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
            )

    def ready(self) -> dict[str, Any]:
        """What it says of itself; waits until it is built."""
        return self._line()

    def run(self) -> dict[str, Any]:
        """One run of the work."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the missing answer tells it
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self._line()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerFailed(f"{self.name} ended without an answer; its own message is on stderr.")
        return json.loads(line)


class Outcome(NamedTuple):
    """What a contestant did.

    Attributes:
        about: What it says of itself.
        seconds: Wall time of each run.
        figures: What tells the work that each run did: spikes of the populations, or a loss.
        peak_mb: Its largest resident memory (MB).
    """

    about: dict[str, Any]
    seconds: list[float]
    figures: list[list[float]]
    peak_mb: float = 0.0


def contest(commands: Mapping[str, list[str]], *, threads: int | None, rounds: int) -> dict[str, Outcome]:
    """Let programs run in turns, one run of each a round.

    Args:
        commands: Programs by name.
        threads: Cores for each, or None for all.
        rounds: Number of rounds.

    Raises:
        ValueError: More threads than this process has cores.
        WorkerFailed: One ended before it had answered.
    """
    outcomes = {}
    with contextlib.ExitStack() as running:
        contestants = {}
        for name, command in commands.items():  # one after the other: building takes all cores
            contestants[name] = running.enter_context(_started(name, command, threads))
            outcomes[name] = Outcome(contestants[name].ready(), [], [])
        for _ in range(rounds):
            for name, contestant in contestants.items():
                answer = contestant.run()
                outcomes[name].seconds.append(answer["seconds"])
                outcomes[name].figures.append(answer["figures"])
                outcomes[name] = outcomes[name]._replace(peak_mb=answer["peak_mb"])
    return outcomes


@contextlib.contextmanager
def _started(name: str, command: list[str], threads: int | None) -> Iterator[Contestant]:
    contestant = Contestant(name, command, threads)
    try:
        yield contestant
    finally:
        contestant.close()
