"""The same network over a grid of parameters, or a network made for every point of it.

    table = bs.sweep(net, {"I->E.weight": [2, 4] * nS, "*.tau_mem": [10, 20] * ms}, duration=1000 * ms, measure={...})

Points that only change values share one compiled program, and run side by side, one a core: each is a call of
`simulate`, so that it gives the same bits as that call alone. (A `vmap` over the points takes the same processor time
and more than twice as long to compile: a network fills the vectors of a core by itself.)
"""

import inspect
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import _checks, _paths, units
from ..analysis import Result, SweepTable
from ..networks import Network, Population
from ..recording import available_bytes
from .simulate import simulate

_FAILURES = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What a point may fail with; a name that is not defined or a failed assertion of the user's program ends the sweep."""


class Scale(NamedTuple):
    """Factors of a parameter's own values, in a grid: `{"I->E.weight": Scale([0.5, 1, 2])}`.

    Attributes:
        factors: Numbers.
    """

    factors: Any


class _Job(NamedTuple):
    """One run: what its row begins with, and what makes it."""

    row: dict[str, Any]
    make: Callable[[], Network]
    key: Any


def sweep(
    model: Network | Callable[..., Network],
    grid: Mapping[str, Any],
    *,
    duration: Any,
    measure: Mapping[str, Callable[[Result], Any]],
    seeds: int | Sequence[int] = 1,
    inputs: Any = None,
    mode: str = "product",
    record: Any = None,
    progress: bool = True,
) -> SweepTable:
    """Simulate every point of a grid and measure it.

    Args:
        model: A network whose parameters the grid names by path (`"I->E.weight"`, `"*.tau_mem"`), or a function that
            makes a network from the grid's names as keyword arguments: where sizes, wiring, delays or dt change.
        grid: Values by path or argument; for a path, numbers in the base unit, quantities, one array a point, or
            `Scale` of factors.
        duration: Time to simulate (ms).
        measure: Functions of a `Result` by name; each gives a number or an array.
        seeds: Number of repetitions (1: as the network itself has it; n: seeds 0 to n - 1), or the seeds. Seed s means
            `simulate(..., key=jax.random.key(s))`, new initial values and noise in the same wiring; where `model` is a
            function with an argument `seed`, it gets s instead.
        inputs: As in `simulate`.
        mode: "product" of all values, or "zip": the first of each, the second of each, ...
        record: As in `simulate`.
        progress: Whether to show a progress bar (on stderr).

    Returns:
        One row a run, in the order of the grid, the seeds varying fastest; a run that failed has its error there.

    Raises:
        ValueError: Paths, arguments or values that do not fit the model: before anything runs.
    """
    _checks.choice("mode", mode, ("product", "zip"))
    if not grid or not measure:
        raise ValueError("`grid`, `measure`: expected at least one entry each.")
    if not isinstance(model, Network) and not callable(model):
        raise TypeError(f"`model`: expected a Network or a function that makes one, got {type(model).__name__}.")
    axes = _axes(model, grid)
    jobs = list(_jobs(model, axes, _seeds(seeds), mode))
    workers = 1 if len(jobs) == 1 else _cores()
    options = {"inputs": inputs, "record": record, "progress": False}
    options["memory_limit"] = available_bytes() / 2 / workers
    rows = []
    with _bar(progress) as bar:
        task = bar.add_task("sweep", total=len(jobs))
        for job, run in _side_by_side(jobs, workers, lambda net, key: simulate(net, duration, key=key, **options)):
            rows.append(job.row | _measured(run, measure))
            bar.update(task, advance=1)
    seen = {"seed": ""} if _seeds(seeds) != [None] else {}
    return SweepTable(rows, {name: axis.unit for name, axis in axes.items()} | seen, tuple(measure))


class _Axis(NamedTuple):
    """The values of one name: what the table shows, and what the model gets."""

    unit: str
    shown: list[Any]
    given: list[Any]


def _axes(model: Network | Callable[..., Network], grid: Mapping[str, Any]) -> dict[str, _Axis]:
    if isinstance(model, Network):
        return {path: _values(model, path, values) for path, values in grid.items()}
    return _arguments(model, grid)


def _arguments(make: Callable[..., Network], grid: Mapping[str, Any]) -> dict[str, _Axis]:
    parameters = inspect.signature(make).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    axes = {}
    for name, values in grid.items():
        if name not in parameters and not open_ended:
            raise ValueError(f'`grid`: "{name}" is no argument of `model`, which has {", ".join(parameters)}.')
        given = _listed(name, values)
        unit = next((units.unit_of(value) for value in given if units.is_quantity(value)), "")
        axes[name] = _Axis(unit, [_shown(name, value, unit) for value in given], given)
    return axes


