"""Batches against the training they are for, and the binning of events: recordings a second.

    BRAINSIM_DATA=folder python benchmarks/loading.py --threads 1 --json loading.json

Drawing a batch (order, binning, dense frames) and one step of Adam on such a batch run in turns, for N-MNIST
(2312-512-10 on frames of 10 ms, batch 25) and the Free Spoken Digits as spikes of a cochlea (140-256-10 on frames of 15
ms, batch 64). What is drawn has as many events as the recordings it comes from: that is checked before anything is
timed. A loader that is five times as fast as the step costs a sixth of the time where nothing is made ahead, and with
`Prefetch` and a second core none.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import brainsim as bs
from brainsim.bench import script
from brainsim.bench.harness import check, result
from brainsim.bench.pairs import alternate, ratio
from brainsim.datasets import EventDataset, load
from brainsim.units import ms

SETS = {"nmnist_small": (10.0, 25, 512, 0.02), "fsdd_cochlea140": (15.0, 64, 256, 0.1)}
"""Frame (ms), batch, hidden neurons, and bound of the readout's weights for each set."""
FASTER = 5.0
"""How many times as fast as the training step the loader has to be."""
BINNING_S = 1.0
"""Seconds within which the 4.1 million events of the N-MNIST set have to be binned."""


def network(data: EventDataset, hidden: int, bound: float, seed: int) -> bs.Sequential:
    """A classifier of the recordings."""
    inputs = int(np.prod(data.shape))
    flat = [bs.layers.Flatten(*data.shape)] if len(data.shape) > 1 else []
    cells = [bs.Linear(inputs, hidden), bs.LIF(20 * ms), bs.Linear(hidden, 10, init=bs.Uniform(-bound, bound))]
    return bs.Sequential(*flat, *cells, bs.LI(20 * ms), dt=data.dt * ms, seed=seed)


def training(data: EventDataset, batch: int, hidden: int, bound: float, seed: int) -> Callable[[], Any]:
    """One step of Adam on one batch, which is on the device already."""
    model, optimizer = network(data, hidden, bound, seed), optax.adam(1e-3)
    params, static = eqx.partition(model, bs.mask(model))
    x, y, lengths = (jnp.asarray(part) for part in next(iter(data.batches(batch, key=seed))))

    @eqx.filter_jit
    def step(params, opt_state):
        def objective(params):
            return bs.losses.ce_sum(bs.run(eqx.combine(params, static), x, lengths=lengths).out, y, lengths)

        gradient = eqx.filter_grad(objective)(params)
        with jax.numpy_dtype_promotion("standard"):  # Adam of optax 0.2.8 raises a float to an int32 count
            updates, opt_state = optimizer.update(gradient, opt_state, params)
        return eqx.apply_updates(params, updates), opt_state

    state = (params, optimizer.init(params))

    def train():
        nonlocal state
        state = step(*state)
        return state

    return train


def drawing(data: EventDataset, batch: int, seed: int) -> Callable[[], Any]:
    """The next whole batch, in ever new orders."""
    loader = data.batches(batch, key=seed)
    batches: Iterator[Any] = itertools.chain.from_iterable(loader(epoch) for epoch in itertools.count())

    def draw():
        while len((found := next(batches))[1]) < batch:
            pass
        return found

    return draw


def binning(data: EventDataset, batch: int = 50) -> Callable[[], float]:
    """All events of a set into frames; returns how many arrived."""
    parts = np.split(np.arange(len(data)), range(batch, len(data), batch))
    return lambda: sum(float(np.sum(data.batch(ids)[0], dtype=np.float64)) for ids in parts)


def measure(*, sets: list[str], seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time drawing and training in turns, then the binning of all events.

    Returns:
        A result with `rows`: for each set `load_per_s` and `train_per_s` (recordings a second), `load_over_train`, and
        for the whole set `events`, `bin_s` and `events_per_s`; its samples are drawn batches of the last set.
    """
    rows, checks = {}, {}
    for name in sets:
        dt, batch, hidden, bound = SETS[name]
        data = load(name, dt=dt)
        events, count = int(data.counts.sum()), binning(data)

        def agree(results: Any, events: int = events, count: Callable[[], float] = count) -> None:
            if (arrived := count()) != events:
                raise AssertionError(f"{arrived:.0f} of {events} events arrived in frames; nothing was timed.")

        calls = {"load": drawing(data, batch, seed), "train": training(data, batch, hidden, bound, seed)}
        times = alternate(calls, repeats=repeats, warmup=warmup, agree=agree)
        whole = alternate({"bin": count}, repeats=5, warmup=1, agree=lambda results: None)["bin"]
        rows[name] = {
            "load_per_s": batch / times["load"].median,
            "train_per_s": batch / times["train"].median,
            "load_over_train": ratio(times["train"], times["load"]),
            "events": events,
            "bin_s": whole.median,
            "events_per_s": events / whole.median,
        }
        checks[f"{name}_load_over_train"] = check(rows[name]["load_over_train"], FASTER, 1e6)
        checks[f"{name}_bin_s"] = check(whole.median, 0.0, BINNING_S)
    arguments = {"sets": sets, "seed": seed, "repeats": repeats, "warmup": warmup}
    return result("loading", arguments, times["load"], checks=checks, rows=rows)


def options() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    for name, default in (("seed", 0), ("repeats", 41), ("warmup", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


if __name__ == "__main__":
    script.main(measure, options())
