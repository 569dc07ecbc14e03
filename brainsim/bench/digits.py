"""An excitatory-inhibitory network that learns to read handwritten digits: 160 E and 40 I neurons, Dale's law kept.

    pixels -> E, I      E -> E, I, readout      I -> E, I, readout

Weights keep the sign of their sender throughout. A pixel is a graded event in each of 25 steps of 1 ms; the readout
integrates and is summed over time. Digits of 8 x 8 pixels: `datasets.load("digits")`.
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import optax

from ..connectivity import AllToAll
from ..datasets import encode, load
from ..networks import Network, Population
from ..neurons import LI, LIF, Input
from ..simulate import run
from ..synapses import Projection
from ..train import Fit, fit, losses, metrics
from ..units import Hz, ms, mV
from ..values import Uniform

N_E, N_I = 160, 40
STEPS, BATCH, EPOCHS, LEARNING_RATE = 25, 64, 30, 3e-3


def network(seed: int = 0) -> Network:
    """The untrained network, dt = 1 ms."""
    lif, readout = LIF(20 * ms), LI(20 * ms)
    populations = {
        "in": Input(64),
        "E": Population(N_E, lif),
        "I": Population(N_I, lif),
        "out": Population(10, readout),
    }

    def dense(pre: str, post: str, mean: float, sign: int = +1) -> Projection:
        weight = Uniform(0 * mV, 2 * mean * mV) if sign > 0 else Uniform(-2 * mean * mV, 0 * mV)
        return Projection(pre, post, AllToAll(), weight, sign=sign, storage="dense")

    projections = [
        dense("in", "E", 1.0 / 64),
        dense("in", "I", 0.7 / 64),
        dense("E", "E", 0.5 / N_E),
        dense("E", "I", 0.5 / N_E),
        dense("I", "E", 0.5 / N_I, sign=-1),
        dense("I", "I", 0.5 / N_I, sign=-1),
        dense("E", "out", 1.0 / N_E),
        dense("I", "out", 1.0 / N_I, sign=-1),
    ]
    return Network(populations, projections, dt=1 * ms, seed=seed, outputs="out")


def data(split: str) -> Any:
    """A split of the digits, each pixel as the same graded event in every step."""
    return load("digits", split=split, encode=lambda x, key: encode.constant(x, STEPS))


def train(epochs: int = EPOCHS, *, seed: int = 0, checkpoint: str | Path | None = None, progress: bool = True) -> Fit:
    """Train the network on the 1,257 training samples.

    The 180 validation samples are watched only, and the 360 test samples are not touched.
    """
    batches = data("train").batches(BATCH, key=seed)
    rate = optax.cosine_decay_schedule(LEARNING_RATE, epochs * len(batches))
    return fit(
        network(seed),
        batches,
        valid=data("valid").batches(180),
        loss=losses.ce_sum,
        regularize=[
            losses.rate("E.spikes", 10 * Hz, 60 * Hz, weight=1e-3),
            losses.rate("I.spikes", 5 * Hz, 60 * Hz, weight=1e-3),
        ],
        optimizer=optax.adam(rate),
        epochs=epochs,
        checkpoint=checkpoint,
        progress=progress,
    )


def accuracy(model: Network, split: str = "test") -> float:
    """Fraction of a split that the network reads rightly."""
    ((x, y),) = data(split).batches(len(data(split)))
    return float(metrics.accuracy(run(model, x).out, jnp.asarray(y)))


def rates(model: Network, split: str = "test") -> dict[str, float]:
    """Mean rate of E and I (Hz) on a split."""
    ((x, _),) = data(split).batches(len(data(split)))
    records = run(model, x, record=["E.spikes", "I.spikes"]).records
    return {path[0]: float(spikes.mean()) * 1000 / model.dt for path, spikes in records.items()}
