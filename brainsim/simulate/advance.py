"""A network over a stretch of steps: one scan, what it writes down, and a guard against values that are not finite."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._types import Array, State
from ..fuse.loop import loop
from ..fuse.segments import WHOLE, Segments
from ..networks import Network, Population
from .inputs import Inputs, begin, evaluate
from .records import Piece, Plan, read, reader_of


class Advanced(NamedTuple):
    """What `advance` returns.

    Attributes:
        out: The network's output, `(time, [batch], n)`, or None.
        state: State after the last step.
        records: Records by name; rates are still the population's spikes in each step.
        bad: First step after which a guarded variable was not finite, by path; -1 where it always was.
    """

    out: Any
    state: State
    records: dict[str, Array]
    bad: dict[str, Array]


class _Carry(NamedTuple):
    state: State
    bad: dict[str, Array]


def advance(
    network: Network,
    state: State,
    inputs: Inputs,
    plan: Plan,
    *,
    steps: int,
    start: int,
    segments: Segments = WHOLE,
    watch: bool = False,
) -> Advanced:
    """Advance a network by `steps` steps.

    Args:
        network: The network.
        state: State at step `start`.
        inputs: Prepared inputs; arrays have `steps` rows.
        plan: What to write down.
        steps: Number of steps, static.
        start: Index of the first step, static; says where sampled traces fall.
        segments: How the backward pass goes through time.
        watch: For the host: note where states of populations stop being finite, and store spikes as bool.
    """
    carry = _Carry(begin(network, inputs, state), {path: jnp.int32(-1) for path in (guarded(network) if watch else ())})
    held = tuple(trace for trace in plan.sampled if reader_of(network, trace).kind in ("state", "weight"))
    emissions = tuple(trace for trace in plan.sampled if trace not in held)

    def body(carry: _Carry, rows: dict[str, Array], sampled: bool = False) -> tuple[_Carry, Any]:
        state, x = evaluate(network, inputs, carry.state, rows)
        state, emitted = network.step(state, x)
        bad = {path: _first_bad(state, path, carry.state.step, known) for path, known in carry.bad.items()}
        reads = {spec.key: read(network, spec, state, emitted, compact=watch) for spec in plan.every_step}
        passing = {trace.key: read(network, trace, state, emitted) for trace in emissions} if sampled else {}
        return _Carry(state, bad), ((network.out(emitted, state), reads), passing)

    def block(piece: Piece, carry: _Carry, rows: dict[str, Array]) -> tuple[_Carry, Any]:
        if not piece.sampled:
            assert piece.length == 1
            carry, (ys, _) = body(carry, {path: row[0] for path, row in rows.items()})
            return carry, (jax.tree.map(lambda y: y[None], ys), {})
        carry, (ys, passing) = loop(functools.partial(body, sampled=True), carry, rows, piece.length)
        samples = {trace.key: read(network, trace, carry.state, {}) for trace in held}
        return carry, (ys, samples | {key: values[-1] for key, values in passing.items()})

    every_step, sampled, done = [], [], 0
    for piece in plan.pieces(start, steps):
        rows = inputs.between(done, done + piece.steps).rows
        rows = {path: row.reshape(piece.count, piece.length, *row.shape[1:]) for path, row in rows.items()}
        blocks = segments.of_blocks(piece.length)
        carry, (ys, samples) = loop(functools.partial(block, piece), carry, rows, piece.count, blocks)
        every_step.append(jax.tree.map(lambda y: y.reshape(y.shape[0] * y.shape[1], *y.shape[2:]), ys))
        sampled += [samples] if piece.sampled else []
        done += piece.steps
    out, records = _joined(every_step)
    traces = _joined(sampled) if sampled else _empty(block, plan, carry, inputs)
    traces = {trace.key: traces[trace.key][plan.kept(trace, start)] for trace in plan.sampled}
    return Advanced(out, carry.state, {**records, **traces}, carry.bad)


def _empty(block: Any, plan: Plan, carry: _Carry, inputs: Inputs) -> dict[str, Array]:
    """No sample, of the right shapes and dtypes."""
    length = plan.block
    rows = {path: jax.ShapeDtypeStruct((length, *row.shape[1:]), row.dtype) for path, row in inputs.rows.items()}
    _, (_, samples) = jax.eval_shape(functools.partial(block, Piece(1, length, True)), carry, rows)
    return jax.tree.map(lambda sample: jnp.zeros((0, *sample.shape), sample.dtype), samples)


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else jax.tree.map(lambda *pieces: jnp.concatenate(pieces), *parts)


def guarded(network: Network) -> tuple[str, ...]:
    """The states that the guard watches: all floating states of the populations of neurons."""
    return tuple(
        f"{name}.{state}"
        for name, population in network.populations.items()
        if isinstance(population, Population)
        for state in population.neuron.states
    )


def _first_bad(state: State, path: str, step: Array, known: Array) -> Array:
    name, _, variable = path.rpartition(".")
    finite = jnp.isfinite(getattr(state.populations[name], variable)).all(-1).all()
    return jnp.where((known < 0) & ~finite, step, known)
