"""Figure of a distribution over time: an image (time across, value up), and the first and the last sample as curves.

The darkness of a cell is the density at that time. What lies outside the bins is said in numbers.
"""

from typing import TYPE_CHECKING

from .histogram import HistogramView
from .plot import COLOURS, STYLE, distribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_histogram(view: HistogramView) -> "Figure":
    """Image and curves of a recorded histogram; of a batch, the first trial.

    Args:
        view: What was recorded.

    Raises:
        ValueError: There is no sample.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not len(view.t):
        raise ValueError(f'"{view.key}" has no sample, so there is nothing to plot.')
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.4), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        image, curves = figure.subplots(1, 2, sharey=True, width_ratios=(2.2, 1))
        distribution(image, view)
        image.set_xlabel("time (ms)")
        _curves(curves, view)
    return figure


def _curves(axes: "Axes", view: HistogramView) -> None:
    density = view.first_trial(view.density)
    for at, colour in dict(zip((0, len(view.t) - 1), COLOURS, strict=False)).items():
        axes.stairs(density[at], view.edges, orientation="horizontal", color=colour, label=f"{view.t[at]:g} ms")
    axes.set_xlim(left=0)
    axes.set_xlabel(f"density (1/{view.unit})" if view.unit else "density")
    axes.set_title("First and last")
    axes.legend(loc="best")
