"""The one time loop: pure, dense, and traceable by jit, grad, vmap and scan."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .. import _native
from .._types import Array, State
from ..fuse.segments import WHOLE, in_segments
from ..networks import Network, Sequential
from ..recording import Rate, Spikes
from .advance import advance
from .inputs import known_step, prepare
from .records import Plan, make_plan, rates, reader_of
from .remat import limit_of_layers, segments_of, stored_by, stored_by_layers


class Run(NamedTuple):
    """What `run` returns.

    Attributes:
        out: What the model's outputs name, `(time, [batch], n)`; None for a `Network` without `outputs`.
        state: State after the last step.
        records: Recorded arrays by name, `(time, [batch], n)`; of a histogram `(samples, [batch], bins + 2)`, the
            values below its bins first and those above last.
    """

    out: Any
    state: State
    records: dict[str, Array]


def run(
    model: Any,
    inputs: Any = None,
    *,
    steps: int | None = None,
    state: State | None = None,
    key: Array | None = None,
    record: Iterable[Any] | str = (),
    lengths: Array | None = None,
    remat: str | int | None = "auto",
    truncate: int | None = None,
) -> Run:
    """Run a model over time: a pure function of its arguments.

    Args:
        model: `Network` or `Sequential`.
        inputs: `Sequential`: array `(time, [batch], ...)`. `Network`: mapping of paths to
            arrays, scalars or signals: `"E"` a current (pA), `"E.v"` a jump (mV), `"in"` values of a source,
            `"E.spikes"` (0 or 1) what E emits whatever its voltage, which runs freely to each spike and is reset there
            (teacher forcing).
        steps: Number of steps, where no array tells it.
        state: State to go on from; None starts at t = 0.
        key: Key of initial values and noise; by default from the model's seed, or the state's own.
        record: Paths or `Spikes`, `Trace`, `Histogram`, `Rate`.
        lengths: Steps that each sequence of a batch really has, int `(batch,)`; `out` and records are 0 after its end.
        remat: Memory of the backward pass: `"auto"` recomputes segments where storing every step would take more than
            2 GiB, or 512 MiB in 500 or more steps of layers; an int is the length of such a segment in steps. Of spikes
            that cross a `Linear` one bit each is kept. None stores all, spikes as numbers, which a derivative of a
            compiled gradient needs.
        truncate: Number of steps after which the gradient of the state is cut, for truncated backpropagation through
            time; its segments are recomputed. None: the gradient goes through all steps.

    Returns:
        `Run(out, state, records)`.

    Raises:
        ValueError: Inputs, state, lengths or paths that do not fit the model.
    """
    if isinstance(model, Sequential):
        result = _run_layers(model, inputs, state, key, make_plan(model, record), lengths, remat, truncate)
    elif isinstance(model, Network):
        result = _run_network(model, inputs, steps, state, key, make_plan(model, record), remat, truncate)
    else:
        raise TypeError(f"`model`: expected a Network or a Sequential, got {type(model).__name__}.")
    return result if lengths is None else _masked(result, lengths)


def _run_network(
    network: Network, inputs: Any, steps: int | None, state: State | None, key: Array | None, plan: Plan, remat: Any,
    truncate: int | None,
) -> Run:  # fmt: skip
    prepared = prepare(network, inputs, steps)
    steps = prepared.steps if steps is None else steps
    if steps is None:
        raise ValueError("`steps`: expected a number of steps (no input array tells it).")
    state = starting_state(network, prepared.batch, state, key)
    start = known_step(state) or 0
    segments = segments_of(remat, truncate, stored_by(state), steps)
    advanced = advance(network, state, prepared, plan, steps=steps, start=start, segments=segments)
    records = dict(advanced.records)
    for spec in plan.every_step:
        if isinstance(spec, Rate):
            records[spec.key] = rates(records[spec.key], spec, reader_of(network, spec).size, network.dt)
    return Run(advanced.out, advanced.state, records)


def starting_state(model: Any, batch: int | None, state: State | None, key: Array | None) -> State:
    """The state a run begins with.

    Raises:
        ValueError: A state made for another batch or another model.
    """
    if state is None:
        return model.init_state(batch, key)
    expected = jax.eval_shape(lambda: model.init_state(batch))
    structure = jax.tree.structure(state.replace(inputs={})) if "inputs" in state else jax.tree.structure(state)
    if structure != jax.tree.structure(expected):
        raise ValueError("`state`: made for another model; `state=None` starts anew.")
    given = model.batch_of(state)
    if batch is not None and given != batch and not isinstance(model, Sequential):  # which checks every layer itself
        raise ValueError(
            f"`state`: made for batch {given}, input has batch {batch}: `state=None` or `model.init_state({batch})`."
        )
    return state if key is None else state.replace(key=key)


def _run_layers(
    model: Sequential, xs: Any, state: State | None, key: Array | None, plan: Plan, lengths: Array | None, remat: Any,
    truncate: int | None,
) -> Run:  # fmt: skip
    if xs is None:
        raise ValueError(f"`inputs`: expected an array (time, [batch], {', '.join(map(str, model.input_shape))}).")
    xs = jnp.asarray(xs, model.dtype)
    batch = xs.shape[1] if xs.ndim == 2 + len(model.input_shape) else None
    if lengths is not None and batch is not None and len(lengths) == len(xs) != batch:
        raise ValueError(
            f"`x`: expected (time, batch, {', '.join(map(str, model.input_shape))}), got {xs.shape} with lengths of "
            f"size {len(lengths)}: is it (batch, time, channels)? `x.swapaxes(0, 1)`."
        )
    begin = starting_state(model, batch, state, key)
    specs = (*plan.every_step, *plan.sampled)
    valid = None if lengths is None or batch is None else valid_steps(lengths, len(xs), batch)
    readers = tuple(reader_of(model, spec) for spec in specs)
    stored = stored_by_layers(model.shapes[1:], batch, model.dtype)
    segments = segments_of(remat, truncate, stored, len(xs), limit_of_layers(len(xs)))
    if segments.length is not None and (path := model.undivided) is not None:
        if remat == "auto" and truncate is None:
            segments = WHOLE
        else:
            raise ValueError(
                f"`remat`, `truncate`: layer {path} needs all steps at once: leave them at their defaults."
            )

    packed = remat is not None and _native.WHY_XLA is None  # XLA takes more room to unpack bits than they save

    def part(state: State, rows: tuple[Array, Array | None], steps: int) -> tuple[State, Any]:
        state, emitted, reads = model.unroll(state, rows[0], readers, valid=rows[1], packed=packed)
        return state, (model.out(emitted, state), reads)

    later, (out, reads) = in_segments(part, begin, (xs, valid), len(xs), segments)
    records = {}
    for spec, values in zip(specs, reads, strict=True):
        if isinstance(spec, Rate):
            values = rates(values, spec, reader_of(model, spec).size, model.dt)
        elif not isinstance(spec, Spikes):
            values = values[spec.steps(model.dt) - 1 :: spec.steps(model.dt)]
        records[spec.key] = values
    return Run(out, later, records)


def _masked(result: Run, lengths: Array) -> Run:
    """Zero output and records after the end of each sequence."""
    if result.out is None:
        raise ValueError("`lengths`: the model has no output to mask; name one with `outputs=`.")
    steps, batch = result.out.shape[:2]
    inside = valid_steps(lengths, steps, batch)

    def masked(name: str, values: Array) -> Array:
        if values.shape[:2] != (steps, batch):
            raise ValueError(
                f'`lengths`: record "{name}" has shape {values.shape}, not (time, batch, ...) = ({steps}, {batch}).'
            )
        return jnp.where(inside.reshape(*inside.shape, *[1] * (values.ndim - 2)), values, 0)

    records = {name: masked(name, values) for name, values in result.records.items()}
    return Run(masked("out", result.out), result.state, records)


def valid_steps(lengths: Array, steps: int, batch: int) -> Array:
    """Which steps lie before the end of each sequence, bool `(steps, batch)`.

    Raises:
        ValueError: `lengths` are no integers of shape `(batch,)`.
    """
    lengths = jnp.asarray(lengths)
    if lengths.shape != (batch,) or not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise ValueError(f"`lengths`: expected integers of shape ({batch},), got {lengths.dtype} of {lengths.shape}.")
    return jnp.arange(steps, dtype=lengths.dtype)[:, None] < lengths
