"""What the tests of `pointwise` and `scan` share: neurons as steps, and closeness of trees."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from brainsim._types import Drive
from brainsim.neurons import LIF, AdaptiveLIF, UltraLIF

NEURONS = {
    "LIF": LIF(20.0, t_ref=0.2),
    "UltraLIF": UltraLIF(20.0),
    "AdaptiveLIF": AdaptiveLIF(20.0, detach_reset=False),
}
DT = 0.1


def built(name, shape, batch, dtype=jnp.float32, *, shared=False):
    """A neuron with a time constant for each cell (or one for all), and its initial state."""
    neuron = NEURONS[name].build("x", shape, dt=DT, key=jax.random.key(0), dtype=dtype)
    if not shared:
        taus = np.random.default_rng(1).uniform(5, 20, shape)
        neuron = eqx.tree_at(lambda n: n.tau_mem, neuron, jnp.asarray(taus, dtype))
    return neuron, neuron.init_state(shape, batch=batch, key=jax.random.key(0), dtype=dtype)


def close(got, expected, rtol=1e-5, atol=1e-6):
    """Equal trees, shapes and dtypes, and values within a tolerance."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=rtol, atol=atol)


def one_step(neuron):
    """The neuron's step as a function of state and jump."""
    return lambda state, x: neuron.step(state, Drive(jump=x), DT)
