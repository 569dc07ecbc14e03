"""Backpropagation through time: the gradient of the unrolled network, surrogate derivatives in place of spikes'.

    dL/dtheta = sum_t dL/ds_t ds_t/dtheta,     dL/ds_t = (ds_{t+1}/ds_t)^T dL/ds_{t+1} + dl_t/ds_t

Memory grows with the number of steps. Neftci, Mostafa and Zenke, IEEE Signal Process. Mag. 36(6) (2019) 51.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx

from ..._types import Array
from ..batches import Batch
from ..objective import Outcome

Evaluate = Callable[[Any, Batch, Array], Outcome]


def value_and_grad(objective: Evaluate, params: Any, static: Any, batch: Batch, key: Array) -> tuple[Outcome, Any]:
    """What the model makes of a batch, and the gradient of its value with respect to `params`.

    Args:
        objective: What to minimise, an `Objective` or another function `(model, batch, key) -> outcome`.
        params: Trainable part of the model, as `equinox.partition` gives it.
        static: The rest of the model.
        batch: Inputs and targets.
        key: Key of the noise.
    """

    def value(params: Any) -> tuple[Array, Outcome]:
        outcome = objective(eqx.combine(params, static), batch, key)
        return outcome.value, outcome

    (_, outcome), gradient = eqx.filter_value_and_grad(value, has_aux=True)(params)
    return outcome, gradient
