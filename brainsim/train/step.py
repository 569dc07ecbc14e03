"""One step of training and of evaluation, compiled once for every shape of a batch."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import optax

from .. import _checks
from .._types import Array
from ..networks import absorb, inference_mode
from .batches import Batch
from .constrain import moved
from .gradients import method, online
from .gradients.stepwise import Stepwise
from .objective import Objective

Step = Callable[..., Any]
UPDATES = ("batch", "step")


def update_step(
    objective: Objective,
    optimizer: optax.GradientTransformationExtraArgs,
    gradient: str = "bptt",
    every: str = "batch",
) -> Step:
    """`update(params, opt_state, static, batch, key) -> (params, opt_state, static, figures)`.

    `static`, the rest of the model, changes where a layer keeps statistics of what it has seen (`absorb`).

    Args:
        objective: What to minimise.
        optimizer: As `constrain(optimizer, params)` gives it.
        gradient: Name of the way to the gradient, one of `gradient.METHODS`.
        every: "batch", or "step" for an update in every step of time; one of `gradient.ONLINE` can.
    """
    differentiate = method(gradient)
    _checks.choice("update", every, UPDATES)
    by_steps = Stepwise(online(gradient), objective, optimizer) if every == "step" else None

    @eqx.filter_jit
    def update(
        params: Any, opt_state: Any, static: Any, batch: Batch, key: Array
    ) -> tuple[Any, Any, Any, dict[str, Array]]:
        if by_steps is not None:
            changed, opt_state, outcome = by_steps(params, opt_state, static, batch, key)
            return changed, opt_state, static, outcome.figures
        outcome, slope = differentiate(objective, params, static, batch, key)
        heard = {"inputs": outcome.inputs, "lengths": batch.lengths} if outcome.inputs else {}
        changed, opt_state = moved(optimizer, slope, opt_state, params, **heard)
        trains = jax.tree.map(lambda leaf: leaf is not None, params, is_leaf=lambda leaf: leaf is None)
        changed, static = eqx.partition(absorb(eqx.combine(changed, static), outcome.state), trains)
        return changed, opt_state, static, outcome.figures

    return update


def evaluation_step(objective: Objective) -> Step:
    """`evaluate(params, static, batch, key) -> figures`."""

    @eqx.filter_jit
    def evaluate(params: Any, static: Any, batch: Batch, key: Array) -> dict[str, Array]:
        return objective(inference_mode(eqx.combine(params, static)), batch, key).figures

    return evaluate
