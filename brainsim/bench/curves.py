"""Pictures of results, as SVG text: time and memory over a size, times side by side, accuracies of several seeds."""

import io
import itertools
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from .lines import OURS, Line

WIDTH, HEIGHT = 5.2, 3.4
_COLOURS = ("#3b6fb6", "#d1762b", "#4d9a58", "#8e63ab", "#b8473d", "#7a6a4f", "#3fa3ad", "#c2699c")


def sizes(lines: Sequence[Line]) -> list[str]:
    """The settings that are numbers and have several values: what curves are drawn over."""
    measured = [line.settings for line in lines if line.value is not None]
    names = dict.fromkeys(name for settings in measured for name in settings if name != "seed")
    return [name for name in names if len({s.get(name) for s in measured}) > 1 and all(map(_is_number(name), measured))]


def over_size(lines: Sequence[Line], size: str) -> Iterable[str]:
    """Time over a size, and memory where it is known of several sizes; a curve for every tool and other setting."""
    unit = next(line.unit for line in lines if line.unit)
    for quantity, label, yscale in (("value", unit, "log"), ("peak_mb", "largest memory (MB)", "linear")):
        curves: dict[str, list[tuple[float, float]]] = {}
        for line in lines:
            height = getattr(line, quantity)
            if height is not None:
                curves.setdefault(_label(line, lines, size), []).append((line.settings[size], height))
        if any(len({x for x, _ in points}) > 1 for points in curves.values()):
            yield _curves(curves, size.replace("_", " "), label, yscale=yscale)


def side_by_side(lines: Sequence[Line], title: str = "") -> str:
    """The tools' times as bars on a logarithmic axis, the fastest on top."""
    measured = sorted((line for line in lines if line.ratio), key=lambda line: line.ratio or 0)
    figure, axes = _axes(height=0.75 + 0.32 * len(measured))
    names, times = [line.tool for line in measured], [line.ratio or 0 for line in measured]
    left = 0.5 * min(times)
    bars = axes.barh(range(len(times)), [t - left for t in times], left=left, height=0.62)
    for bar, line in zip(bars, measured, strict=True):
        bar.set_color(_COLOURS[0] if line.tool.startswith(OURS) else "#b5b9c0")
        place = (line.ratio or 0, bar.get_y() + 0.31)
        axes.annotate(f"{line.ratio:.3g}", place, xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_title(title, loc="left", fontsize=9)
    axes.set(xscale="log", xlabel="times as long as brainsim", yticks=range(len(names)), yticklabels=names)
    axes.set_xlim(left, 2 * max(times))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return _svg(figure)


def accuracies(found: Sequence[tuple[str, float]]) -> str:
    """A dot for each seed's accuracy, a stroke for their mean, a row for each name."""
    names = list(dict.fromkeys(name for name, _ in found))
    figure, axes = _axes(height=0.9 + 0.4 * len(names))
    for row, name in enumerate(names):
        values = [100 * value for other, value in found if other == name]
        axes.plot(values, [row] * len(values), "o", color=_COLOURS[0], alpha=0.65, markersize=7)
        axes.plot([sum(values) / len(values)] * 2, [row - 0.28, row + 0.28], color="#20242a", linewidth=1.5)
    axes.set(xlabel="test accuracy (%)", yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    return _svg(figure)


def _curves(curves: dict[str, list[tuple[float, float]]], xlabel: str, ylabel: str, *, yscale: str) -> str:
    """A line through the medians of every tool, and a dot for each measurement."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure, axes = _axes()
    for (name, points), colour in zip(curves.items(), itertools.cycle(_COLOURS), strict=False):
        x = sorted({size for size, _ in points})
        y = [statistics.median(height for size, height in points if size == at) for at in x]
        axes.plot(x, y, label=name, color=colour, linewidth=1.6)
        axes.plot(*zip(*points, strict=True), "o", color=colour, markersize=4.5, alpha=0.8)
    axes.set(xscale="log", yscale=yscale, xlabel=xlabel, ylabel=ylabel)
    if yscale == "log":
        heights = [height for points in curves.values() for _, height in points]
        subs = (1.0, 2.0, 5.0) if max(heights) < 30 * min(heights) else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1.1 * axes.dataLim.y1)
    ticks = sorted({x for points in curves.values() for x, _ in points})
    axes.set_xticks(ticks, [f"{tick:,g}" if tick < 1e6 else f"{tick:.0e}" for tick in ticks])
    axes.xaxis.minorticks_off()
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def _label(line: Line, lines: Sequence[Line], size: str) -> str:
    """The tool, and the other settings that differ."""
    others = [name for name in line.settings if name not in (size, "seed")]
    differ = [name for name in others if len({str(other.settings.get(name)) for other in lines}) > 1]
    return ", ".join([line.tool, *(f"{name} {line.settings[name]}" for name in differ)])


def _is_number(name: str) -> Any:
    return lambda settings: isinstance(settings.get(name), int | float) and not isinstance(settings[name], bool)


def _axes(height: float = HEIGHT) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Any) -> str:
    """The figure as an SVG element, its text as text."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "brainsim", "font.size": 9}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
