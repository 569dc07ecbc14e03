"""Training by gradient descent over batches, with figures, progress, and exact continuation after an interruption.

    params <- clip(params + optimizer(grad objective(params, batch_k, key_k)))        key_k = fold_in(key, k)

Every step depends on the parameters, the optimizer's state and the step's number alone, so a training that was killed
and started again ends in the same bits as one that was not. A loss that is not finite raises FloatingPointError, which
names epoch and step.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import optax

from .._types import Array
from .batches import Source
from .constrain import constrain
from .early_stopping import EarlyStopping
from .ema import Average
from .history import History
from .hlop import Listening
from .logging import Log
from .loop import Loop
from .mask import mask
from .metrics import RATE, Metric, named, spiking
from .objective import Loss, Objective, Regulariser
from .presynaptic import source
from .resume import Saver
from .sharding import placement
from .standing import Standing, changing
from .step import evaluation_step, update_step


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
    metrics: Iterable[str | Metric] = ("accuracy", "rate"),
    regularize: Iterable[Regulariser] = (),
    trainable: Iterable[str] | None = None,
    gradient: str = "bptt",
    update: Literal["batch", "step"] = "batch",
    ema: float | None = None,
    stop: EarlyStopping | None = None,
    key: int | Array = 0,
    devices: Sequence[Any] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: Literal["auto"] | bool = "auto",
    log: Iterable[Log] = (),
    progress: bool = True,
) -> Fit:
    """Train a model; it is not changed, the trained model is returned.

    Args:
        model: `Sequential`, or `Network` with `outputs`.
        train: Batches `(x, y)` or `(x, y, lengths)` with x (time, batch, ...) (a mapping of such for a `Network`):
            something that can be gone through again every epoch, or a function of the epoch. One with a `start`, as a
            loader has, makes no batch again when a training goes on in the middle of an epoch.
        loss: `(out, y, mask=None) -> scalar`, such as `losses.ce_sum`; the mask is `lengths`.
        optimizer: An optax optimizer, schedule and clipping included, or `train.hlop` of one; bounds are kept anyway.
        epochs: Number of epochs in all.
        valid: Batches to evaluate after every epoch, as for inference.
        metrics: "accuracy", "accuracy_max", "accuracy_softmax", "accuracy_first_spike", "rate", or functions like a
            loss.
        regularize: Penalties on records, such as `losses.rate("1.spikes", 2*Hz, 50*Hz)`.
        trainable: Paths of the parameters that train; None: weights, biases of layers, and what the model's parts name.
        gradient: Way to the gradient: "bptt", "eprop", "eventprop" or "ottt", a file of `train` each.
        update: When the parameters change: "batch", once after a batch; "step", in every step of time by the gradient
            of that step, for "eprop" and "ottt" (OTTT_O), a readout without memory and a loss that is a mean over the
            steps (`losses.ce_rate`, `losses.mse`). The optimizer then takes as many steps a batch as there are steps.
        ema: Decay of a running average of the parameters, which validation and the result then take; None: no average.
        stop: When to stop early; the model of the best epoch is returned.
        key: Seed or JAX key of the noise.
        devices: Devices that share every batch; None computes where JAX does by default.
        checkpoint: Folder to save to after every epoch; None saves nothing.
        checkpoint_every: Save also every so many steps.
        resume: "auto" goes on from the folder's checkpoint where there is one, True insists on one, False on none.
        log: Functions of the history, called after every epoch, such as `train.CSV("figures.csv")`.
        progress: Whether to show a progress bar.
    """
    share, copy = placement(devices)
    average = None if ema is None else Average(ema)
    objective = _objective(model, loss, regularize, tuple(metrics), optimizer)
    optimizer, standing = _start(copy(model), trainable, optimizer, average, stop)
    steps = update_step(objective, optimizer, gradient, update), evaluation_step(objective)
    saver, root = Saver(checkpoint, checkpoint_every, resume), jax.random.key(key) if isinstance(key, int) else key
    trained = Loop(train, valid, *steps, root, saver, average, stop, tuple(log), share).run(standing, epochs, progress)
    return Fit(trained, standing.history, TrainState(standing.opt_state, standing.epoch, standing.step))


def _objective(
    model: Any,
    loss: Loss,
    regularize: Iterable[Regulariser],
    metrics: tuple[str | Metric, ...],
    optimizer: optax.GradientTransformation,
) -> Objective:
    paths = spiking(model) if RATE in metrics else ()
    rates = tuple(path.removesuffix(".spikes") for path in paths)
    heard = {name: source(model, name) for name in optimizer.layers} if isinstance(optimizer, Listening) else {}
    return Objective(loss, tuple(regularize), named(metrics), rates, heard)


def _start(
    model: Any,
    trainable: Iterable[str] | None,
    optimizer: optax.GradientTransformation,
    average: Average | None,
    stop: EarlyStopping | None,
) -> tuple[optax.GradientTransformationExtraArgs, Standing]:
    """The optimizer that keeps bounds, and where a training begins."""
    params, static = eqx.partition(model, mask(model, trainable))
    if not jax.tree.leaves(params):
        raise ValueError("`trainable`: no parameter of the model trains.")
    optimizer = constrain(optimizer, params)
    standing = Standing(params, static, optimizer.init(params), runs=changing(model))
    standing.average = None if average is None else average.init(params)
    if stop is not None:
        standing.remember(params, None)
    return optimizer, standing
