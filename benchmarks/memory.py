"""Memory of backpropagation through many steps: a spiking classifier in brainsim and as a scan over time by hand.

    python benchmarks/memory.py --threads 1 --json memory.json

700-256-20, batch 128, 1,000 steps (`bench train --net ff256` with ten times the steps). What counts is what the
compiled loss and gradient need beside parameters, inputs and results, as XLA plans it ("temporary" bytes). By default
brainsim computes segments once more; with one segment of all steps it only keeps spikes as bits, with None not even
that. All are timed in turns, as less memory may cost time. The losses are compared before anything is timed.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from brainsim.bench import script, train
from brainsim.bench.harness import check, result
from brainsim.bench.pairs import alternate, ratio
from brainsim.simulate import run
from brainsim.train import losses, mask

BY_HAND = "a scan by hand in JAX"
SHARE = 0.25
"""What brainsim may need, as a part of what the scan by hand needs."""


def of_brainsim(model: Any, how: Mapping[str, Any]) -> tuple[Callable[..., jax.Array], Any]:
    """Loss of (parameters, x, y), and the parameters; `how` goes to `run`."""
    params, static = eqx.partition(model, mask(model))
    return lambda params, x, y: losses.ce_sum(run(eqx.combine(params, static), x, **how).out, y), params


def by_hand(model: Any) -> tuple[Callable[..., jax.Array], Any]:
    """The same of the scan by hand that `training.py` times."""
    sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
    from train_jax_scan import loss

    known = {name: info.where(model) for name, info in model.parameters().items()}
    hidden, out = ((known[f"{layer}.weight"], known[f"{layer}.bias"]) for layer in (0, 2))
    return loss, {"hidden": [(*hidden, None)], "out": out}


def agree(values: Mapping[str, Any]) -> None:
    """Raise where a loss is not that of the scan by hand, to 0.1 %."""
    found = {name: float(loss) for name, (loss, _) in values.items()}
    if wrong := {name: loss for name, loss in found.items() if not abs(loss / found[BY_HAND] - 1) <= 1e-3}:
        raise AssertionError(f"the loss by hand is {found[BY_HAND]:.5g}, not {wrong}.")


def measure(*, steps: int, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Compile, compare and time the gradient of each.

    Args:
        steps: Steps of a sample.
        seed: Seed of weights and spikes.
        repeats: Timed rounds.
        warmup: Rounds between the first and the timed ones.

    Returns:
        A result with `rows`: for each way `temporary_mb`, `step_ms`, and both as parts of the scan's by hand; its
        samples are those of brainsim with defaults.
    """
    model, data = train.network("ff256", seed), train.spikes(seed, steps)
    ways = {
        "brainsim": of_brainsim(model, {}),
        f"brainsim, remat={steps}": of_brainsim(model, {"remat": steps}),
        "brainsim, remat=None": of_brainsim(model, {"remat": None}),
        BY_HAND: by_hand(model),
    }
    compiled = {
        name: jax.jit(jax.value_and_grad(loss)).lower(params, *data).compile() for name, (loss, params) in ways.items()
    }
    calls = {name: lambda name=name: compiled[name](ways[name][1], *data) for name in ways}
    times = alternate(calls, repeats=repeats, warmup=warmup, agree=agree)
    memory = {name: gradient.memory_analysis().temp_size_in_bytes / 1e6 for name, gradient in compiled.items()}
    rows = {
        name: {
            "temporary_mb": memory[name],
            "step_ms": 1e3 * timing.median,
            "memory_of_scan": memory[name] / memory[BY_HAND],
            "time_of_scan": ratio(timing, times[BY_HAND]),
        }
        for name, timing in times.items()
    }
    arguments = {"steps": steps, "seed": seed, "repeats": repeats, "warmup": warmup}
    checks = {"memory_of_scan": check(rows["brainsim"]["memory_of_scan"], 0, SHARE)}
    return result("memory", arguments, times["brainsim"], checks=checks, rows=rows)


def options() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("steps", 1000), ("seed", 0), ("repeats", 7), ("warmup", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


if __name__ == "__main__":
    script.main(measure, options())
