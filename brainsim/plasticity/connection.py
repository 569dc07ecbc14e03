"""A projection whose weights are state: it transmits, and then learns from the spikes of both sides.

    1. what happens to all synapses in each step (`every_step`)
    2. presynaptic spikes that arrive are transmitted with the weights that are there when they arrive
    3. presynaptic events change their rows, then postsynaptic events their columns

The delay is axonal: a spike of step k reaches its synapses, and is both transmitted and seen by the rule, in step
k + d / dt - 1, whose end is its arrival (k + d / dt acts on it). A postsynaptic spike is seen at the end of its own
step. So d = dt is Brian2 without delay, d is Brian2's presynaptic delay of d - dt, and NEST's dendritic delay (the
whole delay after the synapse) has the same pairs with t_post - t_pre larger by d.

With a delay d_k of each synapse k = (i -> j) all this holds synapse by synapse, as in Brian2: the spike of neuron i in
step n meets synapse k in step n + d_k / dt - 1, is transmitted with the weight w_k of that time, and changes it then.
What the rule sees of neuron i is what has arrived: x_k = x_i(t - d_k). Neuron i has one branch for each delay that its
synapses have (`branches.py`); events, traces and rows are those of branches, so a step costs more with their number,
and the synapses that an event touches are the same.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import units
from .._paths import ParameterInfo, parameters_of
from .._streams import Stream
from .._types import Array, State
from ..connectivity import CSR
from ..operators import csr_push, delay_ring_push, delay_ring_take, stdp_csr
from ..synapses import Connection
from .base import Plasticity, Seen
from .branches import Branches


class Columns(eqx.Module):
    """The same synapses by postsynaptic neuron.

    Attributes:
        indices: Presynaptic neuron (or branch) of every synapse, column by column, int32 (nnz,).
        indptr: First synapse of every column and the end, int32 (n_post + 1,).
        order: Where each of them lies among the rows, int32 (nnz,).
    """

    indices: Array
    indptr: Array
    order: Array

    @classmethod
    def of(cls, connection: Connection, branches: Branches | None = None) -> "Columns":
        """The columns of a connection that has rows."""
        indptr = np.asarray(connection.indptr if branches is None else branches.indptr)
        columns = CSR(indptr, np.asarray(connection.indices), indptr.size - 1, connection.n_post).transpose()
        assert columns.order is not None
        return cls(*map(jnp.asarray, (columns.indices, columns.indptr, columns.order)))


class PlasticConnection(Connection):
    """What a `Projection` with `plasticity` becomes in a network; `weight` holds the weights at t = 0, (nnz,).

    Attributes:
        rules: The rules, applied one after the other.
        columns: The synapses by postsynaptic neuron.
        branches: What the axons split into where synapses have several delays; else None. The synapses of a neuron are
            then in the order of their delays.
        inference: Whether learning is off, as `bs.inference_mode` sets it.
    """

    rules: tuple[Plasticity, ...]
    columns: Columns
    branches: Branches | None
    inference: bool = eqx.field(static=True, default=False)

    def init_state(self, batch: tuple[int, ...], dtype: Any) -> State:
        """Kinetics, the weights ([batch], nnz), traces at 0 and, for delays of several steps, the spikes under way."""
        kinetics = self.synapse.init_state((*batch, self.n_post), dtype)
        fields = {name: getattr(kinetics, name) for name in kinetics}
        for stage in self.stages:
            fields |= stage.terminal_state((*batch, self.n_pre), dtype)
        fields["weight"] = jnp.broadcast_to(self.weight, (*batch, self.n_synapses))
        for at, rule in enumerate(self.rules):
            sizes = {**dict.fromkeys(rule.edges, self.n_synapses), **({"signal": 1} if rule.every_step else {})}
            fields |= {_name(name, at): jnp.zeros((*batch, size), dtype) for name, size in sizes.items()}
            for side, names, size in (("pre", rule.pre, self.n_rows), ("post", rule.post, self.n_post)):
                fields |= {_name(f"{name}_{side}", at): jnp.zeros((*batch, size), dtype) for name in names}
        if self.max_steps > 1:
            fields["spikes"] = jnp.zeros((*batch, self.max_steps, self.n_rows), dtype)
        if self._releases:
            fields["released"] = jnp.zeros((*batch, self.max_steps, self.n_rows), dtype)
        return State(**fields)

    @property
    def n_rows(self) -> int:
        """Presynaptic neurons, or branches where synapses have several delays."""
        return self.n_pre if self.branches is None else self.branches.n_branches

    @property
    def _releases(self) -> bool:
        """Whether what a branch carries is not what its neuron emits, so that the rule's spikes travel apart."""
        return self.branches is not None and any(stage.acts for stage in self.stages)

    def readable(self) -> dict[str, tuple[str, int]]:
        """Unit and size of every state that can be recorded besides those of the synapse."""
        sizes: dict[str, tuple[str, int]] = {"weight": (self.synapse.weight_unit, self.n_synapses)}
        for at, rule in enumerate(self.rules):
            sizes |= {_name(name, at): (self.synapse.weight_unit, self.n_synapses) for name in rule.edges}
            for side, names, size in (("pre", rule.pre, self.n_rows), ("post", rule.post, self.n_post)):
                sizes |= {_name(f"{name}_{side}", at): ("", size) for name in names}
        return sizes

    @property
    def per_synapse(self) -> tuple[str, ...]:
        """Names of the states with one entry for each synapse."""
        return ("weight", *(_name(name, at) for at, rule in enumerate(self.rules) for name in rule.edges))

    def modulators(self) -> dict[str, str]:
        """Names of the inputs that the rules take, `"pre->post.reward"`, each with the name within the rule."""
        return {
            f"{self.path}.{_name(rule.modulated_by, at)}": rule.modulated_by
            for at, rule in enumerate(self.rules)
            if rule.modulated_by is not None and rule.modulator is None
        }

    def parameters(self, where: Callable[[Any], Any]) -> dict[str, ParameterInfo]:
        """The parameters of the rules by path, `"pre->post.a_plus"`; `where(model)` is this connection in a model."""
        known: dict[str, ParameterInfo] = {}
        for at, rule in enumerate(self.rules):
            found = parameters_of(rule, self.path, lambda m, at=at: where(m).rules[at], dt=self.dt)
            known |= {_name(path, at): info for path, info in found.items()}
        return known

    def arrive(self, state: State, emitted: Array, key: Stream | None = None) -> State:
        """Add what `emitted (*batch, n_pre)` brings through the present weights, without delay."""
        return self._pushed(*self._transmit(state, emitted, key))

    def _pushed(self, state: State, released: Array) -> State:
        """Add what rows `(*batch, n_rows)` release through the present weights."""
        port, indices, indptr = self.synapse.port, self.indices, self._row_ends
        assert indices is not None
        push = lambda total, weight, sent: csr_push(total, weight, indices, indptr, sent, is_sorted=True)
        for _ in state.weight.shape[1:]:
            push = jax.vmap(push)
        return state.replace(**{port: push(getattr(state, port), state.weight, released)})

    @property
    def _row_ends(self) -> Array:
        ends = self.indptr if self.branches is None else self.branches.indptr
        assert ends is not None
        return ends

    def advance(self, state: State, emitted: Array, step: Array, key: Stream | None = None) -> State:
        """A plastic connection goes on by `learn`, which also sees the postsynaptic side."""
        raise TypeError("PlasticConnection: call `learn` in place of `advance`.")

    def learn(
        self,
        state: State,
        emitted: Array,
        post: State | None,
        spikes: Array,
        given: Mapping[str, Array],
        step: Array,
        key: Stream | None = None,
    ) -> State:
        """From t_k to t_{k+1}: kinetics, transmission, plasticity.

        Args:
            state: State at t_k.
            emitted: Spikes of the presynaptic population in step k, `(*batch, n_pre)`.
            post: State of the postsynaptic population after the step.
            spikes: Spikes of the postsynaptic population in step k, `(*batch, n_post)`.
            given: What populations emitted, and the inputs of this step, by name.
            step: Index k, int32.
            key: Random stream of step k, for terminals that draw.
        """
        voltage = post.v if post is not None and "v" in post else None
        seen = [Seen(spikes, voltage, self._modulator(at, given), step, self.dt) for at in range(len(self.rules))]
        state = self.synapse.advance(state, self.dt)
        if not self.inference:
            for at, rule in enumerate(self.rules):
                state = self._all_synapses(state, rule, at, seen[at])
        arrived = emitted
        if self.branches is not None:
            arrived, state = self._along_branches(state, emitted, step, key)
        else:
            if self.max_steps > 1:
                arrived, state = self._under_way(state, emitted, step)
            if self.max_steps > 0:
                state = self.arrive(state, arrived, key)
        if not self.inference:
            for at, rule in enumerate(self.rules):
                state = self._events(state, rule, at, arrived, seen[at])
        return state

    def _under_way(self, state: State, emitted: Array, step: Array) -> tuple[Array, State]:
        """The spikes that arrive now; those of this step begin their way."""
        targets, ends = (jnp.asarray(np.arange(self.n_pre + more, dtype=np.int32)) for more in (0, 1))
        ring = delay_ring_push(state.spikes, 1.0, targets, ends, self.max_steps, emitted, step, is_sorted=True)
        arrived, ring = delay_ring_take(ring, (step + 1) % self.max_steps)
        return arrived, state.replace(spikes=ring)

    def _along_branches(self, state: State, emitted: Array, step: Array, key: Stream | None) -> tuple[Array, State]:
        """The spikes that arrive now, branch by branch, and the state with what they brought."""
        assert self.branches is not None
        arrived, ring = self.branches.pass_on(state.spikes, emitted, step)
        state, sent = self._transmit(state.replace(spikes=ring), emitted, key)
        if not self._releases:
            return arrived, self._pushed(state, arrived)
        released, ring = self.branches.pass_on(state.released, sent, step)
        return arrived, self._pushed(state.replace(released=ring), released)

    def _modulator(self, at: int, given: Mapping[str, Array]) -> Array | None:
        rule = self.rules[at]
        if rule.modulated_by is None:
            return None
        name = f"{self.path}.{_name(rule.modulated_by, at)}" if rule.modulator is None else rule.modulator
        return given[name]

    def _all_synapses(self, state: State, rule: Plasticity, at: int, seen: Seen) -> State:
        if rule.every_step is None:
            return state
        signal = rule.sense_signal(getattr(state, _name("signal", at)), seen)
        magnitude = -state.weight if self.sign == -1 else state.weight
        edges = State(weight=magnitude, **{name: getattr(state, _name(name, at)) for name in rule.edges})
        later = rule.every_step(edges, signal, self.dt)
        changes = {_name(name, at): getattr(later, name) for name in rule.edges}
        changes["weight"] = -later.weight if self.sign == -1 else later.weight
        return state.replace(**changes, **{_name("signal", at): signal})

    def _events(self, state: State, rule: Plasticity, at: int, arrived: Array, seen: Seen) -> State:
        traces = {
            side: State(**{name: getattr(state, _name(f"{name}_{side}", at)) for name in names})
            for side, names in (("pre", rule.pre), ("post", rule.post))
        }
        pre = rule.decayed(traces["pre"], rule.pre, self.dt)
        post = rule.sense(rule.decayed(traces["post"], rule.post, self.dt), seen)
        pre_after, shown = rule.raised(pre, arrived), _with_modulator(post, rule, seen)
        target = "weight" if rule.target == "weight" else _name(rule.target, at)
        weight = getattr(state, target)
        if rule.on_pre is not None:
            rows = (self.indices, self._row_ends, None)
            weight = _changed(rule, rule.on_pre, self.sign, weight, arrived, rows, pre, shown, is_pre=True)
        if rule.on_post is not None:
            columns = (self.columns.indices, self.columns.indptr, self.columns.order)
            events = rule.events(post, seen)
            weight = _changed(rule, rule.on_post, self.sign, weight, events, columns, pre_after, shown, is_pre=False)
        post = rule.raised(post, seen.spikes)
        kept = {_name(f"{name}_pre", at): getattr(pre_after, name) for name in rule.pre}
        kept |= {_name(f"{name}_post", at): getattr(post, name) for name in rule.post}
        return state.replace(**{target: weight}, **kept)


