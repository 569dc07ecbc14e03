"""An update in every step of time, by the gradient of that step alone: nothing waits for the end of a sequence.

    L = (1/T) sum_t l(out_t, y)
    theta(t+1) = optimizer(theta(t), dl(out_t, y) / dtheta / T),      out_t from theta(t) and the states so far

States and traces go on over the changes of the parameters. The derivative takes the eligibility of `online`, so there
is one pass, and memory beyond input and output does not grow with T. With OTTT it is OTTT_O of Xiao et al., NeurIPS
2022; with e-prop the online e-prop of Bellec et al., Nat. Commun. 11 (2020) 3625. The optimizer takes T steps a batch:
its schedules and moments count those.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from ..._types import Array
from ...networks import Sequential
from ...recording import Rate
from ..batches import Batch
from ..constrain import moved
from ..objective import Objective, Outcome
from .chain import only
from .online import Online, Walk
from .ruled import require_trained


class Stepped(NamedTuple):
    """What the updates of one batch made.

    Attributes:
        params: The trainable part of the model after the last step.
        opt_state: State of the optimizer after it.
        outcome: Value and figures of the outputs, each by the parameters of its step.
    """

    params: Any
    opt_state: Any
    outcome: Outcome


@dataclasses.dataclass(frozen=True)
class Stepwise:
    """Updates in every step of a batch.

    Args:
        rule: Eligibilities of the method.
        objective: What to minimise: a loss that is a mean over the steps.
        optimizer: As `constrain(optimizer, params)` gives it.
    """

    rule: Online
    objective: Objective
    optimizer: optax.GradientTransformationExtraArgs

    def __call__(self, params: Any, opt_state: Any, static: Any, batch: Batch, key: Array) -> Stepped:
        """The model after a batch.

        Raises:
            ValueError: A model, parameter or loss that has no derivative within a step; the message says which part.
        """
        model = eqx.combine(params, static)
        walk = self._walk(model, params, batch, key)
        xs = jnp.asarray(batch.x, model.dtype)
        steps, size = xs.shape[:2]
        shape = (size, *model.shapes[-1])
        timed = jnp.ndim(batch.y) == len(shape) + 1
        require_mean(self.objective.loss, (steps, *shape), batch.y, timed)
        rates = {Rate(name).key: model.names.index(name) for name in self.objective.rates}

        def step(carry: Any, row: Any) -> tuple[Any, Any]:
            (params, opt_state, states, traces), (x, k) = carry, row
            here = dataclasses.replace(walk, model=eqx.combine(params, static))
            done = here.forward(states, traces, x, k)
            y = batch.y[k][None] if timed else batch.y
            value, signal = jax.value_and_grad(lambda out: self.objective.loss(out[None], y, None) / steps)(
                done.outputs[-1]
            )
            slope = _of(params, model, here.backward(done, signal, {}, here.zeros()))
            params, opt_state = moved(self.optimizer, slope, opt_state, params)
            fired = {rate: jnp.mean(done.outputs[i].reshape(size, -1), axis=1) for rate, i in rates.items()}
            return (params, opt_state, done.states, done.traces), (value, done.outputs[-1], fired)

        carry = (params, opt_state, *walk.start((size,)))
        carry, (values, out, fired) = jax.lax.scan(step, carry, (xs, jnp.arange(steps, dtype=jnp.int32)))
        records = {rate: mean * (1000.0 / model.dt) for rate, mean in fired.items()}
        value = jnp.sum(values)
        figures = {"loss": value, **self.objective.figures(out, records, batch)}
        later = walk.first.replace(step=walk.first.step + steps, layers=tuple(carry[2]))
        return Stepped(carry[0], carry[1], Outcome(value, figures, later, {}))

    def _walk(self, model: Any, params: Any, batch: Batch, key: Array) -> Walk:
        """The way through the model, after a check of whatever needs more than a step."""
        method, rule = self.rule.eligibility.method, self.rule
        require_trained(method, rule, model, params)
        if (split := rule.split(model)) < len(model.layers):
            raise ValueError(
                f'`update`: "step" cannot treat layer {model.names[split]}, {model.layers[split]!r}: it has a memory, '
                f"so that a step changes the loss of later ones; read out by a layer without, such as Linear."
            )
        if self.objective.regularize:
            raise ValueError('`regularize`: penalties on records are known after the last step; use `update="batch"`.')
        if self.objective.heard:
            raise ValueError('`optimizer`: it learns from the inputs of whole sequences; use `update="batch"`.')
        if batch.lengths is not None:
            raise ValueError('`lengths`: with `update="step"` all samples of a batch have the same number of steps.')
        state = model.init_state(jnp.shape(batch.x)[1], key)
        return Walk(rule.eligibility, model, state, rule.found(model), rule.weighted(model), split)


def require_mean(loss: Callable[..., Array], shape: tuple[int, ...], y: Array, timed: bool) -> None:
    """Look whether a loss is the mean over the steps of what it says of each alone, on outputs drawn at random.

    Args:
        loss: `(out, y, mask) -> scalar`.
        shape: Shape of the output, `(time, batch, n)`.
        y: Targets, of which only shape and dtype are used.
        timed: Whether they have an axis of time.

    Raises:
        ValueError: It is not.
    """
    with jax.ensure_compile_time_eval():
        keys = jax.random.split(jax.random.key(0))
        dtype = jnp.result_type(float)
        out = 2 * jax.random.normal(keys[0], shape, dtype)
        floating = jnp.issubdtype(y.dtype, jnp.floating)
        like = jax.random.normal(keys[1], y.shape, y.dtype) if floating else jnp.zeros(y.shape, y.dtype)
        whole = float(loss(out, like, None))
        alone = jax.lax.map(lambda k: loss(out[k][None], like[k][None] if timed else like, None), jnp.arange(shape[0]))
        mean = float(jnp.mean(alone))
    if not abs(whole - mean) <= 1e-3 * max(abs(whole), abs(mean)):
        name = getattr(loss, "__name__", repr(loss))
        raise ValueError(
            f'`loss`: `update="step"` needs a mean over the steps, such as losses.ce_rate or losses.mse; {name} of '
            f"{shape[0]} random outputs is {whole:.4g}, the mean of it in each step {mean:.4g}."
        )


def _of(params: Any, model: Sequential, gradient: list[Any]) -> Any:
    """The gradient of what trains, a tree like `params`."""
    none = lambda leaf: leaf is None
    whole = only(model, layers=tuple(gradient))
    return jax.tree.map(lambda p, g: None if p is None else g, params, whole, is_leaf=none)
