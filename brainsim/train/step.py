"""One step of training and of evaluation, compiled once for every shape of a batch."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import optax

from .._types import Array
from .batches import Batch
from .constrain import constrain
from .objective import Objective

Step = Callable[..., Any]


def update_step(objective: Objective, optimizer: optax.GradientTransformationExtraArgs) -> Step:
    """`update(params, opt_state, static, batch, key) -> (params, opt_state, figures)`.

    Args:
        objective: What to minimise.
        optimizer: As `constrain(optimizer, params)` gives it.
    """

    @eqx.filter_jit
    def update(params: Any, opt_state: Any, static: Any, batch: Batch, key: Array) -> tuple[Any, Any, dict[str, Array]]:
        def value(params: Any) -> tuple[Array, dict[str, Array]]:
            return objective(eqx.combine(params, static), batch, key)

        gradient, figures = eqx.filter_grad(value, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        with jax.numpy_dtype_promotion("standard"):
            params = optax.apply_updates(params, updates)
        return constrain(params), opt_state, figures

    return update


def evaluation_step(objective: Objective) -> Step:
    """`evaluate(params, static, batch, key) -> figures`."""

    @eqx.filter_jit
    def evaluate(params: Any, static: Any, batch: Batch, key: Array) -> dict[str, Array]:
        return objective(eqx.combine(params, static), batch, key)[1]

    return evaluate
