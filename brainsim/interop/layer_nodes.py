"""Layers as NIR nodes, and back: weights (out, in) in the file are (in, out) here; axes are (channels, x, y) in both.

Affine, Linear, Scale, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, Delay, Threshold, and the neurons of
`neuron_nodes`.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._checks import steps
from ..networks import layers
from ..networks.layers import Layer
from . import neuron_nodes
from .convention import Convention, Report
from .neuron_nodes import Fields


def layer_of(kind: str, fields: Fields, convention: Convention, reset: str, report: Report) -> Layer:
    """The layer that a node describes.

    Args:
        kind: Kind of the node.
        fields: The node's fields.
        convention: Unit of times, step and scheme.
        reset: "value" or "subtract", for neurons.
        report: Told every approximation.

    Raises:
        ValueError: A kind or a field that no layer has.
    """
    if kind in neuron_nodes.KINDS:
        return layers.Cell(neuron_nodes.neuron_of(kind, fields, convention, reset))
    if kind not in _READERS:
        known = ", ".join([*neuron_nodes.KINDS, *_READERS])
        raise ValueError(f"no layer for a node of kind {kind}; known are {known} and NIRGraph.")
    return _READERS[kind](fields, convention, report)


def node_of(layer: Layer, shape: tuple[int, ...], convention: Convention, report: Report) -> tuple[str, Fields]:
    """The kind and the fields of the node that describes a built layer.

    Args:
        layer: Layer with its parameters as arrays.
        shape: Shape of its input.
        convention: Unit of times, step and scheme.
        report: Told every approximation.

    Raises:
        ValueError: A layer, or an option of one, that NIR has no node for.
    """
    if isinstance(layer, layers.Cell):
        return neuron_nodes.fields_of(layer.neuron, shape, convention, report)
    writer = _WRITERS.get(type(layer))
    if writer is None:
        raise ValueError(f"NIR has no node for {type(layer).__name__}.")
    return writer(layer, shape, convention)


def recurrent_node(layer: Any) -> tuple[str, Fields]:
    """The node of the weight of a `Recurrent`."""
    return "Linear", {"weight": np.ascontiguousarray(np.asarray(layer.weight).T)}


def recurrent_weight(fields: Fields, convention: Convention) -> Any:
    """The weight of a `Recurrent` from the node of its weight."""
    return jnp.asarray(convention.as_dtype(fields["weight"]).T)


def _read_dense(fields: Fields, convention: Convention, report: Report) -> Layer:
    weight = convention.as_dtype(fields["weight"])
    if weight.ndim != 2:
        raise ValueError(f"`weight`: expected two axes (out, in), got shape {weight.shape}.")
    n_out, n_in = weight.shape
    layer = layers.Linear(n_in, n_out, init=jnp.asarray(weight.T), bias="bias" in fields)
    return _with_bias(layer, fields, convention)


def _with_bias(layer: Any, fields: Fields, convention: Convention) -> Layer:
    if layer.bias is not None:
        bias = jnp.asarray(convention.as_dtype(fields["bias"]))
        layer = eqx.tree_at(lambda layer: layer.bias, layer, bias)
    return layer


def _read_conv(kind: Any) -> Callable[[Fields, Convention, Report], Layer]:
    def read(fields: Fields, convention: Convention, report: Report) -> Layer:
        weight, groups = convention.as_dtype(fields["weight"]), int(fields["groups"])
        if weight.ndim != kind.rank + 2:
            raise ValueError(f"`weight`: expected {kind.rank + 2} axes (out, in, ...), got shape {weight.shape}.")
        padding, stride = fields["padding"], _axes(fields["stride"])
        if isinstance(padding, str) and padding == "same" and np.max(stride) > 1:
            raise ValueError(f'`padding`: "same" is defined for a stride of 1 only, got stride {stride}.')
        layer = kind(
            weight.shape[1] * groups,
            weight.shape[0],
            weight.shape[2:],
            stride=stride,
            padding=padding if isinstance(padding, str) else _axes(padding),
            dilation=_axes(fields["dilation"]),
            groups=groups,
            init=jnp.asarray(np.swapaxes(weight, 0, 1)),
            bias=True,
        )
        return _with_bias(layer, fields, convention)

    return read


def _read_pool(kind: type[layers.SumPool2d] | type[layers.AvgPool2d]) -> Callable[[Fields, Convention, Report], Layer]:
    return lambda fields, convention, report: kind(
        _axes(fields["kernel_size"]), stride=_axes(fields["stride"]), padding=_axes(fields["padding"])
    )


def _read_flatten(fields: Fields, convention: Convention, report: Report) -> Layer:
    given = fields.get("input_type")
    shape = () if given is None else _axes(np.atleast_1d(given))
    return layers.Flatten(*shape, start=int(fields["start_dim"]), end=int(fields["end_dim"]))


def _read_delay(fields: Fields, convention: Convention, report: Report) -> Layer:
    delay = convention.milliseconds(fields["delay"])
    near = np.rint(delay / convention.dt)
    try:
        for value in np.unique(delay):
            steps("delay", float(value), convention.dt)
    except ValueError as error:
        if (delay < 0).any() or not np.isfinite(delay).all():
            raise
        report(f"{error} It is rounded to the nearest step.")
    return layers.Delay(delay.shape, convention.as_dtype(near * convention.dt))


def _axes(value: Any) -> Any:
    """Whole numbers as Python's."""
    array = np.asarray(value)
    return int(array) if array.ndim == 0 else tuple(int(entry) for entry in array)