def _values(network: Network, path: str, values: Any) -> _Axis:
    """What a path's values change, checked against the network."""
    known = network.parameters()
    info = known[_paths.select("grid", [path], known)[0]]
    scaled = isinstance(values, Scale)
    unit = "" if scaled else info.unit
    given = [units.strip(f'grid["{path}"]', v, unit) for v in _listed(path, values.factors if scaled else values)]
    axis = _Axis("x" if scaled else unit, [_shown(path, v, "") for v in given], [(v, scaled) for v in given])
    for value in axis.given:
        _with(network, {path: value})
    return axis


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
        raise ValueError(f'`grid["{name}"]`: expected a list of values, got {values!r}.')
    return [values[k] for k in range(len(values))]


def _shown(name: str, value: Any, unit: str) -> Any:
    if units.is_quantity(value):
        value = units.strip(name, value, unit)
    if np.ndim(value):
        return f"array of {np.shape(value)}"
    return value.item() if isinstance(value, np.generic | np.ndarray | jax.Array) else value


def _seeds(seeds: int | Sequence[int]) -> list[int | None]:
    if isinstance(seeds, int):
        _checks.within("seeds", seeds, low=1)
        return [None] if seeds == 1 else list(range(seeds))
    return [int(seed) for seed in seeds]


def _jobs(model: Any, axes: Mapping[str, _Axis], seeds: list[int | None], mode: str) -> Iterator[_Job]:
    lengths = [len(axis.given) for axis in axes.values()]
    if mode == "zip" and len(set(lengths)) > 1:
        raise ValueError(f'`grid`: mode "zip" needs lists of one length, got {lengths}.')
    ranges = map(range, lengths)
    points: Any = itertools.product(*ranges) if mode == "product" else zip(*ranges, strict=True)
    for at in points:
        places = list(zip(axes.items(), at, strict=True))
        shown = {name: axis.shown[k] for (name, axis), k in places}
        given = {name: axis.given[k] for (name, axis), k in places}
        for seed in seeds:
            row = shown if seed is None else {**shown, "seed": seed}
            key = None if seed is None else jax.random.key(seed)
            if isinstance(model, Network):
                yield _Job(row, lambda given=given: _with(model, given), key)
            elif seed is not None and "seed" in inspect.signature(model).parameters and "seed" not in axes:
                yield _Job(row, lambda given=given, seed=seed: model(**given, seed=seed), None)
            else:
                yield _Job(row, lambda given=given: model(**given), key)


def _with(network: Network, point: Mapping[str, tuple[Any, bool]]) -> Network:
    """The network with other values of some parameters, of the same shapes."""
    known = network.parameters()
    for pattern, (value, scaled) in point.items():
        for path in _paths.select("grid", [pattern], known):
            info = known[path]
            leaf = info.where(network)
            name = f'grid["{path}"]'
            if np.ndim(value) and np.shape(value) != leaf.shape:
                raise ValueError(f"`{name}`: expected one value or an array of {leaf.shape}, got {np.shape(value)}.")
            given = jnp.asarray(value, leaf.dtype)
            changed = leaf * given if scaled else jnp.broadcast_to(given, leaf.shape)
            low, high = (None if np.isinf(bound) else bound for bound in (info.low, info.high))
            _checks.within(name, np.asarray(changed), info.unit, low=low, high=high)
            network = eqx.tree_at(info.where, network, changed)
    for name, population in network.populations.items():
        if isinstance(population, Population):
            _check(name, population, network.dt)
    return network


def _check(name: str, population: Population, dt: float) -> None:
    neuron = population.neuron
    neuron.validate(dt)
    for value in np.unique(np.asarray(neuron.t_ref)):
        if _checks.steps(f'grid["{name}.t_ref"]', float(value), dt) and not neuron.uses_refractory:
            raise ValueError(f'`grid["{name}.t_ref"]`: the network was made without a refractory time.')


def _side_by_side(
    jobs: Sequence[_Job], workers: int, run: Callable[[Network, Any], Result]
) -> Iterator[tuple[_Job, "_Run"]]:
    """Jobs and what came of them, in order; the first runs alone, for it compiles what the others use."""
    waiting: deque[tuple[_Job, Future[_Run]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for number, job in enumerate(jobs):
            waiting.append((job, pool.submit(_attempt, job, run)))
            while waiting and (number == 0 or len(waiting) == workers):
                done, future = waiting.popleft()
                yield done, future.result()
        for job, future in waiting:
            yield job, future.result()


class _Run(NamedTuple):
    result: Result | None
    error: str | None
    seconds: float


def _attempt(job: _Job, run: Callable[[Network, Any], Result]) -> _Run:
    began = time.perf_counter()
    try:
        return _Run(run(job.make(), job.key), None, time.perf_counter() - began)
    except _FAILURES as error:
        return _Run(None, _sentence(error), time.perf_counter() - began)


def _measured(run: _Run, measure: Mapping[str, Callable[[Result], Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(measure)
    result, error = run.result, run.error
    for name, function in measure.items():
        if result is None:
            break
        try:
            found[name] = _plain(function(result))
        except _FAILURES as failure:
            error = error or f'measure "{name}": {_sentence(failure)}'
    return {**found, "wall_s": run.seconds, "error": error}


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bar(progress: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not progress,
    )
