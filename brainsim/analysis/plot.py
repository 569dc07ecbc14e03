"""Figure of a run: raster coloured by population, population rates, traces and histograms over one axis of time (ms).

With `spectrum` there is a last panel of the power spectra of the rates over frequency (Hz). Dots of the raster are
rasterised, so that a PDF of thousands of neurons stays small. Nothing global of matplotlib is used.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .histogram import HistogramView
from .spectrum import psd
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
_MIN_SAMPLES = 64
_SEGMENT = 500.0
"""Longest segment of a spectrum (ms)."""


def plot_result(result: "Result", *, skip: float = 0.0, spectrum: bool = False) -> "Figure":
    """Raster, rates, traces and histograms of a result, one above the other.

    Args:
        result: What to show.
        skip: Time left out at the beginning (ms).
        spectrum: Whether to add the power spectra of the population rates.

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
    spectrum = spectrum and bool(rated)
    with matplotlib.rc_context(STYLE):
        figure, axes, last = _stacked(heights, result.t_start + skip, result.t_stop, more=2.0 * spectrum)
        rest = iter(axes)
        if spiking:
            raster(next(rest), {part: result[part].spikes for part in spiking}, colours, skip=skip)
        if rated:
            _rates(next(rest), result, rated, colours, skip)
        for key in traced:
            if key.endswith("_histogram") and isinstance(view := result.value(key), HistogramView):
                distribution(next(rest), view, skip=skip)
            else:
                _trace(next(rest), result, key, colours[key.rpartition(".")[0]], skip)
        axes[-1].set_xlabel("time (ms)")
        if last is not None:
            _spectra(last, result, rated, colours, skip)
        figure.align_ylabels([*axes, *([last] if last is not None else [])])
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


def distribution(axes: "Axes", view: HistogramView, *, skip: float = 0.0) -> None:
    """Draw the density over time as an image.

    Args:
        axes: Where to draw; its horizontal axis is the time (ms).
        view: What was recorded.
        skip: Time left out at the beginning (ms).
    """
    shown = view.t > view.t_start + skip
    if not shown.any():
        return
    t, density = view.t[shown], view.first_trial(view.density)[shown]
    width = t[1] - t[0] if len(t) > 1 else max(float(t[0] - view.t_start), 1.0)
    times = np.concatenate([[t[0] - width], t])  # a sample stands for the time since the one before
    axes.pcolormesh(times, view.edges, density.T, cmap="Greys", vmin=0.0, rasterized=True)
    variable = view.key.rpartition(".")[2].removesuffix("_histogram")
    axes.set_ylabel(f"{variable} ({view.unit})" if view.unit else variable)
    lost = int(view.first_trial(view.below + view.above).max())
    outside = f" (up to {lost} of {view.size} outside)" if lost else ""
    axes.set_title(f"{view.key}{outside}")


def _others(keys: Sequence[str], known: Sequence[str]) -> list[str]:
    parts = dict.fromkeys(key.rpartition(".")[0] for key in keys)
    return [part for part in parts if part not in known]


def _stacked(
    heights: Sequence[float], begin: float, end: float, more: float
) -> tuple["Figure", list["Axes"], "Axes | None"]:
    """Panels over one axis of time, and one below with an axis of its own where `more` > 0."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    all_heights = [*heights, *([more] if more else [])]
    figure = Figure(figsize=(7.2, 0.9 + 1.05 * sum(all_heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(all_heights), 1, squeeze=False, height_ratios=all_heights)
    axes = list(grid[: len(heights), 0])
    for upper in axes[:-1]:
        upper.sharex(axes[-1])
        upper.tick_params(labelbottom=False)
    axes[-1].set_xlim(begin, end)
    return figure, axes, grid[-1, 0] if more else None


def _first_trial(view: SpikeView, skip: float) -> tuple[np.ndarray, np.ndarray]:
    kept = view.t > view.t_start + skip
    if view.trial is not None:
        kept &= view.trial == 0
    return view.t[kept], view.rows[kept] % max(len(view.ids), 1)


def _rate_of(result: "Result", part: str, skip: float) -> tuple[np.ndarray, np.ndarray]:
    """(times, mean over trials of the rate in Hz), after `skip`."""
    key = f"{part}.rate"
    if key in result:
        t, hertz = result.times(key), result.value(key)
    else:
        width = max(1, round(1.0 / result.dt)) * result.dt
        t, hertz = population_rate(result[part].spikes, bin=width, skip=skip)
    later = t > result.t_start + skip
    return t[later], hertz.reshape(len(hertz), -1).mean(1)[later]


def _spectra(axes: "Axes", result: "Result", parts: Sequence[str], colours: dict[str, str], skip: float) -> None:
    shown = False
    for part in parts:
        t, hertz = _rate_of(result, part, skip)
        if len(t) < _MIN_SAMPLES or not hertz.any():
            continue
        frequency, power = psd(hertz[1:-1], t[2] - t[1], segment=min(_SEGMENT, (t[-1] - t[0]) / 2))
        axes.loglog(frequency[1:], power[1:], color=colours[part], linewidth=0.9, label=part)
        shown = True
    if not shown:
        axes.text(0.5, 0.5, "too short or silent", ha="center", va="center", transform=axes.transAxes, color="0.4")
        return
    axes.margins(x=0)
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("power (Hz\u00b2/Hz)")
    axes.set_title("Spectrum of the population rate")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0, ncols=min(len(parts), 4))


def _rates(axes: "Axes", result: "Result", parts: Sequence[str], colours: dict[str, str], skip: float) -> None:
    for part in parts:
        t, mean = _rate_of(result, part, skip)
        label = f"{part}, mean {mean.mean():.3g} Hz" if len(t) else part
        axes.plot(t, mean, color=colours[part], linewidth=0.8, label=label)
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
