"""The base of every neuron: one step of time from an equation, with what all neurons share done once.

    x <- integrate(drift, x, dt);  v <- v + jump;  spike where overdrive(x) >= 0;  x <- reset(x) where a spike is

While refractory, v keeps its value, jumps are discarded and there is no spike; other states go on, unless a model's
`holds` says otherwise. Spikes that are given (`drive.spikes`, from `inputs={"E.spikes": ...}`) take the place of its
own, reset it and begin its refractory time. Where a model has a `hazard` h (1/ms), spikes are drawn: a spike with
probability 1 - exp(-h(x) dt). Units: ms, mV, pA, nS.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks, _streams, units, values
from .._params import Parameterized, concrete, is_zero, param
from .._streams import Stream
from .._types import Array, Context, Drive, State, Value
from .integrate import INTEGRATORS, STOCHASTIC, synaptic_current
from .precise import precise_step
from .surrogate import Surrogate, surrogate_of


class Neuron(Parameterized):
    """A neuron model: parameters declared by `param`, `states`, and three functions of a state.

    A subclass defines `drift`, `overdrive` and `reset` (and `diffusion` for noise, `exact` for a closed-form step), or,
    if it is no differential equation, `step`; a `hazard` in place of `overdrive` draws its spikes. All are elementwise
    in `jnp`; a state is read as `s.v`.

    Attributes:
        t_ref: Absolute refractory time (ms), a multiple of dt: a spike holds v during the next t_ref/dt steps.
        i_bias: Constant current (pA).
        surrogate: Derivative of the spike: a name, a `Surrogate`, or a function of the normalised overdrive. With a
            `hazard` it is a function of (chance of a spike - number drawn).
        detach_reset: Whether no gradient crosses the reset.
        integrator: "exp_euler", "rk2", "rk4", "heun", "euler", or "exact" where the model has a closed form.
        precise_times: Whether spikes have a time inside their step, where reset and refractory time begin: then there
            is a state `spike_offset` (ms), by which the last spike came before the end of its step; see `precise`.
        port: What the output of a layer before it is to the neuron, "jump" (mV) or "current" (pA, held over the step);
            in a `Network` the synapse decides.
        ports: The ports that a layer may feed.
        uses_refractory: Whether the state counts refractory steps: `t_ref` was not the number 0 at construction.
        states: Initial value of each state by name: a value slot, or the name of a parameter.
        holds: States that keep their value while the neuron is refractory.
        upward: Whether a spike is a crossing from below in this step, as in models that nothing resets.
        emits: What `step` returns beside the state: "spikes", or the name of a graded output.
        graded: Whether spikes take other values than 0 and 1.
        emits_surrogate: Whether the `step` of this very class emits what `surrogate` returns, or 0 in its place. A
            class that defines a `step` says so for itself; a local surrogate then makes gradients sparse (`support`).
    """

    _: dataclasses.KW_ONLY
    t_ref: Array = param(0.0, unit="ms", low=0)
    i_bias: Array = param(0.0, unit="pA", kind="bias")
    surrogate: Surrogate = eqx.field(static=True, default="atan")
    detach_reset: bool = eqx.field(static=True, default=True)
    integrator: str = eqx.field(static=True, default="exp_euler")
    precise_times: bool = eqx.field(static=True, default=False)
    port: str = eqx.field(static=True, default="jump")
    uses_refractory: bool = eqx.field(static=True, init=False)

    states: ClassVar[dict[str, Value]] = {}
    holds: ClassVar[tuple[str, ...]] = ("v",)
    upward: ClassVar[bool] = False
    ports: ClassVar[tuple[str, ...]] = ("jump", "current")
    emits: ClassVar[str] = "spikes"
    graded: ClassVar[bool] = False
    emits_surrogate: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        kind = type(self)
        _checks.choice("port", self.port, self.ports)
        self.surrogate = surrogate_of(self.surrogate)
        self.uses_refractory = not is_zero(self.t_ref)
        if kind.step is Neuron.step:
            for name in ("drift", "hazard" if self._escapes else "overdrive", "reset"):
                if getattr(kind, name) is getattr(Neuron, name):
                    raise TypeError(
                        f"{kind.__name__} must define `{name}`, or `step` if it is no differential equation."
                    )
        if kind.drift is not Neuron.drift:
            _checks.choice("integrator", self.integrator, self.integrators())
        crosses = kind.drift is not Neuron.drift and kind.overdrive is not Neuron.overdrive
        if self.precise_times and (self._noisy or self._escapes or not crosses):
            raise ValueError(f"`precise_times`: {kind.__name__} has no smooth path to a threshold inside a step.")

    def integrators(self) -> tuple[str, ...]:
        """What `integrator` may be."""
        own = ("exact",) if type(self).exact is not Neuron.exact else ()
        return own + (STOCHASTIC if self._noisy else tuple(INTEGRATORS))

    @property
    def takes_spikes(self) -> bool:
        """Whether its spikes may be given: not where a model's own `step` makes them, nor with precise times."""
        return self.emits == "spikes" and type(self).step is Neuron.step and not self.precise_times

    @property
    def pointwise(self) -> bool:
        """Whether a neuron's step reads its own state and drive only: then a loop over time may go neuron by neuron."""
        return True

    def fed(self, x: Array) -> Drive:
        """What the output `x` of a layer, `([batch], n)`, is to this neuron: what `port` says."""
        return Drive(jump=x) if self.port == "jump" else Drive(current=x)

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """dx/dt of every state (per ms); `i(v)` is the current (pA) at v: bias, inputs, sum of g (e_rev - v)."""
        raise TypeError(f"{type(self).__name__} does not define `drift`.")

    def overdrive(self, s: State) -> Array:
        """Normalised distance to threshold, (v - v_th) / (v_th - v_reset); a spike where it is >= 0."""
        raise TypeError(f"{type(self).__name__} does not define `overdrive`.")

    def hazard(self, s: State) -> Array:
        """Rate of spikes (per ms) in a state; a model that defines it draws its spikes."""
        raise TypeError(f"{type(self).__name__} does not define `hazard`.")

    def reset(self, s: State) -> dict[str, Array]:
        """The states that a spike changes, and what to."""
        raise TypeError(f"{type(self).__name__} does not define `reset`.")

    def after_spike(self, s: State) -> dict[str, Array]:
        """What `step` takes for the reset: `reset(s)`, unless a model has an option of that name."""
        return self.reset(s)

    def diffusion(self, s: State) -> dict[str, Array]:
        """Noise amplitude of the states that have noise (unit of the state per sqrt(ms))."""
        return {}

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """The states after `dt` in closed form, before jumps; for `integrator="exact"`."""
        raise TypeError(f"{type(self).__name__} does not define `exact`.")

    def validate(self, dt: float) -> None:
        """Raise where parameters contradict each other or `dt`; called on the built neuron."""

    def build(self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any) -> "Neuron":
        """The same neuron with every parameter an array of shape `()` or `shape`.

        Args:
            path: Name of the population, for messages and random streams.
            shape: Shape of the population.
            dt: Step (ms).
            key: Key that distributions are drawn from.
            dtype: float32 or float64.

        Raises:
            ValueError: A value out of bounds or of the wrong shape, or `t_ref` is not a multiple of `dt`.
        """
        built = super().build(path, shape, dt=dt, key=key, dtype=dtype)
        hold = concrete(built.t_ref)
        for value in () if hold is None else np.unique(hold):
            _checks.steps("t_ref", float(value), dt)
        built.validate(dt)
        return built

    def state_units(self) -> dict[str, str]:
        """Base unit of each state."""
        known = {
            name: self.params[value].unit if isinstance(value, str) else units.unit_of(value)
            for name, value in self.states.items()
        }
        precise = {"spike_offset": "ms"} if self.precise_times else {}
        return known | ({"refractory": ""} if self.uses_refractory else {}) | precise

    def init_state(
        self,
        shape: tuple[int, ...],
        *,
        batch: int | None = None,
        key: Array,
        init: Mapping[str, Value] = MappingProxyType({}),
        dtype: Any,
    ) -> State:
        """A state at t = 0.

        Args:
            shape: Shape of the population.
            batch: Trials, each with draws of its own; None for no batch axis.
            key: Key of the draws.
            init: Initial values by state name, as value slots; the others start from `states`.
            dtype: float32 or float64.

        Returns:
            Leaves `([batch], *shape)`; `refractory` (int32, steps left) where the neuron has a refractory time,
            `spike_offset` (ms) where its spikes have precise times.
        """
        for name in init:
            if name not in self.states:
                raise ValueError(
                    f"`init`: {type(self).__name__} has no state `{name}`; it has {', '.join(self.states)}."
                )
        full = shape if batch is None else (batch, *shape)
        state = {}
        for name, unit in self.state_units().items():
            if name in ("refractory", "spike_offset"):
                state[name] = jnp.zeros(full, jnp.int32 if name == "refractory" else dtype)
                continue
            value = init.get(name, self.states[name])
            value = getattr(self, value) if isinstance(value, str) else value
            state[name] = _initial(name, value, shape, batch, unit=unit, key=_streams.fold(key, name), dtype=dtype)
        return State(**state)

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms.

        Args:
            state: State at t.
            drive: What reaches the neuron during the step.
            dt: Step (ms), a Python float.
            key: Random stream; needed by models with `diffusion` only.

        Returns:
            The state at t + dt, after the reset, and the spikes 0. or 1., `([batch], n)`.
        """
        if self.precise_times:
            return precise_step(self, state, drive, dt)
        later = self.integrate(state, drive, dt, key)
        if drive.jump is not None:
            later["v"] = later["v"] + drive.jump
        held = state.refractory > 0 if self.uses_refractory else None
        if held is not None:
            for name in self.holds:
                later[name] = jnp.where(held, getattr(state, name), later[name])
        reached = State(**later)
        if drive.spikes is not None:
            spikes = jnp.broadcast_to(drive.spikes, jnp.shape(next(iter(later.values()))))
        else:
            spikes = self.fired(state, reached, dt, key)
            if held is not None:
                spikes = jnp.where(held, 0, spikes)
        for name, value in self.after_spike(reached).items():
            later[name] = self.at_spikes(spikes, value, later[name])
        if held is not None:
            later["refractory"] = jnp.where(spikes > 0, self.hold_steps(dt), jnp.maximum(state.refractory - 1, 0))
        return State(**later), spikes

    def fired(self, before: State, reached: State, dt: float, key: Stream | None) -> Array:
        """Spikes of a step from `before` to `reached`, whatever the refractory time says."""
        if self._escapes:
            if key is None:
                raise ValueError(f"`key`: {type(self).__name__} draws its spikes and needs a random stream.")
            chance = -jnp.expm1(-dt * self.hazard(reached))
            return self.surrogate(chance - key.uniform(chance.shape, draw=len(self.states), dtype=chance.dtype))
        spikes = self.surrogate(self.overdrive(reached))
        return jnp.where(self.overdrive(before) < 0, spikes, 0) if self.upward else spikes

    def hold_steps(self, dt: float) -> Array:
        """Steps that v is held after a spike, int32."""
        return jnp.round(self.t_ref / dt).astype(jnp.int32)

    def integrate(self, state: State, drive: Drive, dt: float, key: Stream | None) -> dict[str, Array]:
        """Every state but `refractory` after `dt`, before jumps and spikes."""
        if drive.jump is not None and "v" not in self.states:
            raise ValueError(f"{type(self).__name__} has no state `v` that a jump could be added to.")
        if self.integrator == "exact":
            return self.exact(state, drive, dt)
        x = State(**{name: getattr(state, name) for name in self.states})

        def field(s: State, time: float | None) -> State:
            slope = self.drift(s, synaptic_current(self.i_bias, drive, dt, time))
            if set(slope) != set(self.states):
                raise ValueError(
                    f"`drift` of {type(self).__name__}: expected {', '.join(self.states)}, got {', '.join(slope)}."
                )
            return State(**{name: slope[name] for name in x})

        later = INTEGRATORS[self.integrator](field, x, dt, self._kick(x, dt, key) if self._noisy else None)
        return {name: getattr(later, name) for name in x}

    @property
    def _noisy(self) -> bool:
        return type(self).diffusion is not Neuron.diffusion

    @property
    def _escapes(self) -> bool:
        return type(self).hazard is not Neuron.hazard

    def _kick(self, x: State, dt: float, key: Stream | None) -> Any:
        if key is None:
            raise ValueError(f"`key`: {type(self).__name__} has noise and needs a random stream.")
        scale = float(np.sqrt(dt))
        dw = {n: scale * key.normal(jnp.shape(v), draw=j, dtype=v.dtype) for j, (n, v) in enumerate(_items(x))}

        def kick(s: State) -> State:
            amplitude = self.diffusion(s)
            return State(**{n: amplitude[n] * dw[n] if n in amplitude else jnp.zeros_like(v) for n, v in _items(x)})

        return kick

    def at_spikes(self, spikes: Array, value: Array, otherwise: Array) -> Array:
        """`value` where there is a spike; the gradient crosses the choice unless `detach_reset`."""
        if self.detach_reset:
            return jnp.where(spikes > 0, value, otherwise)
        return spikes * value + (1 - spikes) * otherwise


def _items(state: State) -> list[tuple[str, Array]]:
    return [(name, getattr(state, name)) for name in state]


def _initial(
    name: str, value: Value, shape: tuple[int, ...], batch: int | None, *, unit: str, key: Array, dtype: Any
) -> Array:
    full = shape if batch is None else (batch, *shape)
    value = values.strip(name, value, unit)
    if callable(value) and batch is not None:
        keys = jax.random.split(key, batch)
        drawn = [values.resolve(value, Context(name, shape, 0.0), unit=unit, key=k, dtype=dtype) for k in keys]
        return jnp.stack([jnp.broadcast_to(row, shape) for row in drawn])
    per_trial = isinstance(value, values.Distribution) or getattr(value, "shape", ()) == full
    context = Context(name, full if per_trial else shape, 0.0)
    return jnp.broadcast_to(values.resolve(value, context, unit=unit, key=key, dtype=dtype), full)