def _name(name: str, at: int) -> str:
    """Name of a state of rule number `at`: the second rule's is told apart by its number."""
    return name if at == 0 else f"{name}_{at + 1}"


def _with_modulator(post: State, rule: Plasticity, seen: Seen) -> State:
    if seen.modulator is None or rule.modulated_by is None:
        return post
    value = jnp.broadcast_to(seen.modulator, seen.spikes.shape)
    return State(**{name: getattr(post, name) for name in post}, **{rule.modulated_by: value})


def _changed(
    rule: Plasticity, event: Any, sign: int | None, weight: Array, events: Array, synapses: tuple[Any, Any, Any],
    pre: State, post: State, *, is_pre: bool,
) -> Array:  # fmt: skip
    """The weights after the events of one side."""
    arrays, static = eqx.partition(rule, eqx.is_array)
    parameters, tree = jax.tree.flatten(arrays)
    names = (tuple(pre), tuple(post)) if is_pre else (tuple(post), tuple(pre))
    function = "on_pre" if is_pre else "on_post"

    def update(w: Array, own: Any, other: Any, shared: Any) -> Array:
        now = eqx.combine(jax.tree.unflatten(tree, shared), static)
        own, other = (State(**dict(zip(n, values, strict=True))) for n, values in zip(names, (own, other), strict=True))
        magnitude = -w if sign == -1 and rule.target == "weight" else w
        later = getattr(now, function)(magnitude, *((own, other) if is_pre else (other, own)))
        if rule.target != "weight":
            return later
        later = jnp.clip(later, now.w_min, now.w_max)
        return -later if sign == -1 else later

    indices, indptr, order = synapses
    own, other = ([getattr(side, name) for name in side] for side in ((pre, post) if is_pre else (post, pre)))
    return stdp_csr(update, weight, events, indices, indptr, own=own, other=other, shared=parameters, order=order)


