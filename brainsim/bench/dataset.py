"""A small network trained on a data set: accuracy on the official test split, rates, seconds, parameters.

`mnist`, `nmnist_small` and `fsdd_cochlea140` are read from the folder that `BRAINSIM_DATA` names, and trained by the
recipes of the examples. The test recordings are looked at once, after training. A sample is the wall time of an epoch.
"""

import time
from types import ModuleType
from typing import Any

from .. import _checks
from ..train import metrics
from .harness import Timing, check, result
from .recipes import mnist, nmnist, parameters, spoken_digits, tested

RECIPES: dict[str, ModuleType] = {"mnist": mnist, "nmnist_small": nmnist, "fsdd_cochlea140": spoken_digits}
METRICS = {"fsdd_cochlea140": spoken_digits.SHORT.metric}
FLOORS = {"mnist": 0.845, "nmnist_small": 0.83, "fsdd_cochlea140": 0.61}
"""What no network needs: ridge regression on the first 10,000 pictures, the nearest neighbour by counts of events."""

TEST_BATCH = 100


def measure(*, data: str, hidden: int | None = None, epochs: int | None = None, seed: int) -> dict[str, Any]:
    """Train once, and test.

    Args:
        data: Name in `RECIPES`.
        hidden: Hidden neurons of a layer; None for the recipe's.
        epochs: Number of epochs; None for the recipe's.
        seed: Seed of weights and of the order of the samples.

    Returns:
        A result with `accuracy`, `rates_hz` of the spiking layers on the test recordings, `parameters`, `train_s`,
        `train_cpu_s`, `test_s`, and the number of recordings of both; its samples are the epochs but the first, which
        compiles.
    """
    _checks.choice("data", data, RECIPES)
    recipe = RECIPES[data]
    train, test = recipe.official()
    sizes = {name: value for name, value in (("hidden", hidden), ("epochs", epochs)) if value is not None}
    began, cpu = time.perf_counter(), time.process_time()
    model, history, _ = recipe.train(train, seed=seed, **sizes)
    train_s, train_cpu_s = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    found = tested(model, test.batches(TEST_BATCH), METRICS.get(data, metrics.accuracy))
    test_s = time.perf_counter() - began
    first, *later = [float(seconds) for seconds in history["seconds"]]
    return result(
        "dataset",
        {"data": data, "hidden": hidden, "epochs": epochs, "seed": seed},
        Timing(first, later or [first]),
        checks={"accuracy": check(found.accuracy, FLOORS[data], 1.0)},
        accuracy=found.accuracy,
        rates_hz=found.rates_hz,
        parameters=parameters(model),
        train_s=train_s,
        train_cpu_s=train_cpu_s,
        test_s=test_s,
        n_train=len(train),
        n_test=len(test),
        loss=[float(loss) for loss in history["loss"]],
    )
