"""The end of a training that no longer improves, and the way back to its best epoch."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

from .. import _checks


@dataclasses.dataclass(frozen=True)
class EarlyStopping:
    """Stop after `patience` epochs without a better figure, and return the model of the best epoch.

    Args:
        figure: Name of a figure of the history, such as "valid_loss" or "valid_accuracy".
        patience: Number of epochs.
        mode: "min" or "max"; None: "min" for a loss and "max" for an accuracy.
    """

    figure: str = "valid_loss"
    patience: int = 10
    mode: Literal["min", "max"] | None = None

    def __post_init__(self):
        _checks.within("patience", self.patience, low=1)
        if self.mode is None and "loss" not in self.figure and "accuracy" not in self.figure:
            raise ValueError(f'`mode`: expected "min" or "max", for nothing tells which is better for "{self.figure}".')
        if self.mode is not None:
            _checks.choice("mode", self.mode, ["min", "max"])

    def of(self, figures: Mapping[str, float]) -> float:
        """The figure among those of an epoch.

        Raises:
            ValueError: It is not there.
        """
        if self.figure not in figures:
            known = _checks.nearest(self.figure, figures)
            raise ValueError(f'`stop`: no figure "{self.figure}"; there are {known}. A "valid_..." needs `valid`.')
        return figures[self.figure]

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far."""
        if math.isnan(value) or best is None:
            return not math.isnan(value)
        falls = self.mode == "min" or (self.mode is None and "loss" in self.figure)
        return value < best if falls else value > best
