"""The host driver of `run`: chunk after chunk, with progress, guards, and spikes as events in memory or on disk."""

import math
import os
import time
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .. import _checks, units
from .._types import Array, State
from ..analysis import Result
from ..networks import Network
from ..recording import Histogram, Rate, Recorder, Spec, Spikes, available_bytes, estimate_bytes, refuse
from .advance import Advanced, advance
from .blame import not_finite
from .identity import identity_of, meta_of
from .inputs import Inputs, check_finite, known_step, prepare
from .records import Plan, make_plan, reader_of
from .run import starting_state
from .traced import traced_result

_CHUNK_BYTES = 64 * 2**20
_CHUNK_STEPS = 2000
_MEMORY_SHARE = 0.5
_COMMIT_SECONDS = 10.0


def simulate(
    model: Network,
    duration: Any = None,
    *,
    inputs: Any = None,
    state: State | None = None,
    key: Array | None = None,
    batch: int | None = None,
    record: Any = None,
    to: str | os.PathLike[str] | None = None,
    resume: str | bool = "auto",
    chunk: str | int = "auto",
    progress: bool = True,
    memory_limit: str | float = "auto",
) -> Result:
    """Simulate a network and return what was recorded.

    Args:
        model: The network.
        duration: Time to simulate (ms), a multiple of dt; None takes it from the input arrays.
        inputs: As in `run`.
        state: State to go on from (`result.state`); the continuation is bit-identical to one long run.
        key: Key of initial values and noise; by default from the network's seed, so that repeating a call repeats its
            result (a continuation draws new noise).
        batch: Number of independent trials.
        record: Paths (`"E.spikes"`, `"E.v[:3]"`, `"I->E.g"`) or `Spikes`, `Trace`, `Histogram`, `Rate`. Default: rates
            of all populations and the spikes of up to 1000 neurons of each. `[]` records nothing.
        to: File that spikes and traces go to instead of memory; until it is whole, they are in the folder `<to>.part`.
        resume: With `to`: go on where the same run was interrupted (but for its last 10 s): "auto", True (must), False.
        chunk: Steps between two visits of the host, or "auto".
        progress: Whether long runs show a progress bar (on stderr).
        memory_limit: Bytes that the records may take; "auto" is half of what the machine has free.

    Raises:
        ValueError: Arguments that do not fit the network.
        MemoryError: The records would not fit; the message says which one and how large.
        FileNotFoundError: `resume=True` although there is no interrupted run.
        FloatingPointError: A state stopped being finite; the message names population, variable, step and neuron.
    """
    if not isinstance(model, Network):
        raise TypeError(f"`model`: expected a Network, got {type(model).__name__}; use `run` for a Sequential.")
    prepared, steps = _prepared(model, inputs, duration, batch)
    plan = make_plan(model, _defaults(model) if record is None else record)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((model, prepared, state, key))):
        return traced_result(model, prepared, steps, starting_state(model, batch or prepared.batch, state, key), plan)
    state = starting_state(model, batch or prepared.batch, state, key)
    start = known_step(state)
    assert start is not None
    check_finite(prepared, model.dt)
    return _drive(model, state, prepared, plan, steps, start, to, resume, chunk, progress, memory_limit)


def _prepared(model: Network, inputs: Any, duration: Any, batch: int | None) -> tuple[Inputs, int]:
    steps = None
    if duration is not None:
        steps = _checks.steps("duration", float(units.strip("duration", duration, "ms")), model.dt)
    prepared = prepare(model, inputs, steps)
    steps = prepared.steps if steps is None else steps
    if steps is None:
        raise ValueError("`duration`: expected a time (ms); no input array tells it.")
    if batch is not None and prepared.batch is not None and batch != prepared.batch:
        raise ValueError(f"`batch` = {batch}, but `inputs` have batch {prepared.batch}.")
    return prepared, steps


def _defaults(network: Network) -> list[Spec]:
    rates: list[Spec] = [Rate(path) for path in network.readable() if path.endswith(".rate")]
    spikes: list[Spec] = [
        Spikes(name, ids=slice(0, 1000) if network[name].size > 1000 else None)
        for name in network.populations
        if f"{name}.spikes" in network.readable()
    ]
    return rates + spikes


def _drive(
    network: Network, state: State, inputs: Inputs, plan: Plan, steps: int, start: int, to: Any, resume: str | bool,
    chunk: str | int, progress: bool, memory_limit: str | float,
) -> Result:  # fmt: skip
    specs = (*plan.every_step, *plan.sampled)
    sizes = {spec.path: reader_of(network, spec).size for spec in specs}
    batch = network.batch_of(state)
    limit = _MEMORY_SHARE * available_bytes() if memory_limit == "auto" else float(memory_limit)
    if to is None:
        refuse(estimate_bytes(specs, steps, sizes, dt=network.dt, batch=batch, start=start, dtype=network.dtype), limit)
    length = _chunk_steps(chunk, network, plan, steps, batch)
    identity = {} if to is None else identity_of(network, state, inputs, specs, steps)
    began = time.perf_counter()
    with (
        Recorder(
            specs, dt=network.dt, sizes=sizes, start=start, batch=batch, memory_limit=None if to else limit, to=to,
            identity=identity, resume=resume,
        ) as recorder,
        _bar(progress) as bar,
    ):  # fmt: skip
        before, state = (recorder.committed.steps, recorder.committed.state) if recorder.committed else (0, state)
        task, safe = bar.add_task("simulate", total=steps * network.dt), began
        for done in range(before, steps, length):
            count = min(length, steps - done)
            part = inputs.between(done, done + count)
            result = _chunk(network, state, part, plan, count, (start + done) % plan.period)
            _guard(network, state, part, result, network.dt)
            recorder.append({name: np.asarray(values) for name, values in result.records.items()}, start + done, count)
            state = result.state
            if time.perf_counter() - safe > _COMMIT_SECONDS:
                recorder.commit(state)
                safe = time.perf_counter()
            bar.update(task, completed=(done + count) * network.dt)
        recording = recorder.finish(
            state=state,
            units={spec.key: reader_of(network, spec).unit for spec in specs},
            meta=meta_of(network, steps * network.dt, time.perf_counter() - began),
        )
    return Result(recording)


@eqx.filter_jit
def _chunk(network: Network, state: State, inputs: Inputs, plan: Plan, steps: int, phase: int) -> Advanced:
    return advance(network, state, inputs, plan, steps=steps, start=phase, watch=True)._replace(out=None)


def _chunk_steps(chunk: str | int, network: Network, plan: Plan, steps: int, batch: int | None) -> int:
    if chunk != "auto":
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise ValueError(f'`chunk`: expected "auto" or a number of steps >= 1, got {chunk!r}.')
        return chunk
    per_step = 1
    for spec in plan.every_step:
        counts = isinstance(spec, Histogram)
        size = len(spec.bins) + 1 if counts else len(spec.select(reader_of(network, spec).size))
        per_step += (size if isinstance(spec, Spikes) else 4 if isinstance(spec, Rate) else 4 * size) * (batch or 1)
    longest = max(1, min(_CHUNK_STEPS, _CHUNK_BYTES // per_step))
    count = max(1, math.ceil(steps / longest))
    return max(1, math.ceil(steps / count))


def _guard(network: Network, state: State, inputs: Inputs, result: Advanced, dt: float) -> None:
    first = {path: int(step) for path, step in result.bad.items() if int(step) >= 0}
    if first:
        path = min(first, key=lambda path: first[path])
        raise FloatingPointError(not_finite(network, state, inputs, path, first[path]))


def _bar(progress: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} ms"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not progress,
    )
