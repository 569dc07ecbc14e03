"""The demonstration: 4,000 neurons simulated, an E-I network trained on handwritten digits, both drawn."""

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from ..networks.balanced import coba
from ..simulate import simulate
from . import digits
from .harness import card, operator_path

_SKIP = 200.0
_SECOND = 1000.0


def run(out: Path) -> dict[str, Any]:
    """Simulate, train, draw `ei_raster.png` and `training.png`, print the figures and save them as `figures.json`.

    Args:
        out: Folder for the pictures; made where it does not exist.

    Returns:
        The figures, as in `figures.json`.
    """
    out.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"operators: {operator_path()}")
    figures = {"simulate": _simulate(out / "ei_raster.png", console), "train": _train(out / "training.png", console)}
    (out / "figures.json").write_text(json.dumps(figures | card(), indent=2) + "\n")
    return figures


def _simulate(picture: Path, console: Console) -> dict[str, float]:
    net = coba(4000, seed=1)
    started = time.perf_counter()
    result = simulate(net, _SECOND, record=["E.spikes", "I.spikes"])
    first = time.perf_counter() - started
    started = time.perf_counter()
    simulate(net, _SECOND, state=result.state, record=["E.spikes", "I.spikes"], progress=False)
    second = time.perf_counter() - started
    result.plot(picture, skip=_SKIP)
    summary = result.summary(skip=_SKIP)
    console.print(f"4,000 neurons, {_SECOND:.0f} ms, COBA network of Vogels & Abbott (2005)")
    console.print(str(summary))
    console.print(f"wall time per biological second: {second:.2f} s (the first, compiling: {first:.1f} s) -> {picture}")
    return {
        **{f"rate_hz_{name}": summary[name]["rate"] for name in "EI"},
        **{f"isi_cv_{name}": summary[name]["isi_cv"] for name in "EI"},
        "wall_per_bio_s": second,
        "first_s": first,
    }


def _train(picture: Path, console: Console) -> dict[str, float]:
    started = time.perf_counter()
    model, history, _ = digits.train(progress=True)
    seconds = time.perf_counter() - started
    accuracy, rates = digits.accuracy(model), digits.rates(model)
    history.plot(picture)
    console.print(f"E-I network on handwritten digits, {digits.N_E} + {digits.N_I} neurons, Dale's law kept")
    console.print(f"test accuracy {accuracy:.1%} after {len(history)} epochs in {seconds:.0f} s -> {picture}")
    console.print(", ".join(f"{name} fires at {rate:.1f} Hz" for name, rate in rates.items()))
    firing = {f"rate_hz_{name}": rate for name, rate in rates.items()}
    return {"test_accuracy": accuracy, "train_s": seconds, "epochs": len(history), **firing}
