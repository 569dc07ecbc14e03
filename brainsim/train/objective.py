"""What is minimised and what is reported: loss + regularisers, and metrics, of one batch.

objective(model, batch) = loss(out, y, lengths) + sum_r r(records)
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

from .._types import Array
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


@dataclasses.dataclass(frozen=True)
class Objective:
    """Loss, regularisers and metrics.

    Attributes:
        loss: `(out, y, mask) -> scalar`.
        regularize: Penalties on records.
        metrics: `(out, y, mask) -> scalar` by name.
    """

    loss: Loss
    regularize: tuple[Regulariser, ...]
    metrics: dict[str, Metric]

    def __call__(self, model: Any, batch: Batch, key: Array) -> tuple[Array, dict[str, Array]]:
        """The value to minimise, and "loss" (the same) with the metrics."""
        record = tuple(dict.fromkeys(path for penalty in self.regularize for path in penalty.record))
        out, _, records = run(model, batch.x, key=key, record=record, lengths=batch.lengths)
        if out is None:
            raise ValueError("`model`: the network has no output to train: give `Network(..., outputs=...)`.")
        value = self.loss(out, batch.y, batch.lengths)
        for penalty in self.regularize:
            value = value + penalty(records, dt=model.dt, lengths=batch.lengths)
        figures = {name: metric(out, batch.y, batch.lengths) for name, metric in self.metrics.items()}
        return value, {"loss": value, **figures}
