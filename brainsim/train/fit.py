"""Training by gradient descent over batches, with figures, progress, and exact continuation after an interruption.

    params <- clip(params + optimizer(grad objective(params, batch_k, key_k)))        key_k = fold_in(key, k)

Every step depends on the parameters, the optimizer's state and the step's number alone, so a training that was killed
and started again ends in the same bits as one that was not.
"""

import dataclasses
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import optax

from .. import _streams
from .._types import Array
from .batches import Source, check_source, epoch_of
from .constrain import constrain
from .history import History
from .mask import mask
from .metrics import Metric, named
from .objective import Loss, Objective, Regulariser
from .progress import Bar
from .resume import Saver
from .standing import Figures, Standing, mean_figures
from .step import Step, evaluation_step, update_step


class TrainState(NamedTuple):
    """Where a training stands.

    Attributes:
        opt_state: State of the optimizer.
        epoch: Epochs done.
        step: Steps done.
    """

    opt_state: Any
    epoch: int
    step: int


class Fit(NamedTuple):
    """What `fit` returns.

    Attributes:
        model: The trained model.
        history: Loss of every step; loss and metrics of every epoch.
        state: Where the training stands.
    """

    model: Any
    history: History
    state: TrainState


def fit(
    model: Any,
    train: Source,
    *,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    epochs: int = 10,
    valid: Source | None = None,
    metrics: Iterable[str | Metric] = ("accuracy",),
    regularize: Iterable[Regulariser] = (),
    trainable: Iterable[str] | None = None,
    key: int | Array = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: Literal["auto"] | bool = "auto",
    progress: bool = True,
) -> Fit:
    """Train a model.

    Args:
        model: `Sequential`, or `Network` with `outputs`. It is not changed: the trained model is returned.
        train: Batches `(x, y)` or `(x, y, lengths)` with x (time, batch, ...) (a mapping of such for a `Network`):
            something that can be gone through again every epoch, or a function of the epoch.
        loss: `(out, y, mask=None) -> scalar`, such as `losses.ce_sum`; the mask is `lengths`.
        optimizer: An optax optimizer; bounds and signs of the parameters are kept whatever it does.
        epochs: Number of epochs in all.
        valid: Batches to evaluate after every epoch.
        metrics: "accuracy", "accuracy_max", or functions like a loss.
        regularize: Penalties on records, such as `losses.rate("1.spikes", 2*Hz, 50*Hz)`.
        trainable: Paths of the parameters that train; None: weights, biases of layers, and what the model's parts name.
        key: Seed or JAX key of the noise.
        checkpoint: Folder to save to after every epoch; None saves nothing.
        checkpoint_every: Save also every so many steps.
        resume: "auto" goes on from the folder's checkpoint where there is one, True insists on one, False on none.
        progress: Whether to show a progress bar.

    Returns:
        `Fit(model, history, state)`.

    Raises:
        FloatingPointError: The loss is not finite; the message names epoch and step.
    """
    for name, source in (("train", train), *([] if valid is None else [("valid", valid)])):
        check_source(name, source)
    params, static = eqx.partition(model, mask(model, trainable))
    if not jax.tree.leaves(params):
        raise ValueError("`trainable`: no parameter of the model trains.")
    optimizer = constrain(optimizer, params)
    loop = _Loop.of(static, Objective(loss, tuple(regularize), named(metrics)), optimizer, key)
    standing, saver = Standing(params, optimizer.init(params)), Saver(checkpoint, checkpoint_every, resume)
    saver.restore(standing)
    with Bar(epochs, standing.epoch, progress) as bar:
        while standing.epoch < epochs:
            loop.epoch(standing, train, valid, saver, bar)
    state = TrainState(standing.opt_state, standing.epoch, standing.step)
    return Fit(eqx.combine(standing.params, static), standing.history, state)


@dataclasses.dataclass(frozen=True)
class _Loop:
    """The host's side of a training: batches in, figures out."""

    static: Any
    key: Array
    update: Step
    assess: Step

    @classmethod
    def of(cls, static: Any, objective: Objective, optimizer: Any, key: int | Array) -> "_Loop":
        root = jax.random.key(key) if isinstance(key, int) else key
        return cls(static, root, update_step(objective, optimizer), evaluation_step(objective))

    def epoch(self, standing: Standing, train: Source, valid: Source | None, saver: Saver, bar: Bar) -> None:
        """The present epoch, what remains of it, and its figures."""
        started = time.perf_counter()
        self.train(standing, train, saver, bar)
        figures = mean_figures(standing.rows)
        if valid is not None:
            figures |= {f"valid_{name}": value for name, value in self.evaluate(standing, valid).items()}
        standing.finish_epoch({**figures, "seconds": time.perf_counter() - started})
        saver.save(standing)
        bar.epoch(standing.epoch, figures)

    def train(self, standing: Standing, train: Source, saver: Saver, bar: Bar) -> None:
        """The rest of the present epoch; batches that were done before an interruption are passed over."""
        key = _streams.fold(self.key, "train")
        for index, batch in enumerate(epoch_of("train", train, standing.epoch)):
            if index < standing.batch:
                continue
            step_key = jax.random.fold_in(key, standing.step)
            params, opt_state, figures = self.update(standing.params, standing.opt_state, self.static, batch, step_key)
            figures = _numbers(figures)
            if not math.isfinite(figures["loss"]):
                raise FloatingPointError(
                    f"`loss` is {figures['loss']} at epoch {standing.epoch + 1}, step {standing.step + 1} "
                    f"(batch {index + 1} of the epoch); the step before was still finite."
                )
            standing.advance(params, opt_state, batch.size, figures)
            bar.step(figures["loss"], standing.step)
            saver.step(standing)

    def evaluate(self, standing: Standing, valid: Source) -> Figures:
        """Figures over all validation batches, with the same noise every time."""
        key, rows = _streams.fold(self.key, "valid"), []
        for index, batch in enumerate(epoch_of("valid", valid, 0)):
            figures = self.assess(standing.params, self.static, batch, jax.random.fold_in(key, index))
            rows.append((batch.size, _numbers(figures)))
        return mean_figures(rows)


def _numbers(figures: dict[str, Array]) -> Figures:
    return {name: float(figures[name]) for name in ("loss", *sorted(figures.keys() - {"loss"}))}
