"""The values that cross between rooms: the state of a part, and what drives a neuron during one step.

    Drive = jump (mV) + current (pA) + sum_k g_k (e_k - v) + sum_j i_j exp(-t / tau_j) + sum_j r_j t exp(-t / tau_j)

Axes are `(time, [batch], neurons)` everywhere; a state leaf has shape `([batch], neurons)`.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
Value: TypeAlias = Any
"""A value slot: number | quantity | array | distribution | `f(key, context) -> array`."""


class Context(NamedTuple):
    """What a function in a value slot is told: `f(key, context) -> array`.

    Attributes:
        path: Where the value goes, such as `"E.tau_mem"` or `"I->E.weight"`.
        shape: Shape that the function must return.
        dt: Time step in ms.
        pre: Presynaptic neuron of each synapse, or None for a neuron's value.
        post: Postsynaptic neuron of each synapse, or None for a neuron's value.
        distance: Length of each synapse (um), or None where a population has no positions.
    """

    path: str
    shape: tuple[int, ...]
    dt: float
    pre: np.ndarray | None = None
    post: np.ndarray | None = None
    distance: np.ndarray | None = None


@jax.tree_util.register_pytree_with_keys_class
class State:
    """An immutable record of named arrays: the state of one population, synapse or layer.

    Fields are read as attributes (`state.v`) and changed with `replace`, which never adds a field.
    """

    __slots__ = ("_fields",)
    _fields: dict[str, Any]

    def __init__(self, **fields: Any):
        object.__setattr__(self, "_fields", fields)

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_fields")[name]
        except KeyError:
            raise AttributeError(f"state has {', '.join(self) or 'no fields'}; not `{name}`.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"state is a value: use `state.replace({name}=...)`.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __repr__(self) -> str:
        return f"State({', '.join(f'{name}={value!r}' for name, value in self._fields.items())})"

    def __reduce__(self) -> tuple[Callable[..., "State"], tuple[dict[str, Any]]]:
        return _state_of, (self._fields,)

    def replace(self, **changes: Any) -> "State":
        """The same state with some fields changed.

        Raises:
            ValueError: A name that the state does not have.
        """
        for name in changes:
            if name not in self._fields:
                raise ValueError(f"`{name}`: expected one of {', '.join(self)}, the fields of this state.")
        return State(**{**self._fields, **changes})

    def tree_flatten_with_keys(self):
        """Leaves with their names, for `jax.tree_util`."""
        keyed = tuple((jax.tree_util.GetAttrKey(name), value) for name, value in self._fields.items())
        return keyed, tuple(self._fields)

    @classmethod
    def tree_unflatten(cls, names, values):
        """Inverse of flattening."""
        return cls(**dict(zip(names, values, strict=True)))


def _state_of(fields: dict[str, Any]) -> State:
    return State(**fields)


class Drive(NamedTuple):
    """What reaches a population in one step; a port that is None does not exist in the compiled program.

    Attributes:
        jump: Voltage added after the leak of this step, before the threshold (mV): v <- phi(v) + jump.
        current: Current held over the step (pA).
        conductance: Sum of the open conductances g_k (nS), held over the step.
        reversal: Sum of g_k e_k (pA), so that the synaptic current is `reversal - conductance * v`.
        decaying: Pairs (current at the start of the step in pA, time constant in ms): i exp(-t / tau).
        ramping: Pairs (slope at the start of the step in pA/ms, time constant in ms): r t exp(-t / tau).
        spikes: Spikes 0 or 1 that the population emits in this step whatever its voltage; None: its own.
    """

    jump: Array | None = None
    current: Array | None = None
    conductance: Array | None = None
    reversal: Array | None = None
    decaying: tuple[tuple[Array, Array], ...] = ()
    ramping: tuple[tuple[Array, Array], ...] = ()
    spikes: Array | None = None

    def merge(self, *others: "Drive") -> "Drive":
        """The sum of this drive and others, port by port."""
        total = self
        for other in others:
            total = Drive(
                _plus(total.jump, other.jump),
                _plus(total.current, other.current),
                _plus(total.conductance, other.conductance),
                _plus(total.reversal, other.reversal),
                total.decaying + other.decaying,
                total.ramping + other.ramping,
                _plus(total.spikes, other.spikes),
            )
        return total


def _plus(a: Array | None, b: Array | None) -> Array | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b
