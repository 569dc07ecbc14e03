"""One training step of a spiking classifier on SHD-shaped random spikes: seconds a step, forward alone and whole.

Batch 128, 100 steps of 1 ms, 700 inputs firing at 2 % a step, 20 classes; LIF with beta = 0.95, reset by subtraction,
arctan surrogate, leaky readout, cross entropy on the summed membrane, Adam. Weights are such that hidden layers fire.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..networks import Sequential
from ..networks.layers import Linear, Recurrent
from ..neurons import LI, LIF, Arctan
from ..simulate import run
from ..train import losses, mask
from ..values import Normal, Uniform
from .harness import check, result, time_calls

HIDDEN = {"ff256": (256,), "ff1024": (1024, 1024), "rec256": (256,)}
BATCH, STEPS, INPUTS, CLASSES, DENSITY, BETA = 128, 100, 700, 20, 0.02, 0.95
HIDDEN_RATE = (0.005, 0.5)
"""Spikes per neuron and step that make the work comparable: hidden layers neither silent nor saturated."""

READOUT = 0.05  # small: 100 steps of a leaky membrane sum to 2,000 times a weight
RATE = 1e-4

_DT = 1.0
_TAU = -_DT / np.log(BETA)


def network(net: str, seed: int) -> Sequential:
    """The classifier `net`, a name in `HIDDEN`."""
    layers, width = [], INPUTS
    for hidden in HIDDEN[net]:
        gain = 2.5 if width == INPUTS else 1.0
        cell = LIF(_TAU, reset="subtract", surrogate=Arctan())
        layers.append(Linear(width, hidden, init=Normal(0.0, gain / width**0.5), bias=True))
        layers.append(Recurrent(cell, hidden) if net == "rec256" else cell)
        width = hidden
    bound = READOUT / width**0.5
    layers += [Linear(width, CLASSES, init=Uniform(-bound, bound), bias=True), LI(_TAU)]
    return Sequential(*layers, dt=_DT, seed=seed)


def spikes(seed: int, steps: int = STEPS) -> tuple[jax.Array, jax.Array]:
    """Input spikes (time, batch, 700) and classes (batch,)."""
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.random((steps, BATCH, INPUTS)) < DENSITY, jnp.result_type(float))
    return x, jnp.asarray(rng.integers(0, CLASSES, BATCH))


def measure(*, net: str, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time the forward pass and the whole training step.

    Args:
        net: Name in `HIDDEN`.
        seed: Seed of weights and spikes.
        repeats: Timed calls of each.
        warmup: Calls between the compiling one and the timed ones.

    Returns:
        A result with `step_s`, `forward_s`, `loss_first`, `loss_last` and `hidden_rate` (spikes per neuron and step,
        the lowest of the hidden layers); its samples are whole steps.
    """
    model = network(net, seed)
    x, y = spikes(seed)
    recorded = tuple(f"{2 * k + 1}.spikes" for k in range(len(HIDDEN[net])))
    params, static = eqx.partition(model, mask(model))
    optimizer = optax.adam(RATE)

    forward = eqx.filter_jit(lambda model, x: run(model, x).out)
    rates = eqx.filter_jit(lambda model, x: [r.mean() for r in run(model, x, record=recorded).records.values()])

    @eqx.filter_jit
    def step(params, opt_state, x, y):
        def objective(params):
            return losses.ce_sum(run(eqx.combine(params, static), x).out, y)

        loss, gradient = eqx.filter_value_and_grad(objective)(params)
        with jax.numpy_dtype_promotion("standard"):  # Adam of optax 0.2.8 raises a float to an int32 count
            updates, opt_state = optimizer.update(gradient, opt_state, params)
        return eqx.apply_updates(params, updates), opt_state, loss

    trained, seen = (params, optimizer.init(params)), []

    def train():
        nonlocal trained
        *trained, loss = step(*trained, x, y)
        seen.append(float(loss))
        return trained

    hidden_rate = min(float(rate) for rate in rates(model, x))
    forward_timing = time_calls(lambda: forward(model, x), repeats=repeats, warmup=warmup)
    timing = time_calls(train, repeats=repeats, warmup=warmup)
    return result(
        "train",
        {"net": net, "seed": seed, "repeats": repeats, "warmup": warmup},
        timing,
        checks={
            "loss_last": check(seen[-1], 0.0, seen[0]),
            "hidden_rate": check(hidden_rate, *HIDDEN_RATE),
        },
        step_s=timing.median,
        forward_s=forward_timing.median,
        forward_samples=forward_timing.samples,
        loss_first=seen[0],
        loss_last=seen[-1],
        hidden_rate=hidden_rate,
    )
