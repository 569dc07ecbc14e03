"""Networks and how they are trained on data sets, for examples and benchmarks: one file a data set.

Each has `network(seed, hidden)`, `official()`, the recordings to train on and those to test on, and `train(data, seed=,
epochs=, hidden=)`, which returns what `fit` does. `tested` reads the result on recordings.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...datasets import Loader
from ...networks import Sequential, inference_mode
from ...simulate import run
from ...train import mask, metrics


class Tested(NamedTuple):
    """A network on recordings that it has not seen.

    Attributes:
        accuracy: Fraction that is read rightly.
        rates_hz: Mean rate of every spiking layer while a recording lasts (Hz), by the path of its spikes.
    """

    accuracy: float
    rates_hz: dict[str, float]


def tested(model: Sequential, loader: Loader, metric: metrics.Metric = metrics.accuracy) -> Tested:
    """What a trained network makes of recordings, and how much it spikes.

    Args:
        model: The network.
        loader: Batches of `(x, y)` or `(x, y, lengths)`.
        metric: Accuracy that goes with the loss of the training.
    """
    model, paths = inference_mode(model), metrics.spiking(model)

    @eqx.filter_jit
    def read(model: Sequential, x: Any, y: Any, lengths: Any) -> tuple[Any, dict[str, Any]]:
        out, _, records = run(model, x, lengths=lengths, record=paths)  # records are 0 after the end of a recording
        return metric(out, y, lengths), {path: jnp.sum(spikes) / spikes[0, 0].size for path, spikes in records.items()}

    hits, steps, counts = 0.0, 0, dict.fromkeys(paths, 0.0)
    for x, y, *lengths in loader:
        right, spikes = read(model, x, y, *(lengths or [None]))
        hits, steps = hits + len(y) * float(right), steps + int(np.sum(lengths[0]) if lengths else len(x) * len(y))
        counts = {path: count + float(spikes[path]) for path, count in counts.items()}
    rates = {path: 1000 * count / (steps * model.dt) for path, count in counts.items()}
    return Tested(hits / len(loader.data), rates)


def parameters(model: Sequential) -> int:
    """How many numbers are trained."""
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, mask(model))))
