"""A training that can be killed on the way: `python interrupted.py FOLDER OUT [die]`; run by test_resume."""

import os
import signal
import sys

import jax
import numpy as np
import optax

import brainsim as bs
from brainsim.datasets import Dataset, encode
from brainsim.units import ms

EPOCHS, DIES_AT = 4, (2, 3)


def train(folder: str | None, epochs: int = EPOCHS, die: bool = False) -> bs.train.Fit:
    """Random spikes, two classes, a last batch smaller than the others; everything that a step may depend on is there:
    running statistics, noise, a schedule, clipping, a running average, and the best epoch so far.
    """
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 30)
    x = np.clip(rng.random((30, 6)) * 0.5 + 0.4 * y[:, None], 0, 1).astype(np.float32)
    loader = Dataset(x, y, lambda x, key: encode.rate(x, 8, key)).batches(8, key=1)

    def batches(epoch):
        for index, batch in enumerate(loader(epoch)):
            if die and (epoch, index) == DIES_AT:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    model = bs.Sequential(
        bs.Linear(6, 12), bs.layers.BatchNorm(), bs.Recurrent(bs.LIF(10 * ms, trainable=("tau_mem",)), 12),
        bs.layers.Dropout(0.2), bs.Linear(12, 2), bs.LI(10 * ms), dt=1 * ms,
    )  # fmt: skip
    return bs.fit(
        model, batches, loss=bs.losses.ce_sum, epochs=epochs,
        optimizer=optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(optax.cosine_decay_schedule(1e-2, 16))),
        valid=[next(iter(loader))], ema=0.9, stop=bs.train.EarlyStopping(patience=9), checkpoint=folder,
        checkpoint_every=3, progress=False,
    )  # fmt: skip


if __name__ == "__main__":
    trained, history, state = train(sys.argv[1], die="die" in sys.argv)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves((trained, state.opt_state))]
    np.savez(sys.argv[2], *leaves, steps=history.steps, accuracy=history["accuracy"])
