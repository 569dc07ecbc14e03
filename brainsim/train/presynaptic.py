"""What reaches the weights of a layer, as rows of a matrix, and those weights as the matrix that the rows meet.

    y = rows(x) M        x (time, batch, ...) -> rows (rows, d);   weight <-> M (d, n_out)

A row is the input of a `Linear` at one step of one sample, and in a convolution every patch that the kernel sees.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from .._types import Array
from ..networks import Sequential
from ..networks.layers import Conv1d, Conv2d, Layer, Linear
from ..networks.layers.conv import Conv


def weighted(model: Any, path: str, argument: str = "subspaces") -> Linear | Conv:
    """The layer of a name, whose weights are one matrix; `argument` is what the name came from, for messages.

    Raises:
        TypeError: The model is no `Sequential`.
        ValueError: No such layer, or one of another kind.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"`model`: expected a Sequential, got a {type(model).__name__}.")
    if path not in model.names:
        raise ValueError(f"`{argument}`: expected layers of the model, {', '.join(model.names)}, got {path!r}.")
    layer = model.row[path]
    why = _unfit(layer)
    if why is not None:
        raise ValueError(f"`{argument}`: layer {path}, {layer!r}, {why}.")
    assert isinstance(layer, Linear | Conv)
    return layer


def _unfit(layer: Layer) -> str | None:
    if type(layer) not in (Linear, Conv1d, Conv2d):
        return "is neither Linear nor a convolution"
    if isinstance(layer, Linear) and layer.delays is not None:
        return "has delays: what a weight meets is spread over time"
    if isinstance(layer, Conv) and layer.groups > 1:
        return f"has {layer.groups} groups, whose weights are no one matrix"
    return None


def source(model: Sequential, path: str) -> str | None:
    """The record path of what reaches a weighted layer; None: it is the model's input."""
    weighted(model, path)
    index = model.names.index(path)
    return None if index == 0 else f"{model.names[index - 1]}.{model.layers[index - 1].emission}"


def width(layer: Linear | Conv) -> int:
    """d, the number of inputs that a neuron's weights meet."""
    return layer.n_in if isinstance(layer, Linear) else layer.c_in * math.prod(layer.kernel)


def rows(model: Sequential, path: str, x: Array) -> Array:
    """Inputs of a layer over time, `(time, batch, ...)`, as `(rows, d)`, each sample's step after the other."""
    layer = weighted(model, path)
    if isinstance(layer, Linear):
        return x.reshape(-1, layer.n_in)
    shape = model.shapes[model.names.index(path)]
    patches = jax.lax.conv_general_dilated_patches(
        x.reshape(-1, *shape),
        layer.kernel,
        layer.stride,
        layer.padding.upper() if isinstance(layer.padding, str) else [(p, p) for p in layer.padding],
        rhs_dilation=layer.dilation,
    )
    return jnp.moveaxis(patches, 1, -1).reshape(-1, width(layer))


def matrix(layer: Linear | Conv, weight: Array) -> Array:
    """A weight as `(d, n_out)`."""
    if isinstance(layer, Linear):
        return weight
    return jnp.moveaxis(weight, 1, -1).reshape(-1, layer.c_out)


def weight(layer: Linear | Conv, matrix: Array) -> Array:
    """Inverse of `matrix`."""
    if isinstance(layer, Linear):
        return matrix
    return jnp.moveaxis(matrix.reshape(layer.c_in, *layer.kernel, layer.c_out), -1, 1)
