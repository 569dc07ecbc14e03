"""Figure of a sweep: every measure over the first axis of the grid, a line for each value of the others."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .plot import COLOURS, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .sweep_table import SweepTable

_MAX_LINES = len(COLOURS)
_MARKERS = "osD^vPX*"


def plot_sweep(table: "SweepTable") -> "Figure":
    """Draw a sweep.

    Raises:
        ValueError: No measure is a number.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numbers = [name for name in table.measures if table[name].dtype == np.float64]
    if not numbers:
        raise ValueError("none of the measures is a number, so there is nothing to plot.")
    first, *others = (axis for axis in table.axes if axis != "seed")
    lines: dict[tuple[Any, ...], list[int]] = {}
    for k, row in enumerate(table.rows):
        lines.setdefault(tuple(row[axis] for axis in others), []).append(k)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * len(numbers), 3.0), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(1, len(numbers), squeeze=False)[0]
        for axes, name in zip(grid, numbers, strict=True):
            for k, (values, rows) in enumerate(list(lines.items())[:_MAX_LINES]):
                label = ", ".join(_named(table, axis, value) for axis, value in zip(others, values, strict=True))
                _line(axes, table[first][rows], table[name][rows], k, label)
            axes.set_ylabel(name)
            axes.set_xlabel(_titled(table, first))
        if others:
            more = f" (first {_MAX_LINES} of {len(lines)})" if len(lines) > _MAX_LINES else ""
            handles, labels = grid[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), title=more or None)
    return figure


def _line(axes: "Axes", x: np.ndarray, y: np.ndarray, k: int, label: str) -> None:
    """Mean over the runs of each x, with their standard deviation where there are several."""
    points: Any = list(dict.fromkeys(x.tolist()))
    numeric = all(isinstance(point, int | float) and not isinstance(point, bool) for point in points)
    points = sorted(points) if numeric else points
    groups = [y[[value == point for value in x.tolist()]] for point in points]
    known = [group[np.isfinite(group)] for group in groups]
    mean = np.asarray([group.mean() if group.size else np.nan for group in known])
    spread = np.asarray([group.std() if group.size else np.nan for group in known])
    at = np.asarray(points, np.float64) if numeric else np.arange(len(points))
    style: Any = {"color": COLOURS[k], "marker": _MARKERS[k], "markersize": 4, "label": label}
    if any(group.size > 1 for group in known):
        axes.errorbar(at, mean, spread, capsize=2, elinewidth=0.8, **style)
    else:
        axes.plot(at, mean, **style)
    if not numeric:
        axes.set_xticks(at, [str(point) for point in points])


def _named(table: "SweepTable", axis: str, value: Any) -> str:
    unit = table.axes[axis]
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if unit == "x":
        return f"{axis} \N{MULTIPLICATION SIGN} {text}"
    return f"{axis} = {text} {unit}".rstrip()


def _titled(table: "SweepTable", axis: str) -> str:
    unit = table.axes[axis]
    return f"{axis} (factor)" if unit == "x" else f"{axis} ({unit})" if unit else axis
