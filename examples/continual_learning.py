"""One task after another without forgetting: orthogonal projection by Hebbian learning (HLOP) on permuted pictures.

    python examples/continual_learning.py --out continual      MNIST from BRAINSIM_DATA, else scikit-learn's digits
    python examples/continual_learning.py --published          784-800-800-10, 10 tasks, all pictures

Every task is the same ten digits with pixels in another order. A network of two hidden layers of LIF neurons sees a
picture as a constant input for 6 steps and is trained once through each task, by plain SGD ("plain") and by SGD whose
updates are orthogonal to the inputs of each layer in earlier tasks ("hlop"). No picture of an earlier task is kept:
what is kept are the lateral weights that learned, while the network did, which directions the inputs lie in. After
every task the accuracy in all tasks so far is measured; of the last row of that table

    ACC = mean_j a[last, j]            BWT = mean_{j < last} (a[last, j] - a[j, j])

Xiao et al., ICLR 2024 (arXiv 2402.11984). From there are the rule, its rates, the normalised pixels, batches of 64, the
rate 0.1 and, with `--published`, the sizes: 80, 200 and 100 lateral neurons, 70 more for each later task and 20 fewer
with every third. Smaller networks have the same shares of the inputs. One readout serves all tasks (`--heads own`: a
readout for each, which nothing projects, and the task is told). What differs from the published figures: these are of
other neurons (20 steps and gradients of rates, DSR; here backpropagation through time), and the last 5,000 of the
60,000 training pictures are held out. `--held-out` measures on those: with it the example was tried, and the test
pictures were looked at once.

What it shows with its defaults (MNIST, seeds 0 to 2): ACC 88.3 % with projection and 80.4 % without, BWT -1.0 and -10.1
points. Seeds differ in how well tasks go at this constant rate (the first of seed 2 ends at 77 %, by both methods).
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import brainsim as bs
from brainsim.datasets import Dataset, load
from brainsim.train import Hebbian, hlop, subspaces
from brainsim.units import ms

STEPS, BATCH, RATE, CLASSES, HELD_OUT = 6, 64, 0.1, 10, 5000
LAYERS, READOUT = ("0", "2", "4"), 4
FIRST, LATER, FEWER = np.array([80, 200, 100]), 70, 20
"""Lateral neurons of the published network: in the first task, in a later one, and how many fewer in every third."""
RULES = {"0": Hebbian(0.001), "2": Hebbian(), "4": Hebbian()}


def pictures(name: str, held_out: bool, size: int | None) -> tuple[Dataset, Dataset]:
    """What trains and what is measured on, pixels normalised over the training pictures, `(samples, pixels)`."""
    train, test = (load(name, split=split) for split in ("train", "test"))
    kept = len(train) - min(HELD_OUT, len(train) // 6)
    if held_out:
        test = train.take(np.arange(kept, len(train)))
    train = train.take(np.arange(kept if size is None else min(size, kept)))
    mean, spread = train.x.mean(), train.x.std()
    flat = lambda part: Dataset(((part.x - mean) / spread).reshape(len(part), -1).astype(np.float32), part.y)
    return flat(train), flat(test)


def permuted(data: Dataset, task: int, seed: int) -> Dataset:
    """The pictures with the pixels in the order of a task, the same picture in all steps."""
    pixels = data.x.shape[1]
    order = np.random.default_rng((seed, task)).permutation(pixels)
    held = lambda x, key: jnp.broadcast_to(jnp.asarray(x[:, order]), (STEPS, len(x), pixels))
    return Dataset(data.x, data.y, held)


def network(pixels: int, hidden: int, seed: int) -> bs.Sequential:
    """Two hidden layers, and a readout that is averaged over the steps; no biases."""
    cell = lambda: bs.LIF(2 * ms, reset="subtract")
    draw = lambda n: bs.Uniform(-(n**-0.5), n**-0.5)
    return bs.Sequential(
        bs.Linear(pixels, hidden, init=draw(pixels)),
        cell(),
        bs.Linear(hidden, hidden, init=draw(hidden)),
        cell(),
        bs.Linear(hidden, CLASSES, init=draw(hidden)),
        dt=1 * ms,
        seed=seed,
    )


def lateral(pixels: int, hidden: int, task: int, own_heads: bool) -> dict[str, int]:
    """New lateral neurons of each layer in a task, in the published shares of the layer's inputs."""
    published = FIRST if task == 0 else np.full(3, max(LATER - FEWER * (task // 3), 0))
    sizes = np.round(published * np.array([pixels / 784, hidden / 800, hidden / 800])).astype(int)
    return dict(list(zip(LAYERS, sizes.tolist(), strict=True))[: 2 if own_heads else 3])


@eqx.filter_jit
def right(model: bs.Sequential, x: jax.Array, y: jax.Array) -> jax.Array:
    """How many pictures of a batch are read rightly."""
    return jnp.sum(jnp.argmax(bs.run(model, x).out.sum(0), axis=-1) == y)


def accuracy(model: bs.Sequential, data: Dataset) -> float:
    """Fraction of the pictures that are read rightly."""
    return sum(int(right(model, x, jnp.asarray(y))) for x, y in data.batches(500)) / len(data)


def with_head(model: bs.Sequential, head: jax.Array) -> bs.Sequential:
    """The model with another readout."""
    return eqx.tree_at(lambda m: m.layers[READOUT].weight, model, head)


def learn(method: str, data: tuple[Dataset, Dataset], options: argparse.Namespace, seed: int) -> np.ndarray:
    """Accuracy in every task (columns) after every task (rows), NaN before it was learned."""
    train, test = data
    model = network(train.x.shape[1], options.hidden, seed)
    fresh, own = model[READOUT].weight, options.heads == "own"
    spaces, heads, found = None, [], np.full((options.tasks, options.tasks), np.nan)
    for task in range(options.tasks):
        optimizer = optax.sgd(options.rate)
        if method == "hlop":
            sizes = lateral(train.x.shape[1], options.hidden, task, own)
            spaces = subspaces(model, sizes, before=spaces, key=seed)
            optimizer = hlop(optimizer, spaces, {path: RULES[path] for path in spaces})
        done = bs.fit(
            with_head(model, fresh) if own else model,
            permuted(train, task, seed).batches(BATCH, key=seed),
            loss=bs.losses.ce_mean,
            metrics=["accuracy"],
            optimizer=optimizer,
            epochs=options.epochs,
            key=seed,
            progress=False,
        )
        model = done.model
        spaces = done.state.opt_state.subspaces if method == "hlop" else None
        heads.append(model[READOUT].weight)
        for earlier in range(task + 1):
            reader = with_head(model, heads[earlier]) if own else model
            found[task, earlier] = accuracy(reader, permuted(test, earlier, seed))
    return found


def summary(found: np.ndarray) -> dict[str, float]:
    """ACC, BWT and the mean accuracy right after each task."""
    last, at_once = found[-1], np.diag(found)
    return {"acc": last.mean(), "bwt": (last - at_once)[:-1].mean(), "at_once": at_once.mean()}


def picture(path: Path, tables: dict[str, np.ndarray]) -> None:
    """A heat map of accuracies for each method (mean over seeds), and the mean over the tasks so far."""
    figure, axes = plt.subplots(1, len(tables) + 1, figsize=(4.2 * (len(tables) + 1), 3.8), layout="constrained")
    shown, lowest = None, 100 * min(np.nanmin(table) for table in tables.values())
    for ax, (name, table) in zip(axes, tables.items(), strict=False):
        mean = 100 * table.mean(0)
        tasks = len(mean)
        shown = ax.imshow(mean, vmin=lowest, vmax=100, extent=(0.5, tasks + 0.5, tasks + 0.5, 0.5))
        for (row, column), value in np.ndenumerate(mean):
            if np.isfinite(value):
                ink = "w" if value < (lowest + 100) / 2 else "k"
                ax.text(column + 1, row + 1, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=8)
        number = np.arange(1, tasks + 1)
        ax.set(title=name, xlabel="accuracy in task (%)", ylabel="after task", xticks=number, yticks=number)
        so_far = 100 * np.nanmean(table, axis=2)
        axes[-1].set_xticks(number)
        axes[-1].plot(number, so_far.mean(0), marker="o", label=name)
        axes[-1].fill_between(number, so_far.min(0), so_far.max(0), alpha=0.2)
    axes[-1].set(xlabel="after task", ylabel="accuracy in the tasks so far (%)", title="mean, range of seeds")
    axes[-1].grid(alpha=0.3)
    axes[-1].legend()
    figure.colorbar(shown, ax=axes[-2], shrink=0.8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def settings(argv: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = "mnist" if os.environ.get("BRAINSIM_DATA") else "digits"
    parser.add_argument("--data", choices=("mnist", "fashion_mnist", "digits"), default=default)
    parser.add_argument("--tasks", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=256, help="neurons of a hidden layer")
    parser.add_argument("--samples", type=int, default=None, help="training pictures; default 10,000 or all there are")
    parser.add_argument("--epochs", type=int, default=1, help="times through each task")
    parser.add_argument("--rate", type=float, default=RATE, help="learning rate of SGD")
    parser.add_argument(
        "--heads", choices=("shared", "own"), default="shared", help="one readout, or one for each task"
    )
    parser.add_argument("--methods", nargs="+", choices=("plain", "hlop"), default=["plain", "hlop"])
    parser.add_argument("--published", action="store_true", help="the published sizes and number of tasks")
    parser.add_argument(
        "--held-out", action="store_true", help="measure on training pictures held out, not on the test"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("continual"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    if options.published:
        options.tasks, options.hidden = 10, 800
    elif options.samples is None:
        options.samples = 10_000
    for name, least in {"tasks": 2, "hidden": 8, "epochs": 1}.items():
        if getattr(options, name) < least:
            parser.error(f"--{name}: expected {least} or more, got {getattr(options, name)}")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Train by every method and seed, print a table, save `continual.png` and `continual.json`."""
    options = settings(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    data = pictures(options.data, options.held_out, options.samples)
    where = "held-out training pictures" if options.held_out else "test pictures"
    print(f"{options.data}: {options.tasks} tasks of {len(data[0])} pictures, measured on {len(data[1])} {where}")
    print("method   seed      ACC      BWT   right after each task   CPU seconds")
    rows: list[dict[str, Any]] = []
    tables: dict[str, list[np.ndarray]] = {}
    for seed in options.seeds:
        for method in options.methods:
            started = time.process_time()
            table = learn(method, data, options, seed)
            used, short = time.process_time() - started, summary(table)
            tables.setdefault(method, []).append(table)
            known = [[float(a) for a in row[: number + 1]] for number, row in enumerate(table)]
            rows.append({"method": method, "seed": seed, **short, "accuracy": known, "cpu_seconds": used})
            line = "{0:8} {1:4}   {acc:6.2%}  {bwt:+7.2%}   {at_once:21.2%}   {2:11.0f}"
            print(line.format(method, seed, used, **short), flush=True)
    picture(options.out / "continual.png", {name: np.array(found) for name, found in tables.items()})
    used = {name: value for name, value in vars(options).items() if name != "out"}
    figures = {"runs": rows, "options": used, "brainsim": bs.__version__}
    (options.out / "continual.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"saved    {options.out / 'continual.png'}, {options.out / 'continual.json'}")


if __name__ == "__main__":
    main()
