"""Figures of a network: who is connected to whom, and how the weights of every projection are distributed."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .plot import COLOURS, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELLS = 400
"""Cells a side into which larger matrices are binned."""


def plot_connectivity(network: Any, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Matrix of the connections, presynaptic neurons down and postsynaptic neurons across, coloured by the population
    that a connection comes from; beside it the distribution of in-degrees of every projection.

    Large networks are binned: the darkness of a cell is then the number of synapses in it.

    Args:
        network: A `Network` with at least one projection.
        path: Image file to write (PNG, PDF, SVG), or None.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _connected(network)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.9), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        matrix, degrees = figure.subplots(1, 2, width_ratios=(1.25, 1))
        _matrix(matrix, network)
        _degrees(degrees, network)
    if path is not None:
        figure.savefig(path)
    return figure


def plot_weights(network: Any, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Histogram of the weights of every projection, in their unit, a panel each.

    Args:
        network: A `Network` with at least one projection; of a plastic one, what `absorb(network, state)` gives.
        path: Image file to write (PNG, PDF, SVG), or None.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _connected(network)
    known = list(network.projections.items())
    across = 2 if len(known) == 4 else min(len(known), 3)
    down = -(-len(known) // across)
    colours = _colours(network)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.3 + 1.9 * down), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for axes, (name, connection) in zip(grid, known, strict=False):
            _weights(axes, np.asarray(connection.edges.weight), colours[connection.pre])
            axes.set_title(name)
            axes.set_xlabel(f"weight ({connection.synapse.weight_unit})")
        for axes in grid[len(known) :]:
            axes.set_axis_off()
        for axes in grid[::across]:
            axes.set_ylabel("synapses")
    if path is not None:
        figure.savefig(path)
    return figure


def _connected(network: Any) -> None:
    if not getattr(network, "projections", None):
        raise ValueError("`network`: expected a Network with projections.")


def _colours(network: Any) -> dict[str, str]:
    return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(network.populations)}


def _offsets(network: Any, ends: list[str]) -> dict[str, int]:
    """Where each population begins, of those that a projection starts from or ends in."""
    sizes = {name: population.size for name, population in network.populations.items() if name in ends}
    return dict(zip(sizes, np.concatenate([[0], np.cumsum(list(sizes.values()))[:-1]]).tolist(), strict=True))


def _matrix(axes: "Axes", network: Any) -> None:
    from matplotlib.colors import to_rgb

    known = network.projections.values()
    rows, columns = _offsets(network, [c.pre for c in known]), _offsets(network, [c.post for c in known])
    height, width = (sum(network.populations[name].size for name in ends) for ends in (rows, columns))
    cell = max(1, -(-max(height, width) // _CELLS))
    shape = (-(-height // cell), -(-width // cell))
    counts = {}
    for connection in known:
        edges = connection.edges
        at = (rows[connection.pre] + edges.pre) // cell * shape[1] + (columns[connection.post] + edges.post) // cell
        found = np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape)
        counts[connection.pre] = counts.get(connection.pre, 0) + found
    ceiling = max(1.0, float(np.quantile(np.concatenate([c[c > 0] for c in counts.values()] or [[1]]), 0.99)))
    image = np.ones((*shape, 3))
    for name, found in counts.items():
        shade = np.minimum(found / ceiling, 1.0)[..., None]
        image -= shade * (1 - np.asarray(to_rgb(_colours(network)[name])))
    axes.imshow(np.clip(image, 0, 1), extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
    for offsets, draw in ((rows, axes.axhline), (columns, axes.axvline)):
        for begin in list(offsets.values())[1:]:
            draw(begin, color="0.4", linewidth=0.6)
    _named(axes.set_xticks, network, columns)
    _named(axes.set_yticks, network, rows)
    axes.tick_params(length=0)
    axes.set_xlabel("to")
    axes.set_ylabel("from")
    axes.spines[["top", "right"]].set_visible(True)
    binned = f", cells of {cell} x {cell}" if cell > 1 else ""
    axes.set_title(f"Connections ({sum(c.n_synapses for c in known):,} synapses{binned})")


def _named(ticks: Any, network: Any, offsets: dict[str, int]) -> None:
    sizes = {name: network.populations[name].size for name in offsets}
    ticks([begin + sizes[name] / 2 for name, begin in offsets.items()], [f"{n}\n{size:,}" for n, size in sizes.items()])


def _degrees(axes: "Axes", network: Any) -> None:
    """How many synapses of each projection its targets get; the style of the line tells projections of one source."""
    colours, seen = _colours(network), dict.fromkeys(network.populations, 0)
    for name, connection in network.projections.items():
        degree = np.bincount(np.asarray(connection.edges.post), minlength=connection.n_post)
        values, neurons = np.unique(degree, return_counts=True)
        width = max(1, (int(values[-1]) - int(values[0])) // 40)
        edges = np.arange(int(values[0]), int(values[-1]) + width + 1, width) - 0.5
        share = np.histogram(values, edges, weights=neurons)[0] / connection.n_post / width
        style = ("-", "--", ":", "-.")[seen[connection.pre] % 4]
        seen[connection.pre] += 1
        label = f"{name}, mean {degree.mean():.3g}"
        axes.stairs(share, edges, color=colours[connection.pre], linestyle=style, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("synapses on a neuron")
    axes.set_ylabel("share of neurons")
    axes.set_title("In-degree")
    axes.legend(loc="best")


def _weights(axes: "Axes", weights: np.ndarray, colour: str) -> None:
    if not weights.size:
        axes.text(0.5, 0.5, "no synapses", ha="center", va="center", transform=axes.transAxes, color="0.4")
        return
    low, high = float(weights.min()), float(weights.max())
    spread = (high - low) or max(abs(low), 1.0) * 0.2
    begin = low if high > low else low - spread / 2
    edges = np.linspace(begin, begin + spread, 42)  # an odd number of bins: equal weights lie in the middle one
    axes.stairs(np.histogram(weights, edges)[0], edges, color=colour, fill=True, alpha=0.8)
    axes.axvline(float(weights.mean()), color="0.2", linewidth=0.8, linestyle=":")
    sd = f"\nsd {weights.std():.3g}" if high > low else "\nall equal"
    axes.text(0.97, 0.95, f"mean {weights.mean():.3g}{sd}", ha="right", va="top", transform=axes.transAxes, fontsize=8)
    axes.locator_params(axis="x", nbins=5)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
