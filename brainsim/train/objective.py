"""What is minimised and what is reported: loss + regularisers, and metrics, of one batch.

objective(model, batch) = loss(out, y, lengths) + sum_r r(records)
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from .._types import Array, State
from ..recording import Rate
from ..simulate import run
from .batches import Batch
from .metrics import Metric

Loss = Callable[..., Array]


class Regulariser(Protocol):
    """A penalty on records, such as `losses.rate("1.spikes", 2*Hz, 50*Hz)`."""

    @property
    def record(self) -> tuple[str, ...]:
        """Paths that the run must record."""
        ...

    def __call__(self, records: dict[str, Array], *, dt: float, lengths: Array | None = None) -> Array:
        """The penalty, a scalar."""
        ...


class Outcome(NamedTuple):
    """What a model makes of a batch.

    Attributes:
        value: What is minimised, a scalar.
        figures: "loss" (the same number) and the metrics.
        state: The model's state after the run.
        inputs: What reached the layers that an optimizer listens to, `(time, batch, ...)` each.
    """

    value: Array
    figures: dict[str, Array]
    state: State
    inputs: dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Objective:
    """Loss, regularisers and metrics.

    Attributes:
        loss: `(out, y, mask) -> scalar`.
        regularize: Penalties on records.
        metrics: `(out, y, mask) -> scalar` by name.
        rates: Layers or populations whose mean rates are figures, as "rate/hidden" (Hz). Of their spikes no more is
            kept than how many there were in each step.
        heard: Layers whose input is asked for, with its record path; None is the model's own input.
    """

    loss: Loss
    regularize: tuple[Regulariser, ...]
    metrics: dict[str, Metric]
    rates: tuple[str, ...] = ()
    heard: Mapping[str, str | None] = dataclasses.field(default_factory=dict)

    def record(self, dt: float) -> tuple[str | Rate, ...]:
        """What the regularisers and rates need of a run in steps of `dt` ms."""
        paths = dict.fromkeys(path for penalty in self.regularize for path in penalty.record)
        paths |= dict.fromkeys(path for path in self.heard.values() if path is not None)
        rates = (Rate(name, bin=dt) for name in self.rates)
        return (*paths, *(rate for rate in rates if rate.key not in paths))

    def __call__(self, model: Any, batch: Batch, key: Array) -> Outcome:
        """Run the model on a batch; `key` is that of the noise."""
        out, state, records = run(model, batch.x, key=key, record=self.record(model.dt), lengths=batch.lengths)
        if out is None:
            raise ValueError("`model`: the network has no output to train: give `Network(..., outputs=...)`.")
        value = self.loss(out, batch.y, batch.lengths)
        for penalty in self.regularize:
            value = value + penalty(records, dt=model.dt, lengths=batch.lengths)
        inputs = {name: batch.x if path is None else records[path] for name, path in self.heard.items()}
        return Outcome(value, {"loss": value, **self.figures(out, records, batch)}, state, inputs)

    def figures(self, out: Array, records: dict[str, Array], batch: Batch) -> dict[str, Array]:
        """The metrics, and the mean rates (Hz) of what the records `Rate(name).key`, `(time, batch)`, hold."""
        figures = {name: metric(out, batch.y, batch.lengths) for name, metric in self.metrics.items()}
        for name in self.rates:
            rate = records[Rate(name).key]  # 0 after the end of a sequence
            steps = rate.size if batch.lengths is None else jnp.sum(batch.lengths)
            figures[f"rate/{name}"] = jnp.sum(rate) / jnp.asarray(steps, rate.dtype)
        return figures
