"""The classifier trained by Spyx.

Its LIF emits a spike in the step after the one that reached the threshold, and takes the reset off undecayed, so that
its losses are near, not equal. Its decays are parameters; they are left out of the training.
"""

import time

import jax
import jax.numpy as jnp
import optax
import spyx
from classifier import BETA, RATE, Classifier, given
from flax import nnx
from serve import serve
from spyx import nn


def network(classifier: Classifier) -> nn.Sequential:
    """Spyx's layers with the given weights."""
    arctan = spyx.axn.custom(lambda over: 1 / (1 + (jnp.pi * over) ** 2), spyx.axn.heaviside)
    layers, rngs = [], nnx.Rngs(0)
    for w, b, r in classifier.hidden:
        layers.append(linear(w, b, rngs))
        kind = nn.LIF if r is None else nn.RLIF
        layers.append(kind((w.shape[1],), beta=BETA, activation=arctan, rngs=rngs))
        if r is not None:
            layers[-1].recurrent_w.value = jnp.asarray(r)
    w, b = classifier.out
    return nn.Sequential(*layers, linear(w, b, rngs), nn.LI((w.shape[1],), beta=BETA, rngs=rngs))


def linear(w, b, rngs: nnx.Rngs) -> nnx.Linear:
    """A layer with given weights (in, out) and biases."""
    made = nnx.Linear(*w.shape, rngs=rngs)
    made.kernel.value, made.bias.value = jnp.asarray(w), jnp.asarray(b)
    return made


def main() -> None:
    """Compile once, train one step a line."""
    classifier, _ = given()
    x, y = jnp.asarray(classifier.x), jnp.asarray(classifier.y)
    model = network(classifier)
    hidden = nn.Sequential(*model.layers[:-2])
    rate = float(nn.run(hidden, x)[0].mean())
    trained = nnx.All(nnx.Param, lambda path, _: "beta" not in path)
    optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=trained)

    @nnx.jit
    def step(model, optimizer, x, y):
        def loss(model):
            out = nn.run(model, x)[0].sum(0)
            return optax.softmax_cross_entropy_with_integer_labels(out, y).mean()

        value, gradient = nnx.value_and_grad(loss, argnums=nnx.DiffState(0, trained))(model)
        optimizer.update(model, gradient)
        return value

    def sample() -> tuple[float, list[float]]:
        begin = time.perf_counter()
        value = jax.block_until_ready(step(model, optimizer, x, y))
        return time.perf_counter() - begin, [float(value)]

    serve("spyx", ("spyx", "jax"), sample, hidden_rates=[rate])


if __name__ == "__main__":
    main()
