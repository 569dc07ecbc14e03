"""What a gradient may change: which parameters train, and what kind each one is.

By default weights and the biases of layers train, and whatever a part names in `trainable=`; a neuron's own parameters
(v_rest, v_th, i_bias, ...) never do unless they are named.
"""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._paths import Model, ParameterInfo, select


def mask(model: Model, paths: Iterable[str] | None = None) -> Any:
    """True where a parameter trains, False everywhere else: for `equinox.partition` and `optax.masked`.

    Args:
        model: Network or Sequential.
        paths: Parameters that train, such as `["*.weight", "E.tau_mem"]`. Default: what the model declares.

    Returns:
        A tree of the model's structure.

    Raises:
        ValueError: A path that matches no parameter; the message lists the nearest.
    """
    return _replace(model, False, dict.fromkeys(trained(model, paths), True))


def labels(model: Model, paths: Iterable[str] | None = None) -> Any:
    """The kind of every parameter that trains, "frozen" everywhere else: for `optax.multi_transform`.

    Args:
        model: Network or Sequential, or its trainable part as `equinox.partition` gives it.
        paths: Parameters that train, as in `mask`.

    Returns:
        A tree of the model's structure with "weight", "bias", "time_constant", "threshold", "delay", "other" or
        "frozen".
    """
    known = present(model)
    return _replace(model, "frozen", {path: known[path].kind for path in trained(model, paths)})


def trained(model: Model, paths: Iterable[str] | None = None) -> list[str]:
    """The paths of the parameters that train."""
    known = present(model)
    if paths is None:
        return [path for path, info in known.items() if info.trainable]
    return select("paths", paths, known)


def present(model: Model) -> dict[str, ParameterInfo]:
    """The floating parameters that the model, or a partitioned part of it, really holds."""
    return {path: info for path, info in model.parameters().items() if _is_floating(info.where(model))}


def _is_floating(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def _replace(model: Any, default: Any, values: dict[str, Any]) -> Any:
    """The model's tree with `default` at every leaf, but `values` at those paths."""
    known = model.parameters()
    tree = jax.tree.map(lambda _: default, model)
    if not values:
        return tree
    return eqx.tree_at(lambda m: [known[path].where(m) for path in values], tree, list(values.values()))
