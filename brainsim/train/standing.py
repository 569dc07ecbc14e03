"""Where a training stands: everything the next step depends on, and what a checkpoint holds."""

import dataclasses
from typing import Any

import equinox as eqx
import jax

from .._types import State
from ..networks import absorb
from .history import History

Figures = dict[str, float]


@dataclasses.dataclass
class Standing:
    """A training between two steps; changed by `fit` as it goes.

    Attributes:
        params: Trainable part of the model.
        static: The rest of the model.
        opt_state: State of the optimizer.
        average: State of the parameters' running average, or None.
        best: Parameters and running statistics of the best epoch, where one is looked for, or None.
        best_figure: The figure it was best in; None before the first epoch.
        best_epoch: Number of epochs done when it was found.
        epoch: Epochs done.
        batch: Batches done of the present epoch.
        step: Steps done.
        rows: Samples and figures of the batches done of the present epoch.
        history: Figures so far.
        runs: True where `static` holds statistics that change with every step.
    """

    params: Any
    static: Any
    opt_state: Any
    average: Any = None
    best: Any = None
    best_figure: float | None = None
    best_epoch: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    rows: list[tuple[int, Figures]] = dataclasses.field(default_factory=list)
    history: History = dataclasses.field(default_factory=History)
    runs: Any = False

    def advance(self, params: Any, opt_state: Any, static: Any, size: int, figures: Figures) -> None:
        """Take the result of one step."""
        self.params, self.opt_state, self.static = params, opt_state, static
        self.batch, self.step = self.batch + 1, self.step + 1
        self.rows.append((size, figures))
        self.history.steps.append(figures["loss"])

    def finish_epoch(self, row: Figures) -> None:
        """Close the epoch with its figures."""
        self.history.epochs.append(row)
        self.epoch, self.batch, self.rows = self.epoch + 1, 0, []

    def remember(self, params: Any, figure: float | None) -> None:
        """Take the present epoch, with these parameters, for the best one."""
        self.best, self.best_figure, self.best_epoch = (params, self.running), figure, self.epoch

    @property
    def running(self) -> Any:
        """The part of `static` that changes with every step."""
        return eqx.filter(self.static, self.runs)

    def model(self, params: Any = None) -> Any:
        """The model with these parameters, or as of the best epoch."""
        if params is not None:
            return eqx.combine(params, self.static)
        params, running = self.best
        return eqx.combine(params, running, self.static)

    @property
    def count(self) -> int:
        """Steps and epochs done: a number that grows with everything that happens."""
        return self.step + self.epoch

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The part that is arrays."""
        return self.params, self.running, self.opt_state, self.average, self.best

    def numbers(self) -> dict[str, Any]:
        """The part that is plain numbers, for JSON (which keeps a float64 exactly)."""
        places = {name: getattr(self, name) for name in ("epoch", "batch", "step", "best_figure", "best_epoch")}
        rows = [[size, figures] for size, figures in self.rows]
        return {**places, "rows": rows, "history": self.history.to_dict()}

    def restore(self, arrays: tuple[Any, ...], numbers: dict[str, Any]) -> None:
        """Inverse of `arrays` and `numbers`."""
        self.params, running, self.opt_state, self.average, self.best = arrays
        self.static = eqx.combine(running, self.static)
        for name in ("epoch", "batch", "step", "best_figure", "best_epoch"):
            setattr(self, name, numbers[name])
        self.rows = [(size, figures) for size, figures in numbers["rows"]]
        self.history = History.from_dict(numbers["history"])


def mean_figures(rows: list[tuple[int, Figures]]) -> Figures:
    """Figures of batches as means over samples."""
    total = sum(size for size, _ in rows)
    return {name: sum(size * figures[name] for size, figures in rows) / total for name in rows[0][1]}


def changing(model: Any) -> Any:
    """True where a leaf of the model is a statistic that `absorb` writes back after a run, False elsewhere."""
    found: list[Any] = []

    def watched(arrays: Any, state: State) -> None:
        whole = eqx.combine(arrays, rest)
        found.append(jax.tree.map(lambda old, new: old is not new, whole, absorb(whole, state)))

    arrays, rest = eqx.partition(model, eqx.is_array)
    jax.eval_shape(watched, arrays, jax.eval_shape(lambda: model.init_state(1)))
    return found[0]
