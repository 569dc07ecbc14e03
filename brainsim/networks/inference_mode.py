"""A model as it is used, no longer trained: dropout passes everything, batch statistics and delay kernels are fixed."""

import copy
from typing import Any

import jax


def inference_mode(model: Any, value: bool = True) -> Any:
    """The model with the field `inference` of every part that has one set; its parameters are the same arrays.

    The field is no leaf of the tree, so that `jax.jit` and `jax.grad` take a model in either mode and compile for each.

    Args:
        model: Model, layer, or any tree of such; parts of `equinox.nn` with a field of that name are set as well.
        value: True for inference, False for training.

    Raises:
        TypeError: `value` is no bool.
    """
    if not isinstance(value, bool):
        raise TypeError(f"`value`: expected True for inference or False for training, got {value!r}.")
    return jax.tree.map(lambda part: _switched(part, value) if _switches(part) else part, model, is_leaf=_switches)


def _switches(part: Any) -> bool:
    return hasattr(part, "inference")


def _switched(part: Any, value: bool) -> Any:
    part = copy.copy(part)
    object.__setattr__(part, "inference", value)  # a module is frozen to its users
    return part
