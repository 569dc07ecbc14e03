"""Where a training stands: everything the next step depends on, and what a checkpoint holds."""

import dataclasses
from typing import Any

from .history import History

Figures = dict[str, float]


@dataclasses.dataclass
class Standing:
    """A training between two steps; changed by `fit` as it goes.

    Attributes:
        params: Trainable part of the model.
        opt_state: State of the optimizer.
        epoch: Epochs done.
        batch: Batches done of the present epoch.
        step: Steps done.
        rows: Samples and figures of the batches done of the present epoch.
        history: Figures so far.
    """

    params: Any
    opt_state: Any
    epoch: int = 0
    batch: int = 0
    step: int = 0
    rows: list[tuple[int, Figures]] = dataclasses.field(default_factory=list)
    history: History = dataclasses.field(default_factory=History)

    def advance(self, params: Any, opt_state: Any, size: int, figures: Figures) -> None:
        """Take the result of one step."""
        self.params, self.opt_state = params, opt_state
        self.batch, self.step = self.batch + 1, self.step + 1
        self.rows.append((size, figures))
        self.history.steps.append(figures["loss"])

    def finish_epoch(self, row: Figures) -> None:
        """Close the epoch with its figures."""
        self.history.epochs.append(row)
        self.epoch, self.batch, self.rows = self.epoch + 1, 0, []

    @property
    def count(self) -> int:
        """Steps and epochs done: a number that grows with everything that happens."""
        return self.step + self.epoch

    @property
    def arrays(self) -> tuple[Any, Any]:
        """The part that is arrays."""
        return self.params, self.opt_state

    def numbers(self) -> dict[str, Any]:
        """The part that is plain numbers, for JSON (which keeps a float64 exactly)."""
        rows = [[size, figures] for size, figures in self.rows]
        places = {"epoch": self.epoch, "batch": self.batch, "step": self.step}
        return {**places, "rows": rows, "history": self.history.to_dict()}

    def restore(self, arrays: tuple[Any, Any], numbers: dict[str, Any]) -> None:
        """Inverse of `arrays` and `numbers`."""
        self.params, self.opt_state = arrays
        self.epoch, self.batch, self.step = (numbers[name] for name in ("epoch", "batch", "step"))
        self.rows = [(size, figures) for size, figures in numbers["rows"]]
        self.history = History.from_dict(numbers["history"])


def mean_figures(rows: list[tuple[int, Figures]]) -> Figures:
    """Figures of batches as means over samples."""
    total = sum(size for size, _ in rows)
    return {name: sum(size * figures[name] for size, figures in rows) / total for name in rows[0][1]}
