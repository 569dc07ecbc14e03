"""Is a model learning, and if not, why not: rates, gradients and how they pass, of one batch before any training.

    print(bs.diagnose(model, (x, y), loss=bs.losses.ce_sum))

Nothing is changed. The thresholds below say when a figure becomes a sentence.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..networks import Network, Sequential
from ..simulate import run
from .batches import Batch, as_batch
from .gradients.bptt import value_and_grad
from .losses import ce_sum, mse
from .losses.regularise import mean_rate
from .mask import mask, present
from .metrics import spiking
from .objective import Loss, Objective, Outcome
from .probe import emissions, probe
from .report import Part, Report

SILENT, BUSY, BUSY_RATE = 0.8, 0.5, 0.9
"""Fraction of neurons without a spike; fraction that spike in `BUSY_RATE` of the steps in which they could."""
FEW_HITS, WEAK, EXPLODED, WORSE = 0.01, 1e-6, 1e6, 5.0
"""Share of hits; gradient against the largest; growth over the whole run; loss against chance."""


def diagnose(
    model: Sequential | Network, batch: tuple[Any, ...], *, loss: Loss | None = None, key: int | Array = 0
) -> Report:
    """Look at one batch, forward and backward.

    Args:
        model: `Sequential`, or `Network` with `outputs`.
        batch: `(x, y)` or `(x, y, lengths)`, as `fit` takes them.
        loss: As in `fit`; None: `losses.ce_sum` where `y` is classes (batch,), `losses.mse` otherwise.
        key: Seed or JAX key of the noise.

    Returns:
        A report: `.ok`, `.problems` (a sentence each), `.parts`, `.to_dict()`; its text is a table.
    """
    held, key = as_batch("batch", batch), jax.random.key(key) if isinstance(key, int) else key
    classes = held.y.ndim == 1 and jnp.issubdtype(held.y.dtype, jnp.integer)
    loss = (ce_sum if classes else mse) if loss is None else loss
    params, static = eqx.partition(model, mask(model))
    outcome, gradient = _backward(loss, params, static, held, key)
    paths, wanted = spiking(model), dict.fromkeys((*spiking(model), *emissions(model)))
    out, _, records = _run(model, held.x, key=key, record=tuple(wanted), lengths=held.lengths)
    spikes = {path: records[path] for path in paths}
    parts = _rows(model, gradient, *_activity(model, spikes, held.lengths), *probe(model, held, records, key))
    chance = loss(jnp.zeros_like(out), held.y, held.lengths)
    report = Report(parts, float(outcome.value), float(chance), len(out), problems=())
    return dataclasses.replace(report, problems=(*_of_batch(held, out, classes), *_of_loss(report), *_of_parts(report)))


_run = eqx.filter_jit(run)


@eqx.filter_jit
def _backward(loss: Loss, params: Any, static: Any, batch: Batch, key: Array) -> tuple[Outcome, Any]:
    return value_and_grad(Objective(loss, (), {}), params, static, batch, key)


def _rows(model: Any, gradient: Any, rates: dict[str, Any], *columns: dict[str, Any]) -> tuple[Part, ...]:
    """A row for every part of which something is known; of layers that hold others, these have the rows."""
    if isinstance(model, Sequential):
        names = tuple(path for path, (layer, _) in model.places.items() if not layer.inside())
    else:
        names = (*model.populations, *model.projections, "network")
    norms = {name: _norm(gradient, name) for name in names}
    parts = []
    for name in names:
        figures = [column.get(name) for column in (rates, *columns, norms)]
        parts.append(Part(name, *(None if figure is None else float(figure) for figure in figures)))
    return tuple(part for part in parts if part != Part(part.name))


def _activity(model: Any, spikes: dict[str, Array], lengths: Array | None) -> tuple[dict[str, Any], ...]:
    """By part: mean rate, fraction of silent neurons, fraction that spike nearly always."""
    rates, dead, saturated = {}, {}, {}
    for path, values in spikes.items():
        name = path.removesuffix(".spikes")
        rate = mean_rate((values != 0).astype(values.dtype), dt=model.dt, lengths=lengths)
        most = 1000 / model.dt / (1 + _held(model, name))
        rates[name], dead[name] = jnp.mean(rate), jnp.mean(rate == 0)
        saturated[name] = jnp.mean(rate >= BUSY_RATE * most)
    return rates, dead, saturated


def _held(model: Any, name: str) -> int:
    """Steps for which a spike of a part silences its neuron."""
    info = model.parameters().get(f"{name}.t_ref")
    return 0 if info is None else int(np.max(np.round(np.asarray(info.where(model)) / model.dt)))


def _norm(gradient: Any, name: str) -> float | None:
    """Norm of the gradient to the parameters of a part; None where none of them trains."""
    infos = present(gradient)
    own = [info.where(gradient) for path, info in infos.items() if path.startswith(f"{name}.")]
    return math.sqrt(sum(float(jnp.sum(jnp.square(leaf))) for leaf in own)) if own else None


def _of_batch(batch: Batch, out: Array, classes: bool) -> Iterator[str]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(batch.x)]
    if not all(np.isfinite(leaf).all() for leaf in leaves):
        yield "x holds values that are not finite; look at how it is loaded and scaled."
    elif not any(leaf.any() for leaf in leaves):
        yield "x is 0 everywhere; look at how it is loaded and encoded."
    if classes and batch.y.size:
        low, high = int(batch.y.min()), int(batch.y.max())
        if low < 0 or high >= out.shape[-1]:
            yield (
                f"y goes from {low} to {high}, but the model has {out.shape[-1]} outputs, classes 0 to "
                f"{out.shape[-1] - 1}; subtract the first class, or give the last layer more outputs."
            )


def _of_loss(report: Report) -> Iterator[str]:
    if not math.isfinite(report.loss):
        yield f"the loss is {report.loss}."
    elif report.loss > WORSE * report.chance > 0:
        yield (
            f"the loss is {report.loss:.3g}, against {report.chance:.3g} of an output that is 0; "
            f"lower the scale of the last layer's weights."
        )


def _of_parts(report: Report) -> Iterator[str]:
    largest = max((part.gradient for part in report.parts if part.gradient is not None), default=0.0)
    for part in report.parts:
        silent = part.dead is not None and part.dead >= SILENT
        if silent:
            yield (
                f"{part.name}: {part.dead:.0%} of its neurons never spike; "
                f"raise the scale of the weights into it, or lower v_th."
            )
        if part.saturated is not None and part.saturated >= BUSY:
            yield (
                f"{part.name}: {part.saturated:.0%} of its neurons spike in nearly every step; "
                f"lower the scale of the weights into it, or raise v_th."
            )
        if part.hits is not None and part.hits < FEW_HITS and not silent:
            yield (
                f"{part.name}: its voltage is near the threshold in {part.hits:.2%} of all steps, so hardly any "
                f"gradient passes; take a wider surrogate, or weights of another scale."
            )
        if part.growth is not None and part.growth > 0 and report.steps * math.log(part.growth) > math.log(EXPLODED):
            whole = report.steps * math.log10(part.growth)
            yield (
                f"{part.name}: a small change of its state grows by {part.growth:.3g} in each step, 1e{whole:.0f} in "
                f"{report.steps} steps, so the gradient explodes; lower the recurrent weights."
            )
        if part.gradient is not None and not silent:
            yield from _of_gradient(part.name, part.gradient, largest)


def _of_gradient(name: str, gradient: float, largest: float) -> Iterator[str]:
    if not math.isfinite(gradient):
        yield f"{name}: its gradient is {gradient}."
    elif gradient == 0:
        yield f"{name}: its gradient is 0, nothing it does changes the loss; look at the parts after it."
    elif gradient < WEAK * largest:
        yield f"{name}: its gradient is {gradient / largest:.0e} of the largest; look at the parts after it."
