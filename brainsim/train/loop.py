"""The host's side of a training: batches in, figures out, one epoch after the other."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax

from .. import _streams
from .._types import Array
from .batches import Batch, Source, check_source, epoch_of
from .early_stopping import EarlyStopping
from .ema import Average
from .logging import Log
from .progress import Bar
from .resume import Saver
from .standing import Figures, Standing, mean_figures
from .step import Step


@dataclasses.dataclass(frozen=True)
class Loop:
    """A training's sources, compiled steps and habits.

    Attributes:
        train: Batches to train on.
        valid: Batches to evaluate after every epoch, or None.
        update: As `update_step` gives it.
        assess: As `evaluation_step` gives it.
        key: Key of the noise.
        saver: Writes checkpoints.
        average: Running average of the parameters, or None.
        stop: When to stop before the last epoch, or None.
        log: What is told the figures after every epoch.
        share: Puts a batch on the devices.
    """

    train: Source
    valid: Source | None
    update: Step
    assess: Step
    key: Array
    saver: Saver
    average: Average | None
    stop: EarlyStopping | None
    log: tuple[Log, ...]
    share: Callable[[Batch], Batch]

    def __post_init__(self):
        check_source("train", self.train)
        if self.valid is not None:
            check_source("valid", self.valid)

    def run(self, standing: Standing, epochs: int, progress: bool) -> Any:
        """Go on to the last epoch; returns the model that the training is for."""
        self.saver.restore(standing)
        with Bar(epochs, standing.epoch, progress) as bar:
            while standing.epoch < epochs and not self._over(standing):
                self._epoch(standing, bar)
        return standing.model(None if self.stop else self._served(standing))

    def _over(self, standing: Standing) -> bool:
        return self.stop is not None and standing.epoch - standing.best_epoch >= self.stop.patience

    def _served(self, standing: Standing) -> Any:
        """The parameters that validation and the result take."""
        if self.average is None or standing.step == 0:
            return standing.params
        return self.average.served(standing.average)

    def _epoch(self, standing: Standing, bar: Bar) -> None:
        """The present epoch, what remains of it, and its figures."""
        started = time.perf_counter()
        self._train(standing, bar)
        figures, params = mean_figures(standing.rows), self._served(standing)
        if self.valid is not None:
            figures |= {f"valid_{name}": value for name, value in self._evaluate(params, standing.static).items()}
        standing.finish_epoch({**figures, "seconds": time.perf_counter() - started})
        if self.stop is not None and self.stop.better(self.stop.of(figures), standing.best_figure):
            standing.remember(params, self.stop.of(figures))
        self.saver.save(standing)
        for log in self.log:
            log(standing.history)
        bar.epoch(standing.epoch, figures)

    def _train(self, standing: Standing, bar: Bar) -> None:
        """The rest of the present epoch: after an interruption, from the batch that was not done."""
        key = _streams.fold(self.key, "train")
        start = standing.batch
        for index, batch in enumerate(epoch_of("train", self.train, standing.epoch, start), start):
            step_key = jax.random.fold_in(key, standing.step)
            params, opt_state, static, figures = self.update(
                standing.params, standing.opt_state, standing.static, self.share(batch), step_key
            )
            figures = _numbers(figures)
            if not math.isfinite(figures["loss"]):
                raise FloatingPointError(
                    f"`loss` is {figures['loss']} at epoch {standing.epoch + 1}, step {standing.step + 1} "
                    f"(batch {index + 1} of the epoch); the step before was still finite."
                )
            standing.advance(params, opt_state, static, batch.size, figures)
            if self.average is not None:
                standing.average = self.average.advanced(params, standing.average)
            bar.step(figures["loss"], standing.step)
            self.saver.step(standing)

    def _evaluate(self, params: Any, static: Any) -> Figures:
        """Figures over all validation batches, with the same noise every time."""
        assert self.valid is not None
        key, rows = _streams.fold(self.key, "valid"), []
        for index, batch in enumerate(epoch_of("valid", self.valid, 0)):
            figures = self.assess(params, static, self.share(batch), jax.random.fold_in(key, index))
            rows.append((batch.size, _numbers(figures)))
        return mean_figures(rows)


def _numbers(figures: dict[str, Array]) -> Figures:
    return {name: float(figures[name]) for name in ("loss", *sorted(figures.keys() - {"loss"}))}
