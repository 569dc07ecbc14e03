"""Figure of a run: raster coloured by population, population rates and recorded traces, over one axis of time (ms).

Dots of the raster are rasterised, so that a PDF of thousands of neurons stays small. Nothing global of
matplotlib is used.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .spikes import SpikeView
from .statistics import population_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .result import Result

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#555555")
"""Colours that stay apart for colour-blind readers: Wong, Nat. Methods 8 (2011) 441, yellow left out."""

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
}
_MAX_DOTS = 400_000
_MAX_LINES = 5


def plot_result(result: "Result", *, skip: float = 0.0) -> "Figure":
    """Raster, rates and traces of a result, one above the other.

    Args:
        result: What to show.
        skip: Time left out at the beginning (ms).

    Raises:
        ValueError: Nothing was recorded, or `skip` leaves nothing.
    """
    import matplotlib

    if not 0 <= skip < result.t_stop - result.t_start:
        raise ValueError(f"`skip`: expected a time (ms) in [0, {result.t_stop - result.t_start:g}), got {skip:g} ms.")
    if not result.recorded:
        raise ValueError("nothing was recorded, so there is nothing to plot.")
    spiking = [part for part in result.parts if f"{part}.spikes" in result]
    rated = [part for part in result.parts if part in spiking or f"{part}.rate" in result]
    traced = [key for key in result.recorded if not key.endswith((".spikes", ".rate"))]
    colours = {part: COLOURS[k % len(COLOURS)] for k, part in enumerate([*rated, *_others(traced, rated)])}
    heights = [3.0] * bool(spiking) + [1.3] * bool(rated) + [1.1] * len(traced)
    with matplotlib.rc_context(STYLE):
        figure, axes = _stacked(heights, result.t_start + skip, result.t_stop)
        rest = iter(axes)
        if spiking:
            raster(next(rest), {part: result[part].spikes for part in spiking}, colours, skip=skip)
        if rated:
            _rates(next(rest), result, rated, colours, skip)
        for key in traced:
            _trace(next(rest), result, key, colours[key.rpartition(".")[0]], skip)
        axes[-1].set_xlabel("time (ms)")
        figure.align_ylabels(axes)
    return figure


def raster(axes: "Axes", spikes: dict[str, SpikeView], colours: dict[str, str], *, skip: float = 0.0) -> None:
    """Draw a dot a spike, populations one above the other; of a batch, the first trial.

    Args:
        axes: Where to draw.
        spikes: Spikes by name of the population.
        colours: Colour by name of the population.
        skip: Time left out at the beginning (ms).
    """
    shown = {name: _first_trial(view, skip) for name, view in spikes.items()}
    total = sum(len(t) for t, _ in shown.values())
    stride = max(1, -(-total // _MAX_DOTS))
    size = float(np.clip(3000 / max(total / stride, 1), 0.5, 8.0))
    base, ticks = 0, []
    for name, (t, column) in shown.items():
        neurons = len(spikes[name].ids)
        kept = column % stride == 0
        axes.scatter(t[kept], base + column[kept], s=size, c=colours[name], linewidths=0, rasterized=True, label=name)
        of = "" if neurons == spikes[name].size else f" of {spikes[name].size}"
        ticks.append((base + neurons / 2, f"{name}\n{neurons}{of}"))
        base += neurons
        if base < sum(len(view.ids) for view in spikes.values()):
            axes.axhline(base - 0.5, color="0.8", linewidth=0.6, zorder=0)
    axes.set_ylim(-0.5, max(base, 1) - 0.5)
    axes.set_yticks([at for at, _ in ticks], [label for _, label in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("neuron")
    notes = ["first trial"] * (next(iter(spikes.values())).batch is not None)
    notes += [f"every {stride}th neuron"] * (stride > 1)
    axes.set_title("Spikes" + (f" ({', '.join(notes)})" if notes else ""))


def _others(keys: Sequence[str], known: Sequence[str]) -> list[str]:
    parts = dict.fromkeys(key.rpartition(".")[0] for key in keys)
    return [part for part in parts if part not in known]


def _stacked(heights: Sequence[float], begin: float, end: float) -> tuple["Figure", list["Axes"]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 0.9 + 1.05 * sum(heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    axes = list(grid[:, 0])
    axes[0].set_xlim(begin, end)
    return figure, axes


def _first_trial(view: SpikeView, skip: float) -> tuple[np.ndarray, np.ndarray]:
    kept = view.t > view.t_start + skip
    if view.trial is not None:
        kept &= view.trial == 0
    return view.t[kept], view.rows[kept] % max(len(view.ids), 1)


def _rates(axes: "Axes", result: "Result", parts: Sequence[str], colours: dict[str, str], skip: float) -> None:
    for part in parts:
        key = f"{part}.rate"
        if key in result:
            t, hertz = result.times(key), result.value(key)
        else:
            width = max(1, round(1.0 / result.dt)) * result.dt
            t, hertz = population_rate(result[part].spikes, bin=width, skip=skip)
        mean = hertz.reshape(len(hertz), -1).mean(1)
        later = t > result.t_start + skip
        label = f"{part}, mean {mean[later].mean():.3g} Hz" if later.any() else part
        axes.plot(t[later], mean[later], color=colours[part], linewidth=0.8, label=label)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("rate (Hz)")
    axes.set_title("Population rate" + (f" (mean of {result.batch} trials)" if result.batch is not None else ""))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0, ncols=min(len(parts), 4))


def _trace(axes: "Axes", result: "Result", key: str, colour: str, skip: float) -> None:
    t, ids, variable = result.times(key), result.ids(key), key.rpartition(".")[2]
    later = np.flatnonzero(t > result.t_start + skip)
    begin = int(later[0]) if later.size else len(t)
    values = np.asarray(result.read(key, begin), np.float64)
    if result.batch is not None:
        values = values[:, 0]
    columns = values.reshape(len(values), -1)
    shades: Any = np.linspace(1.0, 0.35, min(columns.shape[1], _MAX_LINES))
    for k, shade in enumerate(shades):
        name = None if ids is None else f"{variable}[{ids[k]}]"
        axes.plot(t[begin:], columns[:, k], color=colour, alpha=float(shade), linewidth=0.8, label=name)
    unit = result.unit(key)
    axes.set_ylabel(f"{variable} ({unit})" if unit else variable)
    more = f" (first {_MAX_LINES} of {columns.shape[1]})" if columns.shape[1] > _MAX_LINES else ""
    axes.set_title(key + more)
    if ids is not None and 1 < columns.shape[1]:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0, ncols=len(shades))
