"""Programs that do the same work, each in a process and an environment of its own, run in turns.

A contestant prints a JSON line when it is ready, and one with `seconds` and `figures` for every line that it reads (see
`benchmarks/peers/serve.py`). All are built and compiled before the first round, and wait without work for their turn.
They have the cores and threads of the process that starts them.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .process import WorkerFailed


class Contestant:
    """A running program.

    Args:
        name: For messages.
        command: The program and its arguments.
    """

    def __init__(self, name: str, command: list[str]):
        self.name = name
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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
        for line in self._process.stdout:
            if line.startswith("{"):  # other lines are of libraries that chat while they are imported
                return json.loads(line)
        raise WorkerFailed(f"{self.name} ended without an answer; its own message is on stderr.")


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


def contest(commands: Mapping[str, list[str]], *, rounds: int) -> tuple[dict[str, Outcome], dict[str, str]]:
    """Let programs run in turns, one run of each a round.

    Args:
        commands: Programs by name.
        rounds: Number of rounds.

    Returns:
        What each did; and for those that ended before they had answered, a sentence that says so.
    """
    outcomes, failed = {}, {}
    with contextlib.ExitStack() as running:
        contestants = {}
        for name, command in commands.items():  # one after the other: building takes all cores
            contestants[name] = running.enter_context(_started(name, command))
            with _noted(name, failed):
                outcomes[name] = Outcome(contestants[name].ready(), [], [])
        for _ in range(rounds):
            for name in [name for name in contestants if name not in failed]:
                with _noted(name, failed):
                    answer = contestants[name].run()
                    outcomes[name].seconds.append(answer["seconds"])
                    outcomes[name].figures.append(answer["figures"])
                    outcomes[name] = outcomes[name]._replace(peak_mb=answer["peak_mb"])
    return {name: outcome for name, outcome in outcomes.items() if name not in failed}, failed


@contextlib.contextmanager
def _started(name: str, command: list[str]) -> Iterator[Contestant]:
    contestant = Contestant(name, command)
    try:
        yield contestant
    finally:
        contestant.close()


@contextlib.contextmanager
def _noted(name: str, failed: dict[str, str]) -> Iterator[None]:
    """A contestant that ends too early takes no further part."""
    try:
        yield
    except WorkerFailed as error:
        failed[name] = str(error)
