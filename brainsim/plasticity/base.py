"""A rule of plasticity: which traces of spikes a projection keeps, and what an event does to a weight.

    pre:  x <- x exp(-dt / tau),  then x <- x + s       for each trace named in `pre` and each presynaptic neuron
    post: y likewise at each postsynaptic neuron
    w_k <- clip(on_pre(w_k, x_i, y_j))   at all synapses k = (i -> j) of a presynaptic neuron i that spikes
    w_k <- clip(on_post(w_k, x_i, y_j))  at all synapses k = (i -> j) of a postsynaptic neuron j that spikes

Everything is pointwise `jnp` of numbers, written once: traces are fused into the loop over the neurons, and
`on_pre` and `on_post` are compiled and called on the synapses of the neurons that have an event
(`operators.stdp_csr`). So

    class Mine(bs.Plasticity):
        eta: Array = bs.param(0.01)
        tau: Array = bs.param(20 * ms, positive=True)
        pre, post = {"x": "tau"}, {"y": "tau"}
        def on_pre(self, w, pre, post):  return w - self.eta * post.y
        def on_post(self, w, pre, post): return w + self.eta * pre.x

costs no more than the rules of this room. Order within a step: presynaptic events come before postsynaptic ones, and an
event sees the traces of its own neuron without itself. A pair in one step counts as pre before post, as in Brian2.
Where a source emits several spikes in one step, they are one event, and raise the trace by their number. Where synapses
have several delays, a presynaptic trace belongs to a neuron and a delay (`branches.py`).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from .. import units
from .._params import Parameterized, concrete, param
from .._types import Array, State


class Seen(NamedTuple):
    """What a rule is shown of the postsynaptic side in one step.

    Attributes:
        spikes: What the postsynaptic neurons emitted, ([batch], n_post).
        voltage: Their voltage after the step (mV), where the neuron has one; after a spike it has been reset.
        modulator: What the rule's modulator said in this step, ([batch], 1) or ([batch], n_post); None without one.
        step: Index of the step, int32.
        dt: Time step (ms).
    """

    spikes: Array
    voltage: Array | None
    modulator: Array | None
    step: Array
    dt: float


class Plasticity(Parameterized):
    """Base of the rules; its parameters are single numbers.

    Weights are kept within [w_min, w_max]. With `sign=-1` of the projection a rule sees the weights' magnitudes.

    Args:
        w_max: Largest weight (unit of the synapse).
        w_min: Smallest weight (unit of the synapse).
        modulator: What the rule's modulator is: the name of a population, whose emission it gets in every step, or
            None: the input `"pre->post.NAME"` of `run` and `simulate`, where NAME is the rule's `modulated_by`.
    """

    _: dataclasses.KW_ONLY
    w_max: Array = param(unit="")
    w_min: Array = param(0.0)
    modulator: str | None = eqx.field(static=True, default=None)
    unit: str | None = eqx.field(static=True, init=False, default=None)

    in_weight_unit: ClassVar[tuple[str, ...]] = ("w_max", "w_min")
    """Parameters that are weights; the projection's synapse says their unit."""
    pre: ClassVar[Mapping[str, str | None]] = {}
    """Traces of every presynaptic neuron, each with the parameter that is its time constant (None: no decay)."""
    post: ClassVar[Mapping[str, str | None]] = {}
    """Traces of every postsynaptic neuron."""
    edges: ClassVar[tuple[str, ...]] = ()
    """Arrays with one entry for each synapse besides the weight, which start at 0."""
    target: ClassVar[str] = "weight"
    """What events change: the weight, or one of `edges`."""
    modulated_by: ClassVar[str | None] = None
    """Name of the modulator, a value in `post` of all events; None: the rule has none."""
    needs_voltage: ClassVar[bool] = False
    """Whether the rule looks at the postsynaptic voltage."""

    on_pre: ClassVar[Any] = None
    """`on_pre(w, pre, post) -> w` after a presynaptic spike; None: nothing happens."""
    on_post: ClassVar[Any] = None
    """`on_post(w, pre, post) -> w` after a postsynaptic event; None: nothing happens."""
    every_step: ClassVar[Any] = None
    """`every_step(edges, signal, dt) -> edges`: what happens to all synapses in each step, which costs as much as there
    are synapses; `edges` holds `weight` and what is named in `edges`, `signal` what `sense_signal` returns."""

    def __post_init__(self):
        named = {
            units.unit_of(value) for name in self.in_weight_unit if units.is_quantity(value := getattr(self, name))
        }
        if len(named) > 1:
            raise ValueError(f"`{self.in_weight_unit[0]}`: weights of one rule in {' and '.join(sorted(named))}.")
        self.unit = next(iter(named), None)
        for name in self.in_weight_unit if named else ():
            setattr(self, name, units.strip(name, getattr(self, name), self.unit or ""))
        super().__post_init__()
        low, high = concrete(self.w_min), concrete(self.w_max)
        if low is not None and high is not None and not (low < high).all():
            raise ValueError(f"`w_max`: expected more than `w_min` = {low:g}, got {high:g}.")
        if self.modulator is not None and self.modulated_by is None:
            raise ValueError(f"`modulator`: {type(self).__name__} has none, got {self.modulator!r}.")

    def decayed(self, traces: State, taus: Mapping[str, str | None], dt: float) -> State:
        """Traces one step of `dt` ms later, without new spikes."""
        kept = {name: getattr(traces, name) for name in traces}
        for name, tau in taus.items():
            if tau is not None:
                kept[name] = kept[name] * jnp.exp(-dt / getattr(self, tau))
        return State(**kept)

    def raised(self, traces: State, spikes: Array) -> State:
        """Traces with the spikes of this step: one more for each spike, so that all pairs of spikes count."""
        return State(**{name: getattr(traces, name) + spikes for name in traces})

    def sense(self, post: State, seen: Seen) -> State:
        """Postsynaptic traces that follow more than spikes, before the events of the step; here there are none."""
        return post

    def events(self, post: State, seen: Seen) -> Array:
        """Where postsynaptic neurons have an event, ([batch], n_post): where they spike."""
        return seen.spikes

    def sense_signal(self, signal: Array, seen: Seen) -> Array:
        """The signal that `every_step` gets, ([batch], 1), one step later."""
        return signal
