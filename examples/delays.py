"""Learn delays: classes that differ in nothing but the lag between two spikes.

    python examples/delays.py --out delays

Two inputs fire once each, at a random moment; the class is how much later (or earlier) the second one fires, from -24
to 24 ms. The neurons forget within 4 ms, so that only delays which make both spikes arrive together can tell the
classes apart; the readout counts spikes. Four networks of 16 such neurons: without delays; with random delays that stay
(the weights alone train); with delays that train in the feed-forward layer (Gaussian kernels that narrow to whole
steps, as in DCLS); and with delays that train in the recurrent layer (as in DelRec).

Two more have no grid and no surrogate: from event to event, with exact gradients of spike times (EventProp), once with
random delays that stay and once with delays that train from there. A spike count has no such gradient, so the readout
sees when spikes come: its voltages are sums of alpha functions of 4 ms, and the score of a class is the logarithm of
the sum of exp(v) over time. It can use what comes together whatever neuron it comes from, and weights move spikes a
little: random delays from 0 to 30 ms were enough for it without any training of delays. So these two begin with delays
from 10 to 20 ms, which do not reach the longer lags. Training must take them there before the readout has settled on
what the first delays can tell: two classes that it does not tell apart get equal weights to the readout, and from then
on what one pulls at a delay the other undoes. At 0.4 ms an update this happened to one seed of 13 (16 and 24 ms merged,
with no neuron silent and a single delay at a bound). Delays that take 1 ms an update arrive in time.

Rates and ranges of these two were set on validation samples, with other seeds than those of the table. Training,
validation and test are all drawn from the same 36 possible samples: the accuracy tells what was learned, not how it
generalises. The picture shows the validation accuracy over training and, for the third network, the lag to which each
hidden neuron responds, before and after.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.ticker import MaxNLocator

import brainsim as bs
from brainsim.train import EventDriven, Wiring
from brainsim.units import ms

LAGS = np.array([-24, -16, -8, 8, 16, 24])
STEPS, HIDDEN, BATCH = 65, 16, 60
LONGEST = 30.0  # ms
NETWORKS = ("no delays", "random delays", "learned delays", "learned recurrent delays")
EXACT = ("random delays, EventProp", "learned delays, EventProp")
CELL = EventDriven(4 * ms, 2 * ms, duration=STEPS + LONGEST, max_spikes=4)


def batch(rng: np.random.Generator, size: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
    """Spikes `(time, batch, 2)` in steps of 1 ms, and classes; the moment of the first spike tells nothing."""
    y = rng.integers(len(LAGS), size=size)
    first = rng.integers(0, 6, size) + np.maximum(0, -LAGS[y])
    x = np.zeros((STEPS, size, 2), np.float32)
    x[first, np.arange(size), 0] = x[first + LAGS[y], np.arange(size), 1] = 1
    return x, y


def batches(n: int) -> Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """New samples in every epoch."""
    return lambda epoch: (batch(np.random.default_rng((epoch, k))) for k in range(n))


def network(kind: str, seed: int) -> bs.Sequential:
    """Two inputs, 16 neurons with a membrane of 4 ms, and a readout that counts their spikes, whenever they come."""
    hidden, forward, longest = bs.LIF(4 * ms), {}, {"max_delay": LONGEST * ms}
    if kind in ("random delays", "learned delays"):
        forward = {"delay": bs.Uniform(0 * ms, LONGEST * ms), "sigma": 0.1 * ms, **longest}
    elif kind == "learned recurrent delays":
        late = bs.Uniform(1 * ms, LONGEST * ms)
        hidden = bs.Recurrent(hidden, HIDDEN, weight=bs.Normal(0, 0.5), delay=late, **longest)
    return bs.Sequential(
        ("in", bs.Linear(2, HIDDEN, init=bs.Uniform(0.5, 0.9), **forward)),
        ("hidden", hidden),
        ("out", bs.Linear(HIDDEN, len(LAGS))),
        dt=1 * ms,
        seed=seed,
    )


def held_out(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of "valid" or "test" samples, the same for every network."""
    start = {"valid": 10**6, "test": 2 * 10**6}[name]
    return [batch(np.random.default_rng(start + k)) for k in range(4)]


