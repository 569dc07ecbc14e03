"""The classifier trained by brainstate with the neurons of brainpy.state: LIF with a soft reset, in units."""

import math
import time

import brainpy
import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import optax
from classifier import BETA, RATE, Classifier, given
from serve import serve


class Network(brainstate.nn.Module):
    """Linear layers, LIF neurons, and the readout's sum over time outside."""

    def __init__(self, classifier: Classifier):
        super().__init__()
        gain = 1 / (1 - BETA)  # an input of the step counts so much less: 1 - exp(-dt / tau)
        self.inputs, self.cells, self.own = [], [], []
        for w, b, r in classifier.hidden:
            self.inputs.append(linear(gain * w, gain * b, u.mA))
            self.own.append(None if r is None else linear(gain * r, None, u.mA))
            self.cells.append(
                brainpy.state.LIF(
                    w.shape[1],
                    R=1 * u.ohm,
                    tau=-1 / math.log(BETA) * u.ms,
                    V_th=1 * u.mV,
                    V_reset=0 * u.mV,
                    V_rest=0 * u.mV,
                    V_initializer=braintools.init.Constant(0 * u.mV),
                    spk_fun=braintools.surrogate.Arctan(),
                    spk_reset="soft",
                )
            )
        self.out = linear(*classifier.out, 1)

    def update(self, z):
        """One step; returns the readout's current and the mean rate of the last hidden layer."""
        for layer, own, cell in zip(self.inputs, self.own, self.cells, strict=True):
            current = layer(z) if own is None else layer(z) + own(cell.get_spike())
            z = cell(current)
        return self.out(z), z.mean()


def linear(w, b, unit) -> brainstate.nn.Linear:
    """A layer with given weights (in, out) and biases."""
    bias = None if b is None else jnp.asarray(b) * unit
    return brainstate.nn.Linear(*w.shape, w_init=jnp.asarray(w) * unit, b_init=bias)


def main() -> None:
    """Compile once, train one step a line."""
    classifier, _ = given()
    brainstate.environ.set(dt=1.0 * u.ms)
    x, y = jnp.asarray(classifier.x), jnp.asarray(classifier.y)
    net = Network(classifier)
    weights = net.states(brainstate.ParamState)
    optimizer = braintools.optim.Adam(lr=RATE)
    optimizer.register_trainable_weights(weights)

    def outputs():
        brainstate.nn.init_all_states(net, batch_size=x.shape[1])
        return brainstate.transform.for_loop(net.update, x)

    def loss():
        def read(carry, current):
            m = BETA * carry[0] + current
            return (m, carry[1] + m), None

        currents, _ = outputs()
        (_, total), _ = jax.lax.scan(read, (jnp.zeros_like(currents[0]),) * 2, currents)
        return optax.softmax_cross_entropy_with_integer_labels(total, y).mean()

    @brainstate.transform.jit
    def step():
        gradient, value = brainstate.transform.grad(loss, weights, return_value=True)()
        optimizer.update(gradient)
        return value

    rate = float(brainstate.transform.jit(outputs)()[1].mean())

    def sample() -> tuple[float, list[float]]:
        begin = time.perf_counter()
        value = jax.block_until_ready(step())
        return time.perf_counter() - begin, [float(value)]

    serve("brainstate", ("brainstate", "brainpy", "jax"), sample, hidden_rates=[rate])


if __name__ == "__main__":
    main()
