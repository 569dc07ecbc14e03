"""Programs that do the same work, each in a process and an environment of its own, run in turns.

A contestant prints a JSON line when it is ready, and one with `seconds` and `figures` for every line that it reads (see
`benchmarks/peers/serve.py`). All are built and compiled before the first round, and wait without work for their turn.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import commands
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


def parser(about: str, peers: Iterable[str], *, rounds: int) -> argparse.ArgumentParser:
    """The options that every contest has; a script adds its own.

    Args:
        about: What is done, in a line.
        peers: Names of all contestants but brainsim.
        rounds: Rounds unless told otherwise.
    """
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--threads", type=int, default=1, help="cores for each contestant")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--peers", default=",".join(peers), help="names, with commas between them")
    options.add_argument("--environments", type=Path, default=Path(".peers"), help="what make_env.sh made")
    options.add_argument("--json", default="-", metavar="FILE", help="JSON into FILE, - for stdout")
    return options


def parsed(options: argparse.ArgumentParser, words: list[str] | None, peers: Collection[str]) -> argparse.Namespace:
    """The options as given, after a look at the names of the peers."""
    given = options.parse_args(words)
    if unknown := set(given.peers.split(",")) - set(peers):
        options.error(f"--peers: expected names out of {', '.join(peers)}, got {', '.join(sorted(unknown))}")
    return given


def main(
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    told: Callable[[dict[str, Any]], Iterable[str]],
    given: argparse.Namespace,
) -> None:
    """Measure, say a line for each contestant on stderr, and write the result; or say why not, and end."""
    try:
        outcome = measure(given)
    except (ValueError, WorkerFailed, AssertionError) as error:
        sys.exit(str(error))
    for line in told(outcome):
        print(line, file=sys.stderr)
    commands.write(outcome, given.json)