def _write_linear(layer: Any, shape: tuple[int, ...], convention: Convention) -> tuple[str, Fields]:
    if layer.delays is not None:
        raise ValueError(
            "NIR has no delay for every synapse: `delay` of Linear; a Delay layer has one for every channel."
        )
    weight = np.ascontiguousarray(np.asarray(layer.weight).T)
    if layer.bias is None:
        return "Linear", {"weight": weight}
    return "Affine", {"weight": weight, "bias": np.asarray(layer.bias)}


def _write_conv(layer: Any, shape: tuple[int, ...], convention: Convention) -> tuple[str, Fields]:
    padding = layer.padding
    if padding == "same" and max(layer.stride) > 1:
        raise ValueError('NIR defines `padding="same"` for a stride of 1 only: give the number of zeros.')
    one = layer.rank == 1
    pick = lambda axes: axes if isinstance(axes, str) else int(axes[0]) if one else tuple(axes)
    fields = {
        "input_shape": int(shape[1]) if one else tuple(shape[1:]),
        "weight": np.ascontiguousarray(np.swapaxes(np.asarray(layer.weight), 0, 1)),
        "stride": pick(layer.stride),
        "padding": pick(padding),
        "dilation": pick(layer.dilation),
        "groups": layer.groups,
        "bias": np.zeros(layer.c_out, convention.dtype) if layer.bias is None else np.asarray(layer.bias),
    }
    return type(layer).__name__, fields


def _write_pool(layer: Any, shape: tuple[int, ...], convention: Convention) -> tuple[str, Fields]:
    sizes = {"kernel_size": layer.kernel, "stride": layer.stride, "padding": layer.padding}
    return type(layer).__name__, {name: np.array(axes) for name, axes in sizes.items()}


def _write_flatten(layer: Any, shape: tuple[int, ...], convention: Convention) -> tuple[str, Fields]:
    return "Flatten", {"input_type": np.array(shape), "start_dim": layer.start, "end_dim": layer.end}


def _spread(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.array(np.broadcast_to(np.asarray(value), shape))


_READERS: dict[str, Callable[[Fields, Convention, Report], Layer]] = {
    "Affine": _read_dense,
    "Linear": _read_dense,
    "Scale": lambda fields, convention, report: layers.Scale(convention.as_dtype(fields["scale"])),
    "Conv1d": _read_conv(layers.Conv1d),
    "Conv2d": _read_conv(layers.Conv2d),
    "SumPool2d": _read_pool(layers.SumPool2d),
    "AvgPool2d": _read_pool(layers.AvgPool2d),
    "Flatten": _read_flatten,
    "Delay": _read_delay,
    "Threshold": lambda fields, convention, report: layers.Threshold(convention.read_threshold(fields["threshold"])),
}
_WRITERS: dict[type[Layer], Callable[[Any, tuple[int, ...], Convention], tuple[str, Fields]]] = {
    layers.Linear: _write_linear,
    layers.Scale: lambda layer, shape, c: ("Scale", {"scale": _spread(layer.scale, shape)}),
    layers.Conv1d: _write_conv,
    layers.Conv2d: _write_conv,
    layers.SumPool2d: _write_pool,
    layers.AvgPool2d: _write_pool,
    layers.Flatten: _write_flatten,
    layers.Delay: lambda layer, shape, c: ("Delay", {"delay": c.as_dtype(_spread(c.file_time(layer.delay), shape))}),
    layers.Threshold: lambda layer, shape, c: (
        "Threshold", {"threshold": _spread(c.written_threshold(layer.v_th), shape)}
    ),
}  # fmt: skip
