"""A network: populations and the projections between them, simulated and trained as one object.

One step k leads from t_k = k dt to t_{k+1}:

    0. gap junctions read the voltages at t_k;
    1. every population integrates what its synapses and inputs give it, and emits (spikes at threshold);
    2. what was emitted crosses the projections, at once (delay dt) or into their delay rings;
    3. synapses advance to t_{k+1} and take what arrives then;
    4. plastic synapses learn from what arrived and from the postsynaptic spikes of the step.

So an event of step k with delay d acts in step k + d/dt, and the state after step k is the state at t_{k+1}.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _streams
from .._checks import nearest, time_step
from .._paths import ParameterInfo, parameters_of
from .._streams import Stream
from .._types import Array, Drive, State
from ..connectivity import Positions
from ..neurons import Input, Neuron, Poisson, Source
from ..plasticity import PlasticConnection, plastic
from ..synapses import Connection, GapJunction, Projection
from .couple import couple
from .learning import check_learning, modulators
from .order import step_order
from .population import Population
from .reader import Reader, carries_current, network_reader


class Slot(NamedTuple):
    """An input that a network takes: base unit, number of entries, and whether it must be given."""

    unit: str
    size: int
    required: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe:
    """What a network was made from, compared by identity (it never changes the compiled program)."""

    populations: dict[str, Population | Source]
    projections: tuple[Projection, ...]


class Network(eqx.Module):
    """Populations and projections, built: wiring, weights and parameters are drawn here.

    Args:
        populations: `{"E": Population(...), "ext": Poisson(...)}`.
        projections: `[Projection("E", "I", ...), ...]`; a second one between the same pair needs a `name`. Each becomes
            a `Connection`, or a `Coupling` where it is of gap junctions.
        dt: Time step (ms).
        seed: Seed of everything random: wiring, parameters, and, if `run` gets no key, initial values and noise.
        outputs: What `run` returns as `out`: a population ("R": what it emits) or a path ("R.v").

    Raises:
        ValueError: Unknown names, two projections of one path, delays off the grid or cycles without delay.
    """

    populations: dict[str, Population | Source]
    projections: dict[str, Any]
    dt: float = eqx.field(static=True)
    seed: int = eqx.field(static=True)
    outputs: str | None = eqx.field(static=True)
    dtype: np.dtype = eqx.field(static=True)
    order: tuple[str, ...] = eqx.field(static=True)
    recipe: Recipe = eqx.field(static=True)

    def __init__(
        self,
        populations: Mapping[str, Population | Source],
        projections: Iterable[Projection] = (),
        *,
        dt: Any,
        seed: int = 0,
        outputs: str | None = None,
    ):
        projections = tuple(projections)
        self.dt, self.seed, self.outputs = time_step(dt), int(seed), outputs
        self.recipe = Recipe(dict(populations), projections)
        self.dtype = dtype = np.dtype(jnp.result_type(float))
        key = _streams.key_of(self.seed, "parameters")
        for name, population in populations.items():
            _check_population(name, population)
        self.populations = {
            name: population.build(name, dt=self.dt, key=key, dtype=dtype) for name, population in populations.items()
        }
        built: dict[str, Any] = {}
        for projection in projections:
            self._check_projection(projection, built)
            n_pre, n_post = (self.populations[name].size for name in (projection.pre, projection.post))
            counts = _model(self.populations[projection.pre]).graded
            connection = projection.build(
                n_pre,
                n_post,
                dt=self.dt,
                seed=self.seed,
                dtype=dtype,
                positions=self._positions(projection),
                counts=counts,
            )
            if projection.plasticity is not None:
                connection = plastic(connection, projection.plasticity)
                check_learning(connection, self.populations)
            built[projection.path] = connection
        self.projections = built
        self.order = step_order(self.populations, [(c.pre, c.post) for c in built.values() if c.immediate])
        if outputs is not None:
            if "." not in outputs and outputs not in self.populations:
                known = nearest(outputs, self.populations)
                raise ValueError(f"`outputs`: no population {outputs!r}; there are {known}.")
            self.reader(self._output_path)

    def _positions(self, projection: Projection) -> tuple[Positions | None, Positions | None]:
        """Where the neurons on both sides are; sources are nowhere."""
        pre, post = self.populations[projection.pre], self.populations[projection.post]
        return getattr(pre, "positions", None), getattr(post, "positions", None)

    def _check_projection(self, projection: Projection, built: Mapping[str, Any]) -> None:
        for end in (projection.pre, projection.post):
            if end not in self.populations:
                raise ValueError(
                    f"projection {projection.path}: no population {end!r}; there are {nearest(end, self.populations)}."
                )
        if isinstance(self.populations[projection.post], Source):
            raise ValueError(f"projection {projection.path}: {projection.post!r} is a source and takes no input.")
        self._check_stages(projection)
        if projection.path in built:
            raise ValueError(f"projection {projection.path}: a second one between the same pair needs its own `name`.")

    def _check_stages(self, projection: Projection) -> None:
        pre, post = (_model(self.populations[name]) for name in (projection.pre, projection.post))
        ends = {projection.post: post} if projection.kinetics.reads_voltage else {}
        if isinstance(projection.kinetics, GapJunction):
            ends[projection.pre] = pre
        for name, model in ends.items():
            if isinstance(model, Source) or "v" not in model.state_units():
                kind = type(projection.kinetics).__name__
                raise ValueError(f"projection {projection.path}: {kind} needs a voltage, {name!r} has no `v`.")
        spiking = [type(stage).__name__ for stage in projection.stages if stage.acts or stage.terminal_units()]
        if spiking and pre.emits != "spikes":
            raise ValueError(
                f"projection {projection.path}: {spiking[0]} needs spikes, {projection.pre!r} emits `{pre.emits}`."
            )

    def __getitem__(self, name: str) -> Any:
        """The population `"E"` or the projection `"I->E"` (`"I->E#name"`)."""
        if name in self.populations:
            return self.populations[name]
        if name in self.projections:
            return self.projections[name]
        raise KeyError(f"no {name!r}; there are {nearest(name, [*self.populations, *self.projections])}")

    def init_state(self, batch: int | None = None, key: Array | None = None) -> State:
        """A state at t = 0.

        Args:
            batch: Number of trials; None for no batch axis.
            key: Key of initial values and noise; by default derived from the seed.
        """
        key = _streams.key_of(self.seed, "state") if key is None else key
        lead, dtype = (() if batch is None else (batch,)), self.dtype
        return State(
            step=jnp.int32(0),
            key=key,
            populations={
                name: population.init_state(batch, _streams.fold(key, f"{name}.init"), dtype)
                for name, population in self.populations.items()
            },
            projections={path: connection.init_state(lead, dtype) for path, connection in self.projections.items()},
            inputs={},
        )

    def batch_of(self, state: State) -> int | None:
        """Number of trials of a state, or None where it has no batch axis."""
        for path, connection in self.projections.items():
            if isinstance(connection, Connection):
                leaf = getattr(state.projections[path], connection.synapse.port)
                return leaf.shape[0] if leaf.ndim == 2 else None
        for name in self.populations:
            for leaf in jax.tree.leaves(state.populations[name]):
                return leaf.shape[0] if leaf.ndim == 2 else None
        return None

    def step(self, state: State, x: Mapping[str, Array] | None = None) -> tuple[State, dict[str, Array]]:
        """One step of dt.

        Args:
            state: State at t_k.
            x: This step's rows: `"E"` current (pA), `"E.v"` jump (mV), `"E.spikes"` spikes in place of its own, `"in"`
                values of a source; each broadcasts to `([batch], n)`.

        Returns:
            The state at t_{k+1} and what every population emitted, `([batch], n)`.
        """
        x = {} if x is None else x
        synapses, populations, emitted = dict(state.projections), {}, {}
        said = modulators(self.projections, x)
        batch, coupled = self.batch_of(state), couple(self.projections.values(), state.populations)
        for name in self.order:
            population = self.populations[name]
            key = _stream(state, name)
            if isinstance(population, Source):
                shape = (population.size,) if batch is None else (batch, population.size)
                populations[name], emitted[name] = population.step(
                    state.populations[name], x.get(name), shape, self.dt, state.step, key
                )
                continue
            given = Drive(jump=x.get(f"{name}.v"), current=x.get(name), spikes=x.get(f"{name}.spikes"))
            drive = given.merge(*coupled[name])
            for path, connection in self.projections.items():
                if connection.post == name:
                    if connection.immediate:
                        draws = _stream(state, path)
                        synapses[path] = connection.arrive(synapses[path], emitted[connection.pre], draws)
                    drive = drive.merge(connection.drive(synapses[path], _voltage(state.populations[name])))
            populations[name], emitted[name] = population.step(state.populations[name], drive, self.dt, key)
        for path, connection in self.projections.items():
            sent, draws = emitted[connection.pre], _stream(state, path)
            if isinstance(connection, PlasticConnection):
                there = (populations[connection.post], emitted[connection.post])
                synapses[path] = connection.learn(synapses[path], sent, *there, emitted | said, state.step, draws)
            else:
                synapses[path] = connection.advance(synapses[path], sent, state.step, draws)
        later = state.replace(
            step=state.step + 1,
            populations={name: populations[name] for name in self.populations},
            projections=synapses,
        )
        return later, emitted

    def reader(self, path: str) -> Reader:
        """What reads `"E.spikes"`, `"E.v"`, `"I->E.g"` or `"I->E.weight"` after a step; see `Reader`."""
        return network_reader(self.populations, self.projections, path)

    def takes(self) -> dict[str, Slot]:
        """What `inputs` may name: `"E"` a current, `"E.v"` a jump, `"E.spikes"` the spikes that E emits in place of its
        own, an `Input` its values, a `Poisson` its rates."""
        slots = {}
        for name, population in self.populations.items():
            if isinstance(population, Input):
                slots[name] = Slot("", population.size, required=True)
            elif isinstance(population, Poisson):
                slots[name] = Slot("Hz", population.size)
            elif isinstance(population, Population):
                slots |= {name: Slot("pA", population.size), f"{name}.v": Slot("mV", population.size)}
                if population.neuron.takes_spikes:
                    slots[f"{name}.spikes"] = Slot("", population.size)
        for connection in self.projections.values():
            if isinstance(connection, PlasticConnection):
                slots |= {path: Slot("", 1) for path in connection.modulators()}
        return slots

    def readable(self) -> tuple[str, ...]:
        """Every path that can be recorded."""
        paths = []
        for name, population in self.populations.items():
            emits = self._emission(name)
            states = (
                []
                if isinstance(population, Source)
                else [f"{name}.{state}" for state in population.neuron.state_units()]
            )
            rate = [f"{name}.rate"] if emits.endswith(".spikes") else []
            paths += list(dict.fromkeys([emits, *rate, *states]))
        for path, connection in self.projections.items():
            driven = ["current"] * carries_current(connection, self.populations[connection.post])
            learnt = connection.readable() if isinstance(connection, PlasticConnection) else ("weight",)
            paths += [f"{path}.{name}" for name in (*connection.state_units(), *driven, *learnt)]
        return tuple(paths)

    def _emission(self, name: str) -> str:
        population = self[name]
        return f"{name}.{population.emits if isinstance(population, Source) else population.neuron.emits}"

    def out(self, emitted: dict[str, Array], state: State) -> Array | None:
        """What `outputs` names, after a step; None where the network has none."""
        return None if self.outputs is None else self.reader(self._output_path)(state, emitted)

    @property
    def _output_path(self) -> str:
        assert self.outputs is not None
        return self.outputs if "." in self.outputs else self._emission(self.outputs)

    def parameters(self) -> dict[str, ParameterInfo]:
        """Every parameter by path; depends on the structure only."""
        known: dict[str, ParameterInfo] = {}
        for name, population in self.populations.items():
            if isinstance(population, Source):
                known |= parameters_of(population, name, lambda m, n=name: m.populations[n], dt=self.dt)
            else:
                known |= parameters_of(population.neuron, name, lambda m, n=name: m.populations[n].neuron, dt=self.dt)
        for path, connection in self.projections.items():
            low, high = connection.weight_bounds
            unit = connection.synapse.weight_unit
            where = lambda m, p=path: m.projections[p].weight
            known[f"{path}.weight"] = ParameterInfo(where, "weight", unit, low, high, trainable=True)
            if connection.delays is not None:
                delay, trains = (lambda m, p=path: m.projections[p].delays), connection.trains_delay
                known[f"{path}.delay"] = ParameterInfo(delay, "delay", "ms", self.dt, connection.max_delay, trains)
            for at, terminal in enumerate(connection.terminals):
                of = lambda m, p=path, at=at: m.projections[p].terminals[at]
                known |= parameters_of(terminal, path, of, dt=self.dt)
            known |= parameters_of(connection.synapse, path, lambda m, p=path: m.projections[p].synapse, dt=self.dt)
            if isinstance(connection, PlasticConnection):
                known |= connection.parameters(lambda m, p=path: m.projections[p])
        return known

    def __repr__(self) -> str:
        nodes = ", ".join(f"{name}: {population.size}" for name, population in self.populations.items())
        edges = ", ".join(f"{path}: {connection.n_synapses}" for path, connection in self.projections.items())
        return f"Network({nodes}; {edges or 'no projections'}; dt={self.dt:g} ms, seed={self.seed})"


def _model(population: Population | Source) -> Neuron | Source:
    return population if isinstance(population, Source) else population.neuron


def _stream(state: State, path: str) -> Stream:
    return Stream.of(_streams.fold(state.key, path), state.step)


def _voltage(state: State) -> Array | None:
    return state.v if "v" in state else None


def _check_population(name: str, population: Any) -> None:
    if any(mark in name for mark in (".", "->", "#", "*", "[")) or not name:
        raise ValueError(f"`populations`: a name may not hold '.', '->', '#', '*' or '[', got {name!r}.")
    if not isinstance(population, Population | Source):
        raise TypeError(f"`populations`: expected a Population or a source for {name!r}, got {population!r}.")
