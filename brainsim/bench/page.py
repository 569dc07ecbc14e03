"""The result page of a folder: one HTML file that stands alone, and the same tables as CSV and as Markdown.

    task x tool x version, with ratio, spread and memory; curves where a task has sizes; the machines, the commits

All of it comes from the JSON files of the folder, whoever wrote them there.
"""

import csv
import html
import io
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import curves
from .compare import read
from .harness import passed
from .lines import OURS, Line, lines, number
from .suite import shipped

FILE = "index.html"
MOST_BARS = 4
"""Pictures with bars that a task may have; of more there is the table alone."""

_CARD = ("cpu_model", "isa", "affinity", "kernels", "platform", "freed_memory")


class Section(NamedTuple):
    """A task: its results, their lines, the settings that all lines share and those that differ."""

    suite: str
    task: str
    results: list[dict[str, Any]]
    lines: list[Line]
    shared: dict[str, Any]
    differing: list[str]


def write(folder: Path) -> None:
    """Write `index.html` and `results.csv` of the results in a folder; nothing where there are none yet."""
    if not list(folder.glob("*.json")):
        return
    results = read(folder)
    (folder / FILE).write_text(document(results), encoding="utf-8")
    (folder / "results.csv").write_text(table_csv(results), encoding="utf-8")


def sections(results: Sequence[dict[str, Any]]) -> list[Section]:
    """The tasks, in the order of their suites."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        row = result.get("row", {})
        groups.setdefault((row.get("suite", "single"), row.get("task", result["workload"])), []).append(result)
    return [_section(*names, groups[names]) for names in sorted(groups, key=lambda names: names[0])]


def _section(suite: str, task: str, results: list[dict[str, Any]]) -> Section:
    results = sorted(results, key=lambda result: [_order(value) for value in result["arguments"].values()])
    found = [line for result in results for line in lines(result)]
    names = list(dict.fromkeys(name for line in found for name in line.settings))
    shared = {n: found[0].settings[n] for n in names if len({str(line.settings.get(n)) for line in found}) == 1}
    return Section(suite, task, results, found, shared, [name for name in names if name not in shared])


def _order(value: Any) -> tuple[bool, float, str]:
    return (True, float(value), "") if isinstance(value, int | float) else (False, 0.0, str(value))


def cells(section: Section) -> tuple[list[str], list[list[str]]]:
    """Headings, and the cells of each line."""
    found = section.lines
    units = list(dict.fromkeys(line.unit for line in found if line.unit))
    extra = list(dict.fromkeys(name for line in found for name in line.figures))
    version = ["version"] if len(_versions(section)) > 1 else []
    optional = {
        "times brainsim": lambda line: _shown(line.ratio, "{:.2f}"),
        "spread": lambda line: _shown(line.spread, "{:.1%}"),
        "memory": lambda line: _shown(line.peak_mb, "{:,.0f} MB"),
        "remark": lambda line: line.note,
    }
    optional = {name: of for name, of in optional.items() if any(of(line) for line in found)}
    heads = [*section.differing, "tool", *version, *units, *extra, *optional]
    rows = []
    for line in found:
        row = (
            [_plain(line.settings.get(name, "")) for name in section.differing]
            + [line.tool]
            + [line.version] * len(version)
        )
        row += ["" if line.unit != unit or line.value is None else number(line.value) for unit in units]
        row += [line.figures.get(name, "") for name in extra] + [of(line) for of in optional.values()]
        rows.append(row)
    return [head.replace("_", " ") for head in heads], rows


def pictures(section: Section) -> Iterator[str]:
    """What is drawn of a task."""
    if any("accuracy" in result for result in section.results):
        found = [(r["arguments"]["data"], r["accuracy"]) for r in section.results if "accuracy" in r]
        yield curves.accuracies(found)
        return
    measured = [line for line in section.lines if line.value is not None]
    drawn = [picture for size in curves.sizes(measured) for picture in curves.over_size(measured, size)]
    if drawn:
        yield from drawn
        return
    groups: dict[str, list[Line]] = {}
    for line in measured:
        title = ", ".join(_plain(line.settings.get(name)) for name in section.differing)
        groups.setdefault(title, []).append(line)
    if len(groups) <= MOST_BARS:
        yield from (curves.side_by_side(group, title) for title, group in groups.items() if len(group) > 2)


def table_csv(results: Sequence[dict[str, Any]]) -> str:
    """All lines, a column for every setting and figure that any of them has."""
    rows = []
    for section in sections(results):
        for line in section.lines:
            known = {"suite": section.suite, "task": section.task, "tool": line.tool, "version": line.version}
            taken = {"value": line.value, "unit": line.unit, "times_brainsim": line.ratio, "spread": line.spread}
            rows.append(known | taken | {"memory_mb": line.peak_mb, "remark": line.note} | line.figures | line.settings)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """The tables in Markdown, and the machines."""
    parts = []
    for section in sections(results):
        heads, rows = cells(section)
        parts.append(f"## {section.suite}: {section.task}\n\n{_caption(section)}\n")
        parts += [_markdown_row(heads), _markdown_row(["---"] * len(heads)), *map(_markdown_row, rows), ""]
    parts += ["## Machine\n"] + [f"- {name}: {value}" for name, value in machine(results).items()]
    return "\n".join(parts) + "\n"


def _markdown_row(row: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def machine(results: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What all results were measured with; several values where they differ."""
    whole = [result for result in results if "cpu_model" in result]
    card = {name.replace("_", " "): [_plain(result.get(name)) for result in whole] for name in _CARD}
    for package in ("python", "brainsim", "jax", "jaxlib", "numpy"):
        card[package] = [result["versions"].get(package, "") for result in whole]
    commits = [(result["commit"], result["dirty"]) for result in whole]
    card["commit"] = [
        f"{commit[:12]}{' with changes' * dirty}" if commit else "not a checkout" for commit, dirty in commits
    ]
    loads = [result["load_average"][0] for result in whole]
    card["load average"] = [f"{min(loads):.1f} to {max(loads):.1f} (2.0 keeps two cores busy)"] if loads else []
    times = sorted(result["time"] for result in whole)
    card["measured"] = [f"{times[0]} to {times[-1]}"] if times else []
    return {name: "; ".join(dict.fromkeys(filter(None, values))) for name, values in card.items() if any(values)}


