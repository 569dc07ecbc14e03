"""N-MNIST, digits seen by an event camera: 2,312 inputs, 512 hidden neurons, 10 classes, frames of 10 ms.

`nmnist_small` is SLAYER's split, the first 1,000 of 60,000 recordings to train and the first 100 of 10,000 to test. The
recipe was chosen with 150 of the 1,000 held out.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optax

from ...datasets import EventDataset, Loader, load
from ...networks import Sequential
from ...networks.layers import Flatten, Linear
from ...neurons import LI, LIF
from ...train import Fit, fit, losses
from ...units import ms
from ...values import Uniform

DT = 10 * ms
HIDDEN, EPOCHS = 512, 30


def network(seed: int, hidden: int = HIDDEN) -> Sequential:
    """2312-hidden-10, integrate-and-fire neurons between linear layers and a leaky readout."""
    return Sequential(
        Flatten(2, 34, 34),
        Linear(2312, hidden),
        ("hidden", LIF(20 * ms)),
        Linear(hidden, 10, init=Uniform(-0.02, 0.02)),
        LI(20 * ms),
        dt=DT,
        seed=seed,
    )


def shifted(loader: Loader, pixels: int) -> Callable[[int], Iterator[tuple[np.ndarray, ...]]]:
    """The loader's batches, each moved by up to so many pixels in both directions."""

    def epoch_of(epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        rng = np.random.default_rng(epoch)
        for x, y, lengths in loader(epoch):
            yield np.roll(x, rng.integers(-pixels, pixels + 1, 2), axis=(-2, -1)), y, lengths

    return epoch_of


def train(data: EventDataset, *, seed: int, epochs: int = EPOCHS, hidden: int = HIDDEN) -> Fit:
    """AdamW and a cosine schedule, over batches of 25 that are shifted by up to 2 pixels."""
    batches = data.batches(25, key=seed)
    rate = optax.cosine_decay_schedule(2e-3, epochs * len(batches))
    return fit(
        network(seed, hidden),
        shifted(batches, 2),
        loss=losses.ce_sum,
        optimizer=optax.adamw(rate, weight_decay=1e-2),
        epochs=epochs,
    )


def official() -> tuple[Any, Any]:
    """The recordings to train on and those to test on."""
    return load("nmnist_small", dt=DT), load("nmnist_small", split="test", dt=DT)
