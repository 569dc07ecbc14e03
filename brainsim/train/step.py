"""One step of training and of evaluation, compiled once for every shape of a batch."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import optax

from .._types import Array
from ..networks import absorb, inference_mode
from .batches import Batch
from .constrain import constrain
from .gradients import method
from .objective import Objective

Step = Callable[..., Any]


def update_step(objective: Objective, optimizer: optax.GradientTransformationExtraArgs, gradient: str = "bptt") -> Step:
    """`update(params, opt_state, static, batch, key) -> (params, opt_state, static, figures)`.

    `static`, the rest of the model, changes where a layer keeps statistics of what it has seen (`absorb`).

    Args:
        objective: What to minimise.
        optimizer: As `constrain(optimizer, params)` gives it.
        gradient: Name of the way to the gradient, one of `gradient.METHODS`.
    """
    differentiate = method(gradient)

    @eqx.filter_jit
    def update(
        params: Any, opt_state: Any, static: Any, batch: Batch, key: Array
    ) -> tuple[Any, Any, Any, dict[str, Array]]:
        outcome, slope = differentiate(objective, params, static, batch, key)
        heard = {"inputs": outcome.inputs, "lengths": batch.lengths} if outcome.inputs else {}
        updates, opt_state = optimizer.update(slope, opt_state, params, **heard)
        with jax.numpy_dtype_promotion("standard"):
            changed: Any = optax.apply_updates(params, updates)
        trains = jax.tree.map(lambda leaf: leaf is not None, params, is_leaf=lambda leaf: leaf is None)
        changed, static = eqx.partition(absorb(eqx.combine(constrain(changed), static), outcome.state), trains)
        return changed, opt_state, static, outcome.figures

    return update


def evaluation_step(objective: Objective) -> Step:
    """`evaluate(params, static, batch, key) -> figures`."""

    @eqx.filter_jit
    def evaluate(params: Any, static: Any, batch: Batch, key: Array) -> dict[str, Array]:
        return objective(inference_mode(eqx.combine(params, static)), batch, key).figures

    return evaluate