def document(results: Sequence[dict[str, Any]]) -> str:
    """The page."""
    body, suite, about = [], None, shipped()
    for section in sections(results):
        if section.suite != suite:
            suite = section.suite
            body.append(f"<h2>{html.escape(suite)}</h2>" + _p(about.get(suite, "")))
        body.append(_part(section))
    rows = "".join(f"<tr><th>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in machine(results).items())
    card = f'<h2>Machine</h2><table class="card">{rows}</table>'
    return _PAGE.format(style=_STYLE, summary=_summary(results), body="\n".join(body) + card)


def _part(section: Section) -> str:
    heads, rows = cells(section)
    figures = [all(_is_figure(row[k]) for row in rows) for k in range(len(heads))]
    kinds = ["r" if head == "remark" else "n" if right else "" for head, right in zip(heads, figures, strict=True)]

    def line(tag: str, row: Sequence[str]) -> str:
        classes = [f' class="{kind}"' if kind else "" for kind in kinds]
        return "".join(f"<{tag}{of}>{html.escape(cell)}</{tag}>" for of, cell in zip(classes, row, strict=True))

    body = "\n".join(
        f'<tr class="{_mark(of)}">{line("td", row)}</tr>' for of, row in zip(section.lines, rows, strict=True)
    )
    drawn = "".join(f"<figure>{picture}</figure>" for picture in pictures(section))
    return (
        f"<section><h3>{html.escape(section.task)}</h3>{_p(_caption(section))}"
        f'<div class="wide"><table><thead><tr>{line("th", heads)}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<div class="figures">{drawn}</div></section>'
    )


def _mark(line: Line) -> str:
    return "bad" if not line.ok else "ours" if line.tool.startswith(OURS) else ""


def _versions(section: Section) -> set[str]:
    return {line.version for line in section.lines if line.version}


def _caption(section: Section) -> str:
    """What all rows share, and what the seeds of a data set come to."""
    shared = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in section.shared.items())
    versions = _versions(section)
    shared = ", ".join(filter(None, [shared, f"version {versions.pop()}" if len(versions) == 1 else ""]))
    sentences = [f"In all rows: {shared}."] if shared else []
    found: dict[str, list[float]] = {}
    for result in section.results:
        if "accuracy" in result:
            found.setdefault(result["arguments"]["data"], []).append(100 * result["accuracy"])
    for name, values in found.items():
        span = f" ({min(values):.1f} to {max(values):.1f}, {len(values)} seeds)" if len(values) > 1 else ""
        sentences.append(f"{name}: {statistics.mean(values):.1f} %{span}.")
    return " ".join(sentences)


def _summary(results: Sequence[dict[str, Any]]) -> str:
    failed = sum("error" in result for result in results)
    wrong = sum("error" not in result and not passed(result) for result in results)
    missing = sorted({name for result in results for name in result.get("missing", {})})
    parts = [f"{len(results)} measurements", f"{failed} without a result" if failed else ""]
    parts += [f"{wrong} with a check that failed" if wrong else "all checks hold"]
    parts += [f"not measured here: {', '.join(missing)}" if missing else ""]
    return "; ".join(filter(None, parts)) + "."


def _p(text: str) -> str:
    return f"<p>{html.escape(text)}</p>" if text else ""


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return "" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def _is_figure(cell: str) -> bool:
    return not cell or cell.replace("MB", "").strip(" %").replace(",", "").replace(".", "", 1).lstrip("-").isdigit()


_STYLE = """
:root { --ink: #20242a; --soft: #626a75; --line: #dfe3e8; --tint: #eef4fb; --bad: #fbeeec; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); margin: 0; background: #fff; }
main { box-sizing: border-box; max-width: 1320px; margin: 0 auto; padding: 28px 28px 60px; }
h1 { font-size: 26px; margin: 0; }
h2 { font-size: 21px; margin: 44px 0 4px; padding-top: 12px; border-top: 2px solid var(--ink); }
h3 { font-size: 17px; margin: 26px 0 0; } p { margin: 2px 0 10px; color: var(--soft); max-width: 80ch; }
table { border-collapse: collapse; font-size: 13.5px; } .wide { overflow-x: auto; }
th, td { padding: 5px 14px 5px 0; white-space: nowrap; text-align: left; vertical-align: top; }
th, td { border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } thead th { border-bottom: 1.5px solid var(--ink); }
.n { text-align: right; font-variant-numeric: tabular-nums; }
td.r { white-space: normal; min-width: 28ch; }
.card td { white-space: normal; overflow-wrap: anywhere; }
tr.ours { background: var(--tint); } tr.bad { background: var(--bad); }
td:first-child, th:first-child { padding-left: 8px; }
.figures { display: flex; flex-wrap: wrap; gap: 12px 28px; } figure { margin: 14px 0 0; }
svg { max-width: 100%; height: auto; }
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>brainsim: results</title><style>{style}</style></head>
<body><main><h1>brainsim: results</h1><p>{summary} A ratio compares what ran in turns in one run; the spread is the
distance between the quartiles of the samples, as a part of their median.</p>
{body}
</main></body></html>
"""
