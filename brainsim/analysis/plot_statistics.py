"""Figure of the firing statistics: how rates, intervals, irregularity and pairwise correlations are distributed."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .correlation import pairwise_correlations
from .plot import COLOURS, STYLE
from .statistics import isi_cv, rates
from .trains import trains_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .result import Result

_BINS = 40
_TAIL = 0.003
"""Share of the values that may lie beyond either end of an axis."""


def plot_statistics(
    result: "Result",
    path: str | os.PathLike[str] | None = None,
    *,
    skip: Any = 0.0,
    neurons: int = 200,
    seed: int = 0,
) -> "Figure":
    """Distributions over the neurons of every population: rate, interval, ISI CV, and correlation over pairs.

    Args:
        result: A run that recorded spikes.
        path: Image file to write (PNG, PDF, SVG), or None.
        skip: Time left out at the beginning (ms).
        neurons: Neurons drawn for the pairs (counts in 5 ms).
        seed: Seed of that draw.

    Raises:
        ValueError: No spikes were recorded.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    parts = [part for part in result.parts if f"{part}.spikes" in result]
    if not parts:
        raise ValueError(f"no spikes were recorded; recorded: {', '.join(result.recorded) or 'nothing'}.")
    spikes = {part: result[part].spikes for part in parts}
    of_each = lambda function: {part: function(view).ravel() for part, view in spikes.items()}
    pairs = lambda view: pairwise_correlations(view, neurons=neurons, seed=seed, skip=skip)
    panels = {
        ("Firing rate", "rate (Hz)", "share of neurons per Hz"): of_each(lambda view: rates(view, skip=skip)),
        ("Intervals", "interval (ms)", "share per decade"): of_each(lambda view: _intervals(view, skip)),
        ("Irregularity", "CV of intervals", "density of neurons"): of_each(lambda view: isi_cv(view, skip=skip)),
        ("Pairwise correlation", "coefficient of counts in 5 ms", "density of pairs"): of_each(pairs),
    }
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 5.0), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(2, 2).ravel()
        for axes, ((title, label, share), values) in zip(grid, panels.items(), strict=True):
            axes.set_title(title)
            axes.set_xlabel(label)
            axes.set_ylabel(share)
            _densities(axes, values, logarithmic=title == "Intervals")
        grid[2].axvline(1.0, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        grid[3].axvline(0.0, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    if path is not None:
        figure.savefig(path)
    return figure


def _intervals(spikes: Any, skip: Any) -> np.ndarray:
    trains = trains_of(spikes, skip, None, None)
    order = np.argsort(trains.row, kind="stable")
    row, t = trains.row[order], trains.t[order]
    return np.diff(t)[row[1:] == row[:-1]]


def _densities(axes: "Axes", values: Mapping[str, np.ndarray], *, logarithmic: bool = False) -> None:
    """A histogram for each population on common bins, the mean in the legend."""
    known = {name: found[np.isfinite(found)] for name, found in values.items()}
    pooled = np.concatenate(list(known.values()))
    if not pooled.size:
        axes.text(0.5, 0.5, "too few spikes", ha="center", va="center", transform=axes.transAxes, color="0.4")
        return
    scale = np.log10 if logarithmic else np.asarray
    low, high = np.quantile(scale(pooled), [_TAIL, 1 - _TAIL])
    spread = float(high - low) or 1.0
    number = min(_BINS, max(8, round(len(pooled) ** 0.5)))
    edges = np.linspace(low - spread / number, low + spread * (1 + 1 / number), number + 3)
    peak = 0.0
    for k, (name, found) in enumerate(known.items()):
        if found.size:
            density = np.histogram(scale(found), edges)[0] / (len(found) * np.diff(edges))
            peak, colour = max(peak, density.max()), COLOURS[k % len(COLOURS)]
            at = 10**edges if logarithmic else edges
            axes.stairs(density, at, color=colour, label=f"{name}, mean {found.mean():.3g}")
            axes.stairs(density, at, color=colour, alpha=0.12, fill=True)
    if logarithmic:
        axes.set_xscale("log")
    axes.margins(x=0)
    axes.set_ylim(0, peak * (1.08 + 0.12 * len(known)))
    axes.legend(loc="upper right")
