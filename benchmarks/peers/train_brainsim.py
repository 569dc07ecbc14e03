"""The classifier trained by brainsim: the others are compared with it, and take the files that it writes.

train_brainsim.py write FOLDER NET SEED
train_brainsim.py FOLDER THREADS
"""

import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
from classifier import RATE, Classifier, given, save
from serve import serve

import brainsim as bs
from brainsim.bench import train


def write(folder: Path, net: str, seed: int) -> None:
    """Lay down what all contestants take."""
    model, (x, y) = train.network(net, seed), train.spikes(seed)
    params = {name: np.asarray(info.where(model)) for name, info in model.parameters().items()}
    hidden = []
    for k in range(len(train.HIDDEN[net])):
        hidden.append((params[f"{2 * k}.weight"], params[f"{2 * k}.bias"], params.get(f"{2 * k + 1}.weight")))
    out = 2 * len(hidden)
    readout = (params[f"{out}.weight"], params[f"{out}.bias"])
    save(folder, Classifier(np.asarray(x), np.asarray(y), hidden, readout))


def rebuilt(classifier: Classifier) -> bs.Sequential:
    """The network that `write` came from, with its weights."""
    net = "rec256" if classifier.hidden[0][2] is not None else "ff1024" if len(classifier.hidden) == 2 else "ff256"
    model, known = train.network(net, 0), {}
    for k, (w, b, r) in enumerate(classifier.hidden):
        known |= {f"{2 * k}.weight": w, f"{2 * k}.bias": b} | ({} if r is None else {f"{2 * k + 1}.weight": r})
    known |= dict(
        zip((f"{2 * len(classifier.hidden)}.{part}" for part in ("weight", "bias")), classifier.out, strict=True)
    )
    for name, value in known.items():
        model = eqx.tree_at(model.parameters()[name].where, model, jax.numpy.asarray(value))
    return model


def main() -> None:
    """Compile once, train one step a line."""
    classifier, _ = given()
    model = rebuilt(classifier)
    x, y = jax.numpy.asarray(classifier.x), jax.numpy.asarray(classifier.y)
    params, static = eqx.partition(model, bs.mask(model))
    optimizer = optax.adam(RATE)

    @eqx.filter_jit
    def step(params, opt_state, x, y):
        def objective(params):
            return bs.losses.ce_sum(bs.run(eqx.combine(params, static), x).out, y)

        loss, gradient = eqx.filter_value_and_grad(objective)(params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return eqx.apply_updates(params, updates), opt_state, loss

    hidden = tuple(f"{2 * k + 1}.spikes" for k in range(len(classifier.hidden)))
    rates = [float(record.mean()) for record in bs.run(model, x, record=hidden).records.values()]
    standing = (params, optimizer.init(params))

    def sample() -> tuple[float, list[float]]:
        nonlocal standing
        begin = time.perf_counter()
        *later, loss = jax.block_until_ready(step(*standing, x, y))
        standing = tuple(later)
        return time.perf_counter() - begin, [float(loss)]

    serve("brainsim", ("brainsim", "jax"), sample, hidden_rates=rates)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        main()
