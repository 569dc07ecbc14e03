"""Deep spiking networks without normalisation: excitation and inhibition in its place, on Fashion-MNIST.

    BRAINSIM_DATA=folder python examples/deep_ei.py --out deep_ei
    BRAINSIM_DATA=folder python examples/deep_ei.py --conv --networks ei --train 60000 --epochs 4 --out deep_ei_conv

The same stack of LIF neurons (tau = 2 steps, soft reset) between layers of three kinds: "ei" (EILinear or EIConv2d with
E-I Init from the first batch; all weights stay >= 0), "plain" (signed weights, Kaiming, nothing else) and "batch_norm"
(the same with batch normalisation through time). Pixels are fed as constant inputs of 4 steps; logits are the mean over
time. Official split: `--train` samples of the 60,000 (the first ones, less 1,000 held out to watch) train, all 10,000
test samples are looked at once, after training. One seed a run. The picture shows the validation accuracy over epochs.

DeepEISNN, arXiv 2509.23253 (ICLR 2026), trains for 300 epochs with momentum; this is the method in a small budget.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.ticker import MaxNLocator

import brainsim as bs
from brainsim.datasets import Loader, load, split
from brainsim.units import ms

STEPS, CLASSES = 4, 10
NETWORKS = ("ei", "plain", "batch_norm")


def neuron() -> bs.LIF:
    """u <- u / 2 + input, spike at 1, soft reset without gradient, sigmoid surrogate of steepness 4."""
    return bs.LIF.like("spikingjelly", decay_input=False, v_reset=None, detach_reset=True)


def weights(kind: str, n_in: int, n_out: int) -> list[Any]:
    """What stands between two dense layers of neurons."""
    if kind == "ei":
        return [bs.EILinear(n_in, n_out, density=0.3)]
    return [bs.Linear(n_in, n_out), *normalisation(kind)]


def kernels(kind: str, c_in: int, c_out: int, kernel: int, stride: int) -> list[Any]:
    """What stands between two layers of neurons that are images."""
    if kind == "ei":
        return [bs.EIConv2d(c_in, c_out, kernel, stride=stride, density=0.3)]
    return [bs.layers.Conv2d(c_in, c_out, kernel, stride=stride), *normalisation(kind)]


def normalisation(kind: str) -> list[Any]:
    """Of a network with signed weights."""
    return [bs.layers.BatchNorm()] if kind == "batch_norm" else []


def network(kind: str, conv: bool, depth: int, width: int, seed: int) -> bs.Sequential:
    """784 pixels, `depth` layers of `width` neurons, 10 classes; or 32 x 14 x 14, pooled, 64 x 7 x 7 neurons."""
    if conv:
        first, second = kernels(kind, 1, 32, 5, 2), kernels(kind, 32, 64, 3, 1)
        layers = [*first, neuron(), bs.layers.AvgPool2d(2), *second, neuron(), bs.layers.Flatten()]
        last = 64 * 7 * 7
    else:
        sizes = [784] + [width] * depth
        pairs = zip(sizes, sizes[1:], strict=False)
        layers = [part for pair in pairs for part in (*weights(kind, *pair), neuron())]
        layers, last = [bs.layers.Flatten(), *layers], width
    readout = bs.EILinear(last, CLASSES, readout=True) if kind == "ei" else bs.Linear(last, CLASSES)
    return bs.Sequential(*layers, readout, dt=1 * ms, seed=seed, input_shape=(1, 28, 28))


def constant(x: np.ndarray, key: Any) -> np.ndarray:
    """Every picture in every step: `(time, batch, 1, 28, 28)`."""
    return np.broadcast_to(np.asarray(x)[None, :, None], (STEPS, len(x), 1, 28, 28))


def mean_ce(out: Any, y: Any, mask: Any = None) -> Any:
    """Cross-entropy of the logits' mean over time."""
    return optax.softmax_cross_entropy_with_integer_labels(out.mean(0), y).mean()


def train(model: bs.Sequential, data: Loader, valid: Loader, epochs: int, rate: float) -> tuple[bs.Sequential, Any]:
    """Adam with warm-up and cosine decay."""
    steps = epochs * len(data)
    schedule = optax.warmup_cosine_decay_schedule(1e-7, rate, steps // 10, steps)
    model, history, _ = bs.fit(model, data, valid=valid, loss=mean_ce, optimizer=optax.adam(schedule), epochs=epochs)
    return model, history["valid_accuracy"]


def accuracy(model: bs.Sequential, loader: Loader) -> float:
    """Fraction of pictures that are read rightly."""
    model = bs.inference_mode(model)
    hits = [np.argmax(jnp.mean(bs.run(model, x).out, axis=0), axis=-1) == y for x, y in loader]
    return float(np.mean(np.concatenate(hits)))


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print a table, save `deep_ei.png` and `deep_ei.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--conv", action="store_true", help="convolutions instead of dense layers")
    parser.add_argument("--depth", type=int, default=8, help="layers of neurons (dense)")
    parser.add_argument("--width", type=int, default=128, help="neurons a layer (dense)")
    parser.add_argument("--train", type=int, default=10_000, help="training samples, 1,000 to watch included")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("deep_ei"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    samples = load("fashion_mnist", encode=constant).take(np.arange(options.train))
    data, held_out = split(samples, min(1000, options.train // 4), key=options.seed)
    test = load("fashion_mnist", split="test", encode=constant).batches(500)
    batches, curves, figures = data.batches(64, key=options.seed), {}, {}
    print(f"{'network':12} {'test accuracy':>13} {'CPU s':>6}   ({len(data)} to train, {options.epochs} epochs)")
    for kind in options.networks:
        started = time.process_time()
        model = network(kind, options.conv, options.depth, options.width, options.seed)
        if kind == "ei":
            model = bs.ei_init(model, next(iter(batches))[0])
        model, curves[kind] = train(model, batches, held_out.batches(250), options.epochs, options.rate)
        figures[kind] = {"test_accuracy": accuracy(model, test), "valid_accuracy": curves[kind].tolist()}
        figures[kind]["cpu_seconds"] = time.process_time() - started
        print(f"{kind:12} {figures[kind]['test_accuracy']:13.1%} {figures[kind]['cpu_seconds']:6.0f}")

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for kind, curve in curves.items():
        axes.plot(np.arange(1, len(curve) + 1), 100 * curve, marker="o", label=kind.replace("_", " "))
    what = "2 convolutions" if options.conv else f"{options.depth} layers of {options.width}"
    axes.set(xlabel="epoch", ylabel="validation accuracy (%)", title=f"Fashion-MNIST, {what}, {len(data):,} samples")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    figure.savefig(options.out / "deep_ei.png", dpi=120)
    plt.close(figure)
    used = {name: value if name != "out" else str(value) for name, value in vars(options).items()}
    report = {"networks": figures, "options": used, "brainsim": bs.__version__}
    (options.out / "deep_ei.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"saved {options.out / 'deep_ei.png'}, {options.out / 'deep_ei.json'}")


if __name__ == "__main__":
    main()
