"""Runs the rows of suites one after the other, each in a process of its own, and keeps a JSON file of each.

A file is written whole or not at all: whoever is killed loses the row that was running. What is there already is not
measured again when the run is resumed.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from . import page
from .harness import SCHEMA, passed
from .lines import lines, number
from .process import WorkerFailed
from .suite import Row
from .worker import launch

PEERS = ("peers", "training")
"""Workloads that look for the environments of peers."""

DRAWN_EVERY_S = 10.0
"""The page is drawn so often, and at the end."""


class Tally(NamedTuple):
    """What a run came to, in numbers of rows.

    Attributes:
        measured: Rows that have a result, those of an earlier run among them.
        failed: Rows without one.
        wrong: Rows with a check that failed.
        missing: Rows in which a peer could not take part.
    """

    measured: int
    failed: int
    wrong: int
    missing: int

    @property
    def exit_code(self) -> int:
        """0 fine, 1 a row or a check failed, 3 a peer is missing."""
        return 1 if self.failed or self.wrong else 3 if self.missing else 0


def run(rows: Sequence[Row], out: Path, *, resume: bool, environments: str, console: Console) -> Tally:
    """Measure what is not there yet, and draw the page.

    Args:
        rows: What to measure.
        out: Folder of the results and of `index.html`; made where it does not exist.
        resume: Whether results may be there already.
        environments: Folder that `make peers` made.
        console: For the progress.

    Raises:
        ValueError: Results are there and `resume` is not given, or they are of something else.
    """
    standing = _standing(rows, out, resume)
    out.mkdir(parents=True, exist_ok=True)
    todo = [row for row in rows if row.file not in standing]
    if standing:
        console.print(f"{len(standing)} of {len(rows)} rows are in {out} already")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    results, drawn = list(standing.values()), -DRAWN_EVERY_S
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(rows), completed=len(standing))
        for row in todo:
            progress.update(bar, description=escape(f"{row.suite}: {row.label}"))
            began = time.perf_counter()
            results.append(_measured(row, out, environments))
            _write(out / row.file, results[-1])
            if time.monotonic() > drawn + DRAWN_EVERY_S:
                page.write(out)
                drawn = time.monotonic()
            sentence = _sentence(row, results[-1], time.perf_counter() - began)
            progress.console.print(sentence, highlight=False, soft_wrap=True)
            progress.advance(bar)
    page.write(out)
    return tally(results)


def tally(results: Sequence[dict[str, Any]]) -> Tally:
    """What results come to."""
    whole = [result for result in results if "error" not in result]
    wrong = sum(not passed(result) for result in whole)
    return Tally(len(whole), len(results) - len(whole), wrong, sum(bool(result.get("missing")) for result in whole))


def _standing(rows: Sequence[Row], out: Path, resume: bool) -> dict[str, dict[str, Any]]:
    """Results of an earlier run, by file; one without a result is to be measured again."""
    found = {}
    for row in rows:
        file = out / row.file
        if not file.exists():
            continue
        if not resume:
            raise ValueError(f"`--out`: {file} is there already: `--resume` goes on, another folder starts anew.")
        result = json.loads(file.read_text())
        if result.get("row") != row.asked():
            raise ValueError(f"`--resume`: {file} is of other arguments than the suite has now; take another folder.")
        if "error" not in result:
            found[row.file] = result
    return found


def _measured(row: Row, out: Path, environments: str) -> dict[str, Any]:
    """The result of a row, or what went wrong; then its log is kept."""
    log = (out / row.file).with_suffix(".log")
    arguments = row.arguments | ({"environments": environments} if row.workload in PEERS else {})
    try:
        result = launch(row.workload, arguments, log=log, **row.how)
    except (ValueError, WorkerFailed) as error:
        failed = {"schema": SCHEMA, "workload": row.workload, "arguments": row.arguments | row.how}
        return {**failed, "row": row.asked(), "error": str(error), "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    log.unlink()
    return result | {"row": row.asked()}


def _write(file: Path, result: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(result, indent=2) + "\n")
    os.replace(part, file)


def _sentence(row: Row, result: dict[str, Any], seconds: float) -> str:
    """A row's outcome for the log."""
    first = lines(result)[0]
    figure = "" if first.value is None else f" {number(first.value)} {first.unit}"
    shown = "".join(f", {value}" for value in [*list(first.figures.values())[:1], first.note] if value)
    mark = "[green]ok[/]" if first.ok else "[red]failed[/]"
    return f"{mark} {escape(f'{row.suite}: {row.label}:{figure}{shown}')} [dim]({seconds:.0f} s)[/]"
