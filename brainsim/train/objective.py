"""What is minimised and what is reported: loss + regularisers, and metrics, of one batch.

objective(model, batch) = loss(out, y, lengths) + sum_r r(records)
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from .._types import Array, State
from ..simulate import run
from .batches import Batch
from .losses.regularise import mean_rate
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
    """

    value: Array
    figures: dict[str, Array]
    state: State


@dataclasses.dataclass(frozen=True)
class Objective:
    """Loss, regularisers and metrics.

    Attributes:
        loss: `(out, y, mask) -> scalar`.
        regularize: Penalties on records.
        metrics: `(out, y, mask) -> scalar` by name.
        rates: Paths of spikes whose mean rates are figures, as "rate/hidden" (Hz).
    """

    loss: Loss
    regularize: tuple[Regulariser, ...]
    metrics: dict[str, Metric]
    rates: tuple[str, ...] = ()

    @property
    def record(self) -> tuple[str, ...]:
        """Paths that the regularisers and rates need."""
        return tuple(dict.fromkeys((*(path for penalty in self.regularize for path in penalty.record), *self.rates)))

    def __call__(self, model: Any, batch: Batch, key: Array) -> Outcome:
        """Run the model on a batch; `key` is that of the noise."""
        out, state, records = run(model, batch.x, key=key, record=self.record, lengths=batch.lengths)
        if out is None:
            raise ValueError("`model`: the network has no output to train: give `Network(..., outputs=...)`.")
        value = self.loss(out, batch.y, batch.lengths)
        for penalty in self.regularize:
            value = value + penalty(records, dt=model.dt, lengths=batch.lengths)
        figures = {name: metric(out, batch.y, batch.lengths) for name, metric in self.metrics.items()}
        for path in self.rates:
            rate = mean_rate(records[path], dt=model.dt, lengths=batch.lengths)
            figures[f"rate/{path.removesuffix('.spikes')}"] = jnp.mean(rate)
        return Outcome(value, {"loss": value, **figures}, state)
