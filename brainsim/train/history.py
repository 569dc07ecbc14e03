"""What a training went through: the loss of every step, and the loss and metrics of every epoch."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass
class History:
    """Figures of a training.

    Attributes:
        steps: Training loss of every step, regularisers included.
        epochs: One row an epoch: "loss", metrics and mean rates ("rate/hidden", in Hz) over the training batches (each
            before its own update), the same over the validation data as "valid_loss", ..., and "seconds".
    """

    steps: list[float] = dataclasses.field(default_factory=list)
    epochs: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def __getitem__(self, name: str) -> np.ndarray:
        """A column of the epochs' table, such as `history["valid_accuracy"]`."""
        if not self.epochs or name not in self.epochs[0]:
            raise KeyError(f"no {name!r}; there are {', '.join(self.epochs[0]) if self.epochs else 'no epochs yet'}")
        return np.asarray([row[name] for row in self.epochs])

    def __len__(self) -> int:
        """Number of epochs."""
        return len(self.epochs)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {"steps": list(self.steps), "epochs": [dict(row) for row in self.epochs]}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "History":
        """Inverse of `to_dict`."""
        return cls(list(stored["steps"]), [dict(row) for row in stored["epochs"]])

    def to_csv(self, path: str | Path) -> None:
        """Write the table of the epochs: a column a figure, after one of the epoch's number.

        Args:
            path: File; its folder must be there.
        """
        names = dict.fromkeys(name for row in self.epochs for name in row)
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, ["epoch", *names], lineterminator="\n")
            table.writeheader()
            table.writerows({"epoch": number, **row} for number, row in enumerate(self.epochs, 1))

    def plot(self, path: str | Path | None = None) -> Any:
        """Curves of the loss and of every metric, training beside validation.

        Args:
            path: Where to save the figure; None saves nothing.

        Returns:
            The matplotlib figure.
        """
        from ..analysis.plot_training import training_curves

        return training_curves(self.steps, self.epochs, path)