def plastic(connection: Any, plasticity: Any) -> PlasticConnection:
    """A connection with rules.

    Args:
        connection: Sparse, with delays on the grid of dt.
        plasticity: A rule, or several.

    Raises:
        ValueError: Dense storage, delays between two steps, weights outside the bounds, or bounds in another unit than
            the weights.
    """
    rules = tuple(plasticity) if isinstance(plasticity, list | tuple) else (plasticity,)
    if not isinstance(connection, Connection):
        raise ValueError(f"`plasticity` of {connection.path}: a gap junction has no spikes to learn from.")
    path, weight = connection.path, np.asarray(connection.weight)
    if connection.indices is None:
        raise ValueError(f'`storage` of {path}: plastic synapses are sparse, use "csr".')
    if connection.delays is not None:
        raise ValueError(f'`delay_mode` of {path}: plastic synapses have delays on the grid of dt: "grid".')
    dtype, built = weight.dtype, []
    for rule in rules:
        _check(rule, connection, weight)
        built.append(rule.build(f"{path}.plasticity", (), dt=connection.dt, key=jax.random.key(0), dtype=dtype))
    fields = {name: getattr(connection, name) for name in connection.__dataclass_fields__}
    fields["paired"], branches = False, None
    fields["weight"] = jnp.array(jnp.broadcast_to(connection.weight, (connection.n_synapses,)))
    if connection.delay_steps is not None and np.unique(connection.delay_steps).size > 1:
        order, branches = Branches.of(connection)
        for name in ("weight", "indices", "delay_steps"):
            fields[name] = fields[name][order]
    else:
        fields["delay_steps"] = None
    columns = Columns.of(Connection(**fields), branches)
    return PlasticConnection(**fields, rules=tuple(built), columns=columns, branches=branches)


def _check(rule: Plasticity, connection: Connection, weight: np.ndarray) -> None:
    unit, path = connection.synapse.weight_unit, connection.path
    if rule.unit not in (None, unit):
        raise ValueError(
            f"`w_max` of {path}: {type(connection.synapse).__name__} takes {units.describe(unit)}, "
            f"got {units.describe(rule.unit or '')}."
        )
    low, high = (float(np.asarray(value)) for value in (rule.w_min, rule.w_max))
    if connection.weight_bounds[0] == 0 or connection.sign == -1:
        if low < 0:
            raise ValueError(f"`w_min` of {path}: expected a magnitude >= 0 {unit}, got {low:g}.")
    size = -weight if connection.sign == -1 else weight
    if size.size and (size.min() < low or size.max() > high):
        raise ValueError(
            f"`weight` of {path}: expected weights in [{low:g}, {high:g}] {unit}, the bounds of "
            f"{type(rule).__name__}, got {size.min():g} to {size.max():g}."
        )
