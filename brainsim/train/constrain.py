"""What training may not break: signs of weights (Dale's law), positive time constants, bounds of parameters.

    u' = clip(p + r u, low, high) - p

r is the parameter's rate, 1 but where a layer asks for slower learning. It scales what the optimizer made of the
gradient, since Adam and its like divide any scale of the gradient itself out again.
Floating-point p + u' can miss a bound other than 0 by one unit in the last place, so the parameters are clipped once
more after an update is applied; `fit` does, and `constrain(model)` does it in a loop of one's own.
Precedent: `optax.keep_params_nonnegative`.
"""

import math
from typing import Any, TypeVar, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .._paths import Model, ParameterInfo
from .mask import present

_Model = TypeVar("_Model", bound=Model)


@overload
def constrain(optimizer: optax.GradientTransformation, model: Model, /) -> optax.GradientTransformationExtraArgs: ...


@overload
def constrain(model: _Model, /) -> _Model: ...


def constrain(first: Any, model: Any = None, /) -> Any:
    """Keep every parameter of a model inside its bounds, and slow down those that are to learn slowly.

    `constrain(optimizer, model)` is an optax transformation whose updates have the rates of the parameters and never
    leave the bounds. `constrain(model)` is
    the model itself with its parameters clipped to their bounds.

    Args:
        first: The optimizer, or, alone, the model.
        model: Model, or its trainable part as `equinox.partition` gives it.
    """
    if model is None:
        return _clipped(first)
    changed = [info for info in present(model).values() if _is_bounded(info) or info.rate != 1]
    return _transformation(optax.with_extra_args_support(first), changed)


def moved(
    optimizer: optax.GradientTransformationExtraArgs, gradient: Any, opt_state: Any, params: Any, **heard: Any
) -> tuple[Any, Any]:
    """Parameters and the optimizer's state after one update, inside the bounds.

    Args:
        optimizer: As `constrain(optimizer, params)` gives it.
        gradient: A tree like `params`.
        opt_state: State of the optimizer.
        params: Trainable part of the model.
        **heard: What else the optimizer's `update` takes.
    """
    updates, opt_state = optimizer.update(gradient, opt_state, params, **heard)
    with jax.numpy_dtype_promotion("standard"):
        changed: Any = optax.apply_updates(params, updates)
    return _clipped(changed), opt_state


def _is_bounded(info: ParameterInfo) -> bool:
    return math.isfinite(info.low) or math.isfinite(info.high)


def _clipped(model: Any) -> Any:
    infos = [info for info in present(model).values() if _is_bounded(info)]
    if not infos:
        return model
    inside = [jnp.clip(info.where(model), info.low, info.high) for info in infos]
    return eqx.tree_at(lambda m: [info.where(m) for info in infos], model, inside)


def _transformation(
    optimizer: optax.GradientTransformationExtraArgs, infos: list[ParameterInfo]
) -> optax.GradientTransformationExtraArgs:
    def init(params: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.init(params)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        if params is None:
            raise ValueError("`params`: a constrained update needs them: `optimizer.update(updates, state, params)`.")
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(updates, state, params, **extra)
        if infos:
            kept = [_keep(info.where(params), info.where(updates), info) for info in infos]
            updates = eqx.tree_at(lambda m: [info.where(m) for info in infos], updates, kept)
        return updates, state

    return optax.GradientTransformationExtraArgs(init, update)


def _keep(value: jax.Array, update: jax.Array, info: ParameterInfo) -> jax.Array:
    return jnp.clip(value + info.rate * update.astype(value.dtype), info.low, info.high) - value
