"""A benchmark that is a script of the checkout: the script starts itself once more, pinned, and shows what that finds.

    python benchmarks/NAME.py [options of its own] [--threads N] [--json FILE]

Exit code 1: a check failed, or the child did; 3: else fine, but a peer is missing.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from . import commands
from .harness import passed
from .process import WorkerFailed, answer
from .worker import CHILD


def main(measure: Callable[..., dict[str, Any]], parser: argparse.ArgumentParser) -> None:
    """Parse, measure in a pinned child, write the result or show it.

    Args:
        measure: Is called in the child with the parsed options by name; returns a result, or raises.
        parser: The script's own options; `--threads` and `--json` are added.
    """
    parser.add_argument("--threads", type=int, help="pin to this many cores (default: all, not pinned)")
    parser.add_argument("--json", default=None, metavar="FILE", help="JSON into FILE, - for stdout")
    options = vars(parser.parse_args())
    threads, target = options.pop("threads"), options.pop("json")
    if CHILD in os.environ:
        print(json.dumps(measure(**options)))
        return
    try:
        outcome = answer([sys.executable, *sys.argv], threads=threads, extra={CHILD: "1"})
    except (ValueError, WorkerFailed) as error:
        sys.exit(str(error))
    outcome["arguments"] |= {"threads": threads}
    if target is None:
        commands.show(outcome)
        _show_rows(outcome.get("rows", {}))
    else:
        commands.write(outcome, target)
    for name, why in outcome.get("missing", {}).items():
        commands.progress.print(f"{name}: {why}", markup=False, highlight=False, soft_wrap=True)
    if not passed(outcome):
        sys.exit(f"check failed: {[name for name, entry in outcome['checks'].items() if not entry['ok']]}")
    if outcome.get("missing"):
        sys.exit(3)


def _show_rows(rows: dict[str, dict[str, Any]]) -> None:
    """The rows of a result that has several, one column a figure."""
    figures = (column for row in rows.values() for column, value in row.items() if not isinstance(value, list | dict))
    columns = list(dict.fromkeys(figures))
    table = Table("", *columns)
    for name, row in rows.items():
        table.add_row(name, *(_cell(row.get(column)) for column in columns))
    if rows:
        Console().print(table)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
