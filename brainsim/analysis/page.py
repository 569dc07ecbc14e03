"""A page of HTML that needs nothing but itself: headings, tables, figures inline, and how they look.

Everything that comes from outside is escaped; there is no script and no link to another file.
"""

import base64
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBER = re.compile(r"-|-?[\d,]+(\.\d+)?(e[+-]\d+)?( %)?")
_SHORT = 24
"""Cells of fewer characters are not broken into lines."""

_CSS = """
:root { --ink: #1d2329; --soft: #5b6670; --line: #d9dee3; --tint: #f4f6f8; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; padding-top: 1rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .4rem 0; }
.lead { color: var(--soft); margin: 0 0 1.6rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; }
.card { background: var(--tint); border-left: 3px solid var(--accent); padding: .6rem .8rem; }
.card b { display: block; font-size: 1.25rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .8rem; }
.note { color: var(--soft); font-size: .85rem; margin: .5rem 0 1.4rem; }
.wide { overflow-x: auto; margin: 0 0 1.6rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 .35rem; }
th, td { padding: .35rem .7rem .35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--ink); white-space: nowrap; }
td.short, td.number { white-space: nowrap; }
th.number, td.number { text-align: right; padding-right: 1.1rem; }
th:last-child.number, td:last-child.number { padding-right: .2rem; }
table.named td:first-child { width: 13rem; color: var(--soft); }
figure { margin: 0 0 1.4rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .85rem; margin-top: .3rem; }
code { font: .85em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
footer { margin-top: 3rem; color: var(--soft); font-size: .8rem; }
@media print {
  @page { margin: 16mm; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; }
  figure, tr, .card { break-inside: avoid; }
  .card { background: none; border: 1px solid var(--line); border-left: 3px solid var(--accent); }
}
"""


def page(title: str, body: Iterable[str]) -> str:
    """The whole document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    """A heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def cards(figures: Mapping[str, str]) -> str:
    """A row of figures, each with what it is."""
    inside = "".join(f'<div class="card"><b>{escape(v)}</b><span>{escape(k)}</span></div>' for k, v in figures.items())
    return f'<div class="cards">{inside}</div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table; columns whose every cell is a number are set to the right."""
    numeric = [all(_is_number(row[k]) for row in rows) for k in range(len(columns))]
    mark = lambda k: ' class="number"' if numeric[k] else ""
    head = "".join(f"<th{mark(k)}>{escape(name)}</th>" for k, name in enumerate(columns))
    kind = lambda k, cell: mark(k) or (' class="short"' if len(cell) < _SHORT else "")
    body = "".join(
        "<tr>" + "".join(f"<td{kind(k, cell)}>{escape(cell)}</td>" for k, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def named(entries: Mapping[str, str], caption: str = "") -> str:
    """A table of two columns: what, and its value."""
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in entries.items())
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table class="named">{title}<tbody>{body}</tbody></table></div>'


def figure(drawn: "Figure", caption: str) -> str:
    """A figure, as PNG inside the page."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def footer(text: str) -> str:
    """The last line."""
    return f"<footer>{escape(text)}</footer>"


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None
