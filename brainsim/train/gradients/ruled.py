"""Gradients by another rule than the chain rule over time: a `Sequential` runs as ever, its derivative is the rule's.

    out, records = unroll(model, xs)          dL/dmodel := rule(dL/dout, dL/drecords)

Whatever comes before and after the run, the loss above all, is differentiated by JAX.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple, Protocol

import equinox as eqx
import jax

from ... import fuse
from ..._types import Array, State
from ...networks import Reader, Sequential
from ..batches import Batch
from ..mask import present
from ..objective import Objective, Outcome
from . import bptt
from .chain import only


class Passage(NamedTuple):
    """A model's way through a batch, as a rule gets it.

    Attributes:
        model: The model.
        state: Its state before the first step.
        xs: Input, `(time, [batch], *input_shape)`.
        readers: What was recorded.
    """

    model: Sequential
    state: State
    xs: Array
    readers: tuple[Reader, ...]


class Rule(Protocol):
    """What takes the place of the chain rule over time; hashable."""

    stepwise: ClassVar[bool]
    """Whether the model goes step by step, so that nothing but output and records is ever held over time."""

    def trains(self, model: Sequential, name: str, parameter: str) -> bool:
        """Whether the parameter `parameter` of the layer `name` gets a gradient.

        Raises:
            ValueError: The rule cannot treat the model; the message names the layer and says why.
        """
        ...

    def watch(self, model: Sequential) -> tuple[str, ...]:
        """Record paths of what `pull` needs; nothing else is kept over time."""
        ...

    def pull(
        self, passage: Passage, watched: tuple[Array, ...], ct: tuple[Array | None, tuple[Array | None, ...]]
    ) -> tuple[Any, ...]:
        """The gradient of every layer.

        Args:
            passage: Model, state, input and readers.
            watched: The records of `watch`, `(time, [batch], n)`.
            ct: Derivative of the value with respect to the output and to each record; None is 0.

        Returns:
            A tree like the floating arrays of each layer, None where there is no gradient.
        """
        ...


class Ruled(Sequential):
    """A `Sequential` whose derivative over time is a rule's.

    Args:
        model: The model.
        rule: The rule.
    """

    rule: Any = eqx.field(static=True)

    def __init__(self, model: Sequential, rule: Rule):
        for field in dataclasses.fields(Sequential):
            setattr(self, field.name, getattr(model, field.name))
        self.rule = rule

    @property
    def undivided(self) -> str:
        """The rule takes all steps at once: a long run is not cut into segments that are recomputed."""
        return self.names[-1]

    def unroll(
        self,
        state: State,
        xs: Array,
        readers: tuple[Reader, ...] = (),
        *,
        valid: Array | None = None,
        packed: bool = False,
    ) -> tuple[State, dict[str, Array], tuple[Array, ...]]:
        """As `Sequential.unroll`, with the last layer's output only; what is kept, and as what, the rule says."""
        rule, n = self.rule, len(readers)

        def forward(model: Ruled, state: State, xs: Array, valid: Array | None) -> tuple[Any, Any]:
            watch = tuple(model.reader(path) for path in rule.watch(model))
            go = _by_steps if rule.stepwise else Sequential.unroll
            later, emitted, reads = go(model, state, xs, (*readers, *watch), valid=valid)
            return (later, emitted[model.names[-1]], reads[:n]), reads[n:]

        @eqx.filter_custom_vjp
        def passed(model: Ruled, state: State, xs: Array, valid: Array | None) -> Any:
            return forward(model, state, xs, valid)[0]

        @passed.def_fwd
        def _(perturbed: Any, model: Ruled, state: State, xs: Array, valid: Array | None) -> tuple[Any, Any]:
            return forward(model, state, xs, valid)

        @passed.def_bwd
        def _(residuals: Any, ct: Any, perturbed: Any, model: Ruled, state: State, xs: Array, valid: Any) -> Any:
            lead = xs.shape[: xs.ndim - len(model.input_shape)]
            reads = _of_spikes(readers, ct[2], lead)
            layers = rule.pull(Passage(model, state, xs, readers), residuals, (ct[1], reads))
            return only(model, layers=layers)

        later, out, reads = passed(self, state, xs, valid)
        return later, {self.names[-1]: out}, reads


def _by_steps(
    model: Sequential, state: State, xs: Array, readers: tuple[Reader, ...], *, valid: Array | None
) -> tuple[State, dict[str, Array], tuple[Array, ...]]:
    """`Sequential.unroll` as a loop of `step`, with the last layer's output only; no layer of it looks at `valid`."""
    last = model.names[-1]

    def one(state: State, x: Array) -> tuple[State, tuple[Array, tuple[Array, ...]]]:
        state, emitted = model.step(state, x)
        return state, (emitted[last], tuple(reader(state, emitted) for reader in readers))

    later, (out, reads) = fuse.loop(one, state, xs)
    return later, {last: out}, reads


def _of_spikes(
    readers: tuple[Reader, ...], cts: tuple[Array | None, ...], lead: tuple[int, ...]
) -> tuple[Array | None, ...]:
    """Derivatives with respect to all spikes that were read, `(*lead, n)`, from those with respect to what was kept.

    Raises:
        ValueError: The value depends on a record that is no spikes: a rule has no derivative for it.
    """
    found: list[Array | None] = []
    for reader, ct in zip(readers, cts, strict=True):
        if ct is not None and reader.kind != "spikes":
            raise ValueError(f'`regularize`: "{reader.path}" has a derivative by "bptt" only; others need spikes.')
        if ct is not None:
            (ct,) = jax.linear_transpose(reader.kept, jax.ShapeDtypeStruct((*lead, reader.size), ct.dtype))(ct)
        found.append(ct)
    return tuple(found)


def value_and_grad(
    method: str, rule: Rule, objective: Objective, params: Any, static: Any, batch: Batch, key: Array
) -> tuple[Outcome, Any]:
    """As `bptt.value_and_grad`, by a rule.

    Args:
        method: Name of the method, for messages.
        rule: The rule.
        objective, params, static, batch, key: As there.

    Raises:
        ValueError: The rule cannot treat the model or train one of the parameters.
    """
    require_trained(method, rule, eqx.combine(params, static), params)

    def ruled(model: Any, batch: Batch, key: Array) -> Outcome:
        return objective(Ruled(model, rule), batch, key)

    return bptt.value_and_grad(ruled, params, static, batch, key)


def require_trained(method: str, rule: Rule, model: Any, params: Any) -> None:
    """Raise ValueError where a rule cannot treat the model or train one of the parameters.

    Args:
        method: Name of the method, for messages.
        rule: The rule.
        model: The model.
        params: Its trainable part.
    """
    if not isinstance(model, Sequential):
        raise ValueError(f'`gradient`: "{method}" needs a Sequential, got a {type(model).__name__}.')
    for path in present(params):
        name, _, parameter = path.partition(".")
        if not rule.trains(model, name, parameter):
            raise ValueError(
                f'`trainable`: "{path}" has no gradient by "{method}"; it trains weights and biases of layers.'
            )
