"""Histograms of one variable over time, such as those of the weights of a plastic projection.

density_j = n_j / (N (e_{j+1} - e_j))        N: all values that were counted, also those outside the bins
"""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HistogramView:
    """What `Histogram` recorded.

    Args:
        key: Name of the record.
        t: Times of the samples (ms), (samples,).
        edges: Edges of the bins, float64 (bins + 1,).
        binned: (samples, [batch], bins + 2): below the first edge, in each bin, above the last edge.
        size: Values that each sample counted.
        unit: Base unit of the edges.
        t_start: Time at which the run began (ms).

    Attributes:
        counts: Values in each bin, (samples, [batch], bins).
        below: Values below the first edge, (samples, [batch]).
        above: Values above the last edge, and those that are no number, (samples, [batch]).
    """

    def __init__(
        self,
        key: str,
        t: np.ndarray,
        edges: np.ndarray,
        binned: Any,
        *,
        size: int,
        unit: str = "",
        t_start: float = 0.0,
    ):
        self.key, self.t, self.edges, self.size, self.unit, self.t_start = key, t, edges, size, unit, t_start
        self.below, self.counts, self.above = binned[..., 0], binned[..., 1:-1], binned[..., -1]

    def first_trial(self, values: Any) -> np.ndarray:
        """`(samples, ...)` of `counts`, `density`, `below` or `above`: all of it, or of a batch the first trial."""
        return np.asarray(values if np.ndim(self.below) == 1 else values[:, 0])

    @property
    def density(self) -> Any:
        """Share of the values in each bin by its width (1 / unit), (samples, [batch], bins)."""
        return self.counts / (max(self.size, 1) * np.diff(self.edges)).astype(np.float32)

    def plot(self, path: str | os.PathLike[str] | None = None) -> "Figure":
        """The distribution over time as an image, and its first and last sample as curves; of a batch, the first trial.

        Args:
            path: Image file to write (PNG, PDF, SVG), or None.

        Raises:
            ValueError: There is no sample.
        """
        from .plot_histogram import plot_histogram

        figure = plot_histogram(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"HistogramView({self.key}: {len(self.t)} samples of {self.size} values, {len(self.edges) - 1} bins from "
            f"{self.edges[0]:g} to {self.edges[-1]:g}{unit})"
        )
