"""Figure of a training: the loss, and every metric of the epochs, training beside validation."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .plot import COLOURS, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NOT_SHOWN = ("epoch", "seconds")
_VALID = "valid_"


def training_curves(
    steps: Sequence[float], epochs: Sequence[Mapping[str, float]], path: str | os.PathLike[str] | None = None
) -> "Figure":
    """Curves over epochs: one panel for the loss (single steps in pale), and one for each metric.

    Args:
        steps: Training loss of every step.
        epochs: One row an epoch: "loss", metrics, and the same with "valid_" in front for the validation data. Metrics
            named "rate..." share a panel.
        path: Image file to write (PNG, PDF, SVG), or None.

    Raises:
        ValueError: No epoch has been finished.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not epochs:
        raise ValueError("`epochs`: expected at least one finished epoch, got none.")
    names = dict.fromkeys(name.removeprefix(_VALID) for row in epochs for name in row if name not in _NOT_SHOWN)
    rates = [name for name in names if name.startswith("rate")]
    panels = [[name] for name in names if name not in rates] + [rates] * bool(rates)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * len(panels), 2.8), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(1, len(panels), squeeze=False)
        for axes, shown in zip(grid[0], panels, strict=True):
            if shown == ["loss"] and len(steps):
                at = (np.arange(len(steps)) + 0.5) * len(epochs) / len(steps)
                axes.plot(at, steps, color=COLOURS[0], alpha=0.25, linewidth=0.7, label="each step")
            _panel(axes, epochs, shown)
            if shown == ["loss"] and all(value > 0 for value in steps):
                axes.set_yscale("log")
    if path is not None:
        figure.savefig(path)
    return figure


def _panel(axes: "Axes", epochs: Sequence[Mapping[str, float]], names: Sequence[str]) -> None:
    x = np.arange(1, len(epochs) + 1)
    together = len(names) > 1
    for k, name in enumerate(names):
        for prefix, style, kind in (("", "o-", "training"), (_VALID, "s--", "validation")):
            y = np.asarray([row.get(prefix + name, np.nan) for row in epochs], np.float64)
            if np.isnan(y).all():
                continue
            colour = COLOURS[(k if together else len(prefix) > 0) % len(COLOURS)]
            label = f"{name.removeprefix('rate').strip('_/. ')}, {kind}" if together else kind
            axes.plot(x, y, style, color=colour, markersize=3, label=label)
    title = "Firing rate" if together else names[0].replace("_", " ").capitalize()
    axes.set_title(title)
    axes.set_ylabel("rate (Hz)" if together or names[0].startswith("rate") else names[0].replace("_", " "))
    axes.set_xlabel("epoch")
    axes.set_xlim(0, len(epochs) + 0.5)
    axes.locator_params(axis="x", integer=True)
    axes.legend()
