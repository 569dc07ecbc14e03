"""A layer as brainsim has it, noted in the metadata of a node that alone would not give it back bit for bit.

A note is believed only where writing what it describes gives the very node that carries it.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .. import neurons
from ..networks import layers
from ..networks.layers import Layer
from .neuron_nodes import KINDS

Portrait = dict[str, Any]
KEY = "brainsim"
_OPTIONS = ("port", "reset")


def portrait(layer: Layer) -> Portrait:
    """Kind, options and parameters of a layer, as numbers, text and arrays; empty where a node says all."""
    if isinstance(layer, layers.Cell):
        neuron = layer.neuron
        options = {name: getattr(neuron, name) for name in _OPTIONS if name in _names(type(neuron))}
        return {"kind": type(neuron).__name__, **options, **_arrays({p: getattr(neuron, p) for p in neuron.params})}
    if isinstance(layer, layers.Scale):
        return _arrays({"scale": layer.scale})
    if isinstance(layer, layers.Threshold):
        return _arrays({"v_th": layer.v_th})
    if isinstance(layer, layers.Delay):
        return _arrays({"delay": layer.delay})
    if isinstance(layer, layers.Conv1d | layers.Conv2d):
        return {"bias": int(layer.bias is not None)}
    return {}


def same(a: Portrait, b: Portrait) -> bool:
    """Whether two portraits are equal bit for bit."""
    return a.keys() == b.keys() and all(
        np.array_equal(a[key], b[key]) and np.shape(a[key]) == np.shape(b[key]) for key in a
    )


def painted(note: Portrait, layer: Layer) -> Layer:
    """The layer of a portrait; `layer` is what its node alone describes."""
    if isinstance(layer, layers.Cell):
        known = {kind.__name__: kind for kind in KINDS.values()}
        kind = known.get(str(note["kind"]), type(layer.neuron))
        return layers.Cell(kind(**{name: _slot(value) for name, value in note.items() if name in _names(kind)}))
    if isinstance(layer, layers.Scale):
        return layers.Scale(_slot(note["scale"]))
    if isinstance(layer, layers.Threshold):
        return layers.Threshold(_slot(note["v_th"]))
    if isinstance(layer, layers.Delay):
        return layers.Delay(layer.shape, _slot(note["delay"]))
    if isinstance(layer, layers.Conv1d | layers.Conv2d) and not note["bias"] and not np.any(np.asarray(layer.bias)):
        return eqx.tree_at(lambda conv: conv.bias, layer, None)
    return layer


def _names(kind: type[neurons.Neuron]) -> set[str]:
    return {*_OPTIONS, *kind.params} if "v_th" in kind.params else {"port", *kind.params}


def _arrays(parameters: dict[str, Any]) -> Portrait:
    """Parameters as NumPy; a single value as a number, for which HDF5 has no compression."""
    arrays = {name: np.asarray(value) for name, value in parameters.items() if value is not None}
    return {name: float(value) if value.ndim == 0 else value for name, value in arrays.items()}


def _slot(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return float(value) if np.ndim(value) == 0 else jnp.asarray(value)
