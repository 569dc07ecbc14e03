"""NeuroBench's metrics of a model of layers, by its definitions and under its names, without torch.

    Footprint            bytes of all arrays of the model
    ParameterCount       entries of the parameters that train by default
    ConnectionSparsity   share of weights that are 0, to 4 digits
    ActivationSparsity   share of the outputs of spiking layers that are 0, over all steps
    SynapticOperations   a sample: non-zero inputs times non-zero weights (Effective_ACs in a step whose inputs all are
                         -1, 0 or 1, else Effective_MACs), and Dense: as if nothing were 0; biases do not count
    MembraneUpdates      a sample: voltages that a step changes; the first step changes all
    ClassificationAccuracy   share of samples whose class has the largest sum of the output over time

Yik et al., Nat. Commun. 16 (2025) 1545 (NeuroBench, package 2.3.0).
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array

MAC_PJ, AC_PJ = 4.6, 0.9
"""Energy of a multiply-accumulate and of an addition of float32 in 45 nm (pJ). Horowitz, ISSCC 2014."""


def footprint(model: Any) -> int:
    """Memory of the arrays of a model (bytes), as it is stored here: parameters, delays, running statistics."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(model) if eqx.is_array(leaf))


def parameter_count(model: Any) -> int:
    """Number of entries of the parameters that train by default (all of torch's do that are no buffers)."""
    known = [info.where(model) for info in model.parameters().values() if info.trainable]
    return sum(int(leaf.size) for leaf in known if leaf is not None)


def connection_sparsity(model: Any) -> float:
    """Share of the weights between layers that are 0, rounded to 4 digits; see `evaluate` for the layers.

    Raises:
        ValueError: A layer whose synapses the definition does not cover, or no synapse at all.
    """
    weights = [np.asarray(weight) for weight in _weights(model)]
    count = sum(weight.size for weight in weights)
    if count == 0:
        raise ValueError("`model`: expected layers with weights, got none.")
    return round(sum(int((weight == 0).sum()) for weight in weights) / count, 4)


def evaluate(
    model: Any, data: Iterable[tuple[Any, Any]], *, predict: Callable[[Array], Array] | None = None
) -> dict[str, Any]:
    """All metrics of a model on a data set, by NeuroBench's names.

    Synapses are those of Linear, Conv1d, Conv2d and Recurrent, also inside of Chain, Residual and Graph. Membranes are
    the states `v` of all neurons, of LI too.

    Args:
        model: `Sequential`.
        data: Batches `(x, y)`: input `(time, batch, ...)` and classes `(batch,)`.
        predict: `predict(out) -> classes` for the output `(time, batch, n)`; None: the largest sum over time.

    Returns:
        "Footprint", "ParameterCount", "ConnectionSparsity", "ActivationSparsity", "SynapticOperations" (a dict of
        "Effective_MACs", "Effective_ACs" and "Dense"), "MembraneUpdates", "ClassificationAccuracy".

    Raises:
        TypeError: Not a model of layers.
        ValueError: A layer whose synapses the definitions do not cover, or no batch.
    """
    if not hasattr(model, "places") or not hasattr(model, "unroll"):
        raise TypeError(f"`model`: expected a Sequential, got {type(model).__name__}.")
    static = {
        "Footprint": footprint(model),
        "ParameterCount": parameter_count(model),
        "ConnectionSparsity": connection_sparsity(model),
    }
    measure = jax.jit(_measure)
    rows, sizes, hits = [], [], 0
    for batch in data:
        if len(batch) != 2:
            raise ValueError(f"`data`: expected batches (x, y), got {len(batch)} parts: NeuroBench has no lengths.")
        x, y = batch
        measured, out = measure(model, jnp.asarray(x, model.dtype))
        classes = out.sum(0).argmax(-1) if predict is None else predict(out)
        hits += int((np.asarray(classes) == np.asarray(y)).sum())
        rows.append(jax.tree.map(lambda value: np.asarray(value).astype(np.int64), measured))
        sizes.append(len(np.asarray(y)))
    if not sizes:
        raise ValueError("`data`: expected at least one batch, got none.")
    return static | _averages(rows, sizes) | {"ClassificationAccuracy": hits / sum(sizes)}


class _Counts(NamedTuple):
    """What is counted in one batch: by layer `(time, batch)`, or for flags and sizes `(time,)` and `()`."""

    operations: tuple[Array, ...]
    binary: tuple[Array, ...]
    dense: tuple[Array, ...]
    nonzero: tuple[Array, ...]
    outputs: tuple[Array, ...]
    updates: tuple[Array, ...]


def _averages(rows: list[_Counts], sizes: list[int]) -> dict[str, Any]:
    """The metrics of all batches."""
    total, acs, macs, dense, updates, sparsity = sum(sizes), 0, 0, 0, 0, 0.0
    for counts, size in zip(rows, sizes, strict=True):
        for operations, binary, every in zip(counts.operations, counts.binary, counts.dense, strict=True):
            acs += int(operations[binary.astype(bool)].sum())
            macs += int(operations[~binary.astype(bool)].sum())
            dense += int(every) * operations.size
        updates += sum(int(value.sum()) for value in counts.updates)
        outputs = sum(int(value) for value in counts.outputs)
        active = sum(int(value.sum()) for value in counts.nonzero)
        sparsity += (1 - active / outputs if outputs else 0.0) * size / total
    operations = {"Effective_MACs": macs / total, "Effective_ACs": acs / total, "Dense": dense / total}
    return {
        "ActivationSparsity": sparsity, "SynapticOperations": operations, "MembraneUpdates": updates / total,
    }  # fmt: skip