def follow(schedule: Callable[[Any], Any]) -> optax.GradientTransformation:
    """A parameter that goes the way of a schedule, whatever its gradient: how the width of the kernels shrinks."""

    def update(updates: Any, count: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.tree.map(lambda p: (schedule(count) - p).astype(p.dtype), params), count + 1

    return optax.GradientTransformation(lambda params: np.int32(0), update)


def train(kind: str, epochs: int, per_epoch: int, seed: int) -> tuple[bs.Sequential, np.ndarray, float]:
    """The trained network, its validation accuracy after every epoch and its test accuracy (narrowest kernels)."""
    model, steps = network(kind, seed), epochs * per_epoch
    trainable = ["*.weight"] + (["*.delay", "*.sigma"] if "learned" in kind else [])
    wide, narrow = 3.0, 0.1  # of the kernels, ms; in recurrent layers inference takes 0
    width = optax.exponential_decay(wide, steps * 3 // 4, narrow / wide, end_value=narrow)
    if "recurrent" in kind:
        width = optax.linear_schedule(wide, 0.0, steps * 3 // 4)
    rules = {
        "weight": optax.adam(optax.cosine_decay_schedule(5e-3, steps)),
        "delay": optax.adam(optax.cosine_decay_schedule(0.3, steps)),
        "other": follow(width),
        "frozen": optax.set_to_zero(),
    }
    model, history, _ = bs.fit(
        model,
        batches(per_epoch),
        valid=held_out("valid"),
        loss=bs.losses.ce_sum,
        optimizer=optax.multi_transform(rules, lambda params: bs.labels(params, trainable)),
        epochs=epochs,
        trainable=trainable,
    )
    narrowest = bs.inference_mode(model)
    right = [np.asarray(bs.run(narrowest, x).out.sum(0)).argmax(-1) == y for x, y in held_out("test")]
    return model, history["valid_accuracy"], float(np.mean(right))


class Exact(NamedTuple):
    """Weights (mV) and delays (ms) from inputs to neurons, (2, 16), and weights to the readout, (16, classes)."""

    weight: jax.Array
    delay: jax.Array
    out: jax.Array


def scored(model: Exact, times: jax.Array) -> jax.Array:
    """Score of every class, for inputs at `times` (ms). No neuron acts on another: a network each."""

    def neuron(weight: jax.Array, delay: jax.Array) -> jax.Array:
        none = jnp.zeros((1, 1))
        spikes = CELL(Wiring(weight[:, None], delay[:, None], none, none + 1), times, jnp.arange(2))
        return jnp.where(spikes.neuron >= 0, spikes.t, jnp.inf)

    fired = jax.vmap(neuron, 1)(model.weight, model.delay)
    since = jnp.arange(CELL.duration)[:, None, None] - fired
    since = jnp.where(since > 0, since, 0) / 4
    return jax.nn.logsumexp(jnp.einsum("tns,nc->tc", since * jnp.exp(1 - since), model.out), axis=0)


@jax.jit
def exact_loss(model: Exact, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cross entropy and accuracy of a batch; a spike of step k has the time k + 1 ms."""
    scores = jax.vmap(scored, (None, 0))(model, (1 + jnp.argmax(x, axis=0)).astype(x.dtype))
    return bs.losses.cross_entropy(scores, y), jnp.mean(jnp.argmax(scores, axis=1) == y)


def train_exact(kind: str, epochs: int, per_epoch: int, seed: int) -> tuple[Exact, np.ndarray, float]:
    """As `train`, from event to event."""
    rng, steps = np.random.default_rng(seed), epochs * per_epoch
    drawn = (rng.uniform(5, 8, (2, HIDDEN)), rng.uniform(10, 20, (2, HIDDEN)), rng.normal(0, 0.5, (HIDDEN, 6)))
    model = Exact(*(jnp.asarray(value, jnp.float32) for value in drawn))
    rules = {
        "weight": optax.adam(optax.cosine_decay_schedule(5e-2, steps)),
        "delay": optax.adam(optax.cosine_decay_schedule(1.0, steps)) if "learned" in kind else optax.set_to_zero(),
    }
    parts = optax.multi_transform(rules, Exact("weight", "delay", "weight"))
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), parts)

    @jax.jit
    def step(model: Exact, state: Any, x: jax.Array, y: jax.Array) -> tuple[Exact, Any]:
        gradient, _ = jax.grad(exact_loss, has_aux=True)(model, x, y)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, state)
        moved = optax.apply_updates(model, updates)
        return moved._replace(delay=jnp.clip(moved.delay, 0, LONGEST)), state

    accuracy = lambda name: float(np.mean([exact_loss(model, *samples)[1] for samples in held_out(name)]))
    state, curve = optimizer.init(model), []
    for epoch in range(epochs):
        for x, y in batches(per_epoch)(epoch):
            model, state = step(model, state, x, y)
        curve.append(accuracy("valid"))
    return model, np.array(curve), accuracy("test")


def preferred_lags(model: bs.Sequential) -> np.ndarray:
    """The lag (ms) at which both spikes reach a hidden neuron together: the first input's delay less the second's."""
    first, second = np.asarray(model["in"].delays.delay)
    return first - second


def picture(curves: dict[str, list[np.ndarray]], before: np.ndarray, after: np.ndarray, path: Path) -> None:
    """Accuracy over epochs, one line a seed; preferred lags before and after training."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.3), layout="constrained")
    for index, (kind, seeds) in enumerate(curves.items()):
        for accuracy in seeds:
            label = kind if accuracy is seeds[0] else None
            left.plot(np.arange(1, len(accuracy) + 1), 100 * accuracy, f"C{index}", marker=".", label=label)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.axhline(100 / len(LAGS), color="0.6", linestyle=":", label="chance")
    left.set(xlabel="epoch", ylabel="validation accuracy (%)", ylim=(0, 102), title="One spike each: which lag?")
    figure.legend(*left.get_legend_handles_labels(), frameon=False, loc="outside lower left", ncols=4)
    for lag in LAGS:
        right.axvline(lag, color="0.85", zorder=0)
    order = np.argsort(after)
    for row, (start, end) in enumerate(zip(before[order], after[order], strict=True)):
        right.plot([start, end], [row, row], color="C2", linewidth=0.8, zorder=1)
    right.plot(before[order], np.arange(len(order)), "o", color="0.7", markersize=4, label="before")
    right.plot(after[order], np.arange(len(order)), "o", color="C2", markersize=5, label="after training")
    right.set(xlabel="delay of input 1 - delay of input 2 (ms)", ylabel="hidden neuron", title="Learned delays")
    right.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print a table, save `delays.png` and `delays.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batches", type=int, default=20, help="batches an epoch, of 60 samples each")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS + EXACT, default=NETWORKS + EXACT)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--out", type=Path, default=Path("delays"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    curves: dict[str, list[np.ndarray]] = {}
    tested: dict[str, list[float]] = {}
    after = None
    print(f"{'network':26} {'test accuracy':>15} {'each seed':^22} {'CPU s':>6}   (chance {1 / len(LAGS):.0%})")
    for kind in options.networks:
        started, trainer = time.process_time(), train_exact if kind in EXACT else train
        runs = [trainer(kind, options.epochs, options.batches, seed) for seed in range(options.seeds)]
        curves[kind], tested[kind] = [run[1] for run in runs], [run[2] for run in runs]
        if kind == "learned delays":
            after = preferred_lags(runs[0][0])
        mean, spread, each = np.mean(tested[kind]), np.std(tested[kind]), " ".join(f"{x:.1%}" for x in tested[kind])
        print(f"{kind:26} {mean:7.1%} +-{spread:5.1%} {each:^22} {time.process_time() - started:6.0f}", flush=True)
    if after is not None:
        picture(curves, preferred_lags(network("learned delays", 0)), after, options.out / "delays.png")
    figures: dict[str, Any] = {"test_accuracy": tested, "epochs": options.epochs, "brainsim": bs.__version__}
    figures["accuracy"] = {kind: [curve.tolist() for curve in seeds] for kind, seeds in curves.items()}
    (options.out / "delays.json").write_text(json.dumps(figures | {"lags_ms": LAGS.tolist()}, indent=2) + "\n")
    print(f"saved {options.out}")


if __name__ == "__main__":
    main()
