"""The classifier trained by a scan over time written by hand, as one writes it without a library."""

import time

import jax
import jax.numpy as jnp
import optax
from classifier import BETA, RATE, given
from serve import serve


@jax.custom_jvp
def spike(over):
    """1 where the membrane is at the threshold or above."""
    return (over >= 0).astype(over.dtype)


@spike.defjvp
def _(primals, tangents):
    (over,), (moved,) = primals, tangents
    return spike(over), moved / (1 + (jnp.pi * over) ** 2)


def forward(params, x):
    """The readout summed over time (batch, classes), and the mean rate of the hidden layers."""
    batch, steps = x.shape[1], len(x)

    def step(carry, z):
        layers, m, total, count = carry
        later = []
        for (w, b, r), (v, s) in zip(params["hidden"], layers, strict=True):
            u = BETA * v + z @ w + b
            u = u if r is None else u + s @ r
            z = spike(u - 1)
            later.append((u - jax.lax.stop_gradient(z), z))
            count = count + z.mean() / (steps * len(layers))
        w, b = params["out"]
        m = BETA * m + z @ w + b
        return (later, m, total + m, count), None

    zeros = [(jnp.zeros((batch, w.shape[1])),) * 2 for w, _, _ in params["hidden"]]
    m = jnp.zeros((batch, params["out"][0].shape[1]))
    (_, _, total, count), _ = jax.lax.scan(step, (zeros, m, m, 0.0), x)
    return total, count


def loss(params, x, y):
    """Cross entropy of the summed readout."""
    return optax.softmax_cross_entropy_with_integer_labels(forward(params, x)[0], y).mean()


def main() -> None:
    """Compile once, train one step a line."""
    classifier, _ = given()
    x, y = jnp.asarray(classifier.x), jnp.asarray(classifier.y)
    params = jax.tree.map(jnp.asarray, {"hidden": classifier.hidden, "out": classifier.out})
    optimizer = optax.adam(RATE)

    @jax.jit
    def step(params, opt_state):
        value, gradient = jax.value_and_grad(loss)(params, x, y)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state, value

    rate = float(jax.jit(forward)(params, x)[1])
    standing = (params, optimizer.init(params))

    def sample() -> tuple[float, list[float]]:
        nonlocal standing
        begin = time.perf_counter()
        *later, value = jax.block_until_ready(step(*standing))
        standing = tuple(later)
        return time.perf_counter() - begin, [float(value)]

    serve("a scan by hand in JAX", ("jax", "optax"), sample, hidden_rates=[rate])


if __name__ == "__main__":
    main()