def _measure(model: Any, xs: Array) -> tuple[_Counts, Array]:
    """One batch through the model, and what is counted on the way."""
    state = model.init_state(xs.shape[1])
    places = model.places
    membranes = [path for path, (layer, _) in places.items() if "v" in layer.state_units()]
    paths = [f"{path}.{layer.emission}" for path, (layer, _) in places.items()]
    readers = tuple(model.reader(path) for path in (*paths, *(f"{path}.v" for path in membranes)))
    _, emitted, reads = model.unroll(state, xs, readers)
    ys = {
        path: read.reshape(*xs.shape[:2], *shape)
        for (path, (_, shape)), read in zip(places.items(), reads, strict=False)
    }
    inputs = _inputs(model, xs, ys)
    crossings = [
        crossing for path, (layer, _) in places.items() for crossing in layer.crossings(inputs[path], ys[path])
    ]
    spikes = [ys[path] for path, (layer, _) in places.items() if layer.emission == "spikes" and not layer.inside()]
    counts = _Counts(
        tuple(_tally(c.cross(_ones(c.values), _ones(c.weight))) for c in crossings),
        tuple(
            jnp.isin(c.values, jnp.asarray([-1, 0, 1], xs.dtype)).all(tuple(range(1, c.values.ndim))) for c in crossings
        ),
        tuple(_dense(c) for c in crossings),
        tuple(_tally(_ones(value)) for value in spikes),
        tuple(jnp.asarray(value.size) for value in spikes),
        tuple(_updates(v) for v in reads[len(paths) :]),
    )
    return counts, model.out(emitted)


def _inputs(model: Any, xs: Array, ys: Mapping[str, Array]) -> dict[str, Array]:
    """What reaches each layer over time, by path."""
    found: dict[str, Array] = {}

    def visit(path: str, senders: Mapping[str, tuple[tuple[str, int], ...]]) -> None:
        for name, sources in senders.items():
            own = f"{path}.{name}" if path else name
            parts = []
            for sender, late in sources:
                full = f"{path}.{sender}" if path else sender
                value = (found[path] if path else xs) if sender == "" else ys[full]
                parts.append(jnp.concatenate([jnp.zeros_like(value[:late]), value])[: len(value)] if late else value)
            found[own] = sum(parts[1:], start=parts[0])
            visit(own, model.places[own][0].senders())

    names = list(model.row)
    visit("", {name: ((before, 0),) for before, name in zip(["", *names], names, strict=False)})
    return found


def _weights(model: Any) -> list[Array]:
    """The weights of all synapses; raises where a layer has weights that cross in no known way."""
    dummy = lambda shape: jnp.zeros((1, 1, *shape), model.dtype)
    weights = []
    matrices = {
        path.rpartition(".")[0]
        for path, info in model.parameters().items()
        if info.kind == "weight" and getattr(info.where(model), "ndim", 0) >= 2
    }
    for path, (layer, shape) in model.places.items():
        crossings = layer.crossings(dummy(shape), dummy(shape))
        if not crossings and path in matrices:
            raise ValueError(
                f"layer {path} ({layer!r}): NeuroBench's definitions do not cover its synapses; they are for Linear, "
                f"Conv1d, Conv2d and Recurrent."
            )
        weights += [crossing.weight for crossing in crossings]
    return weights


def _ones(value: Array) -> Array:
    """1 where a value is not 0."""
    return (value != 0).astype(value.dtype)


def _tally(values: Array) -> Array:
    """The sum of whole numbers over all axes after time and batch."""
    return values.astype(jnp.int32).sum(tuple(range(2, values.ndim)), dtype=jnp.int32)


def _dense(crossing: Any) -> Array:
    """Operations of one step of one sample with nothing 0."""
    one = jnp.ones((1, 1, *crossing.values.shape[2:]), crossing.values.dtype)
    return _tally(crossing.cross(one, jnp.ones_like(crossing.weight)))[0, 0]


def _updates(v: Array) -> Array:
    """How many voltages each step changes, `(time, batch)`; the first changes all."""
    changed = jnp.concatenate([jnp.ones_like(v[:1], dtype=bool), v[1:] != v[:-1]])
    return changed.sum(tuple(range(2, v.ndim)), dtype=jnp.int32)


@dataclasses.dataclass(frozen=True)
class Energy:
    """An estimate of the energy of the synaptic operations of one sample, with what it assumes.

    Attributes:
        effective: With operations on zeros left out (nJ).
        dense: With all of them, as multiply-accumulates (nJ).
    """

    effective: float
    dense: float

    def __str__(self) -> str:
        return (
            f"{self.effective:.4g} nJ a sample, {self.dense:.4g} nJ if every operation were a multiply-accumulate on a "
            f"stored value.\nAssumes 45 nm CMOS at 0.9 V, float32: {MAC_PJ} pJ a multiply-accumulate, {AC_PJ} pJ an "
            f"addition (Horowitz, ISSCC 2014). Memory, communication, membrane updates and leakage are left out: on "
            f"most hardware they are the larger part."
        )


def energy(results: Mapping[str, Any]) -> Energy:
    """An estimate of energy from the operations that `evaluate` counted; `print` it to see its assumptions.

    Args:
        results: What `evaluate` returned.
    """
    operations = results["SynapticOperations"]
    effective = MAC_PJ * operations["Effective_MACs"] + AC_PJ * operations["Effective_ACs"]
    return Energy(effective / 1000, MAC_PJ * operations["Dense"] / 1000)
