"""Two sets of benchmark results side by side: the same workload with the same arguments, and how its time changed.

    ratio = median(old) / median(new)        2: twice as fast, 0.5: half as fast

Times in s; results are JSON files that `brainsim bench ... --json FILE` wrote, or `brainsim bench run` in a folder.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from .harness import SCHEMA


class Row(NamedTuple):
    """One workload in both sets (times in s)."""

    workload: str
    arguments: dict[str, Any]
    old: float
    new: float

    @property
    def ratio(self) -> float:
        """How many times faster the new one is."""
        return self.old / self.new


def read(path: Path) -> list[dict[str, Any]]:
    """The results in a JSON file, or in every `*.json` of a folder.

    Raises:
        ValueError: No results there, or a file that is not one of ours.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    results = []
    for file in files:
        try:
            outcome = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"{file}: not a readable JSON file ({error}).") from None
        if not isinstance(outcome, dict) or outcome.get("schema") != SCHEMA:
            raise ValueError(f'{file}: expected a benchmark result with "schema": "{SCHEMA}".')
        results.append(outcome)
    if not results:
        raise ValueError(f"{path}: no *.json file in this folder.")
    return results


def compare(old: Path, new: Path) -> tuple[list[Row], list[str]]:
    """Pair the results of two files or folders by workload and arguments.

    Returns:
        The pairs; and what is in one of both alone, or has no result, in words.

    Raises:
        ValueError: Nothing to pair.
    """
    sides = {path: {_identity(outcome): outcome for outcome in read(path)} for path in (old, new)}
    before, after = ({k: o for k, o in sides[path].items() if "error" not in o} for path in (old, new))
    rows = [
        Row(outcome["workload"], outcome["arguments"], before[key]["median"], outcome["median"])
        for key, outcome in after.items()
        if key in before
    ]
    if not rows:
        raise ValueError(f"{old} and {new}: no workload with the same arguments in both.")
    alone = [
        f"{path}: {outcome['workload']} {_words(outcome['arguments'])}{' failed' if 'error' in outcome else ''}"
        for path in (old, new)
        for key, outcome in sides[path].items()
        if not (key in before and key in after)
    ]
    return rows, alone


def _words(arguments: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in arguments.items() if value is not None)


def _identity(outcome: dict[str, Any]) -> str:
    return json.dumps([outcome["workload"], outcome["arguments"]], sort_keys=True)
