"""MNIST, one spike a pixel: 784 inputs, 256 hidden neurons, 10 classes, 20 steps of 1 ms.

Brighter pixels spike earlier, pixels below a fifth never do. The last 5,000 of the 60,000 training pictures were held
out for the choice of the learning rate; pictures that train are moved by up to a pixel anew in every epoch.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ...datasets import encode, load
from ...networks import Sequential
from ...networks.layers import Linear
from ...neurons import LI, LIF
from ...train import Fit, fit, losses
from ...units import ms
from ...values import Uniform

HIDDEN, EPOCHS = 256, 15
DT, STEPS, SIDE, HELD_OUT = 1 * ms, 20, 28, 5000


@jax.jit
def spikes(x: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """Pictures `(batch, 28, 28)` as one spike a pixel, `(time, batch, 784)`."""
    first = encode.latency(x, STEPS, dt=DT, tau=(STEPS - 1) * DT, threshold=0.2, linear=True)
    return first.reshape(STEPS, len(x), -1)


@jax.jit
def moved_spikes(x: jax.Array, key: jax.Array) -> jax.Array:
    """The same of pictures that are moved by up to a pixel in both directions, each by itself."""
    cut = lambda picture, at: jax.lax.dynamic_slice(jnp.pad(picture, 1), (at[0], at[1]), (SIDE, SIDE))
    return spikes(jax.vmap(cut)(x, jax.random.randint(key, (len(x), 2), 0, 3)))


def network(seed: int, hidden: int = HIDDEN) -> Sequential:
    """784-hidden-10: leaky integrate-and-fire neurons, and a leaky readout that does not spike."""
    return Sequential(
        Linear(SIDE * SIDE, hidden),
        ("hidden", LIF(20 * ms)),
        Linear(hidden, 10, init=Uniform(-(hidden**-0.5), hidden**-0.5)),
        LI(20 * ms),
        dt=DT,
        seed=seed,
    )


def held_out(size: int | None = None) -> tuple[Any, Any]:
    """What trains, moved, and the pictures held out, as they are; of the first `size` or of all."""
    data: Any = load("mnist", encode=spikes)
    data = data.take(np.arange(size or len(data)))
    kept = len(data) - min(HELD_OUT, len(data) // 4)
    return moved(data.take(np.arange(kept))), data.take(np.arange(kept, len(data)))


def moved(data: Any) -> Any:
    """The same pictures, moved whenever they are drawn."""
    return dataclasses.replace(data, encode=moved_spikes)


def official() -> tuple[Any, Any]:
    """All pictures to train on, moved, and those to test on."""
    return moved(load("mnist", encode=spikes)), load("mnist", split="test", encode=spikes)


def train(data: Any, *, seed: int, epochs: int = EPOCHS, hidden: int = HIDDEN, watched: Any = None) -> Fit:
    """One network: Adam, the learning rate falls along a cosine; `watched` is looked at after every epoch."""
    batches = data.batches(128, key=seed)
    rate = optax.cosine_decay_schedule(5e-3, epochs * len(batches))
    return fit(
        network(seed, hidden),
        batches,
        valid=None if watched is None else watched.batches(500),
        loss=losses.ce_sum,
        optimizer=optax.adam(rate),
        epochs=epochs,
        key=seed,
    )
