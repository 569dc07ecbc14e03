"""Stochastic release of transmitter in quanta: each spike releases at each site with a probability, or fails.

    released = K / N,     K ~ Binomial(N, p y)          for a spike y = 1, or y the share that `ShortTerm` would release

so that the mean is p y, and the variance of an event p y (1 - p y) / N. After `ShortTerm` the probability follows u x,
whose dynamics stay those of the mean. All synapses of a presynaptic neuron release together: one draw for each spike.
y > 1 stands for several spikes: K ~ Binomial(N c, p y / c), c = y rounded up. The gradient is that of the mean.

del Castillo & Katz, J. Physiol. 124 (1954) 560; Branco & Staras, Nat. Rev. Neurosci. 10 (2009) 373.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._params import param
from .._streams import Stream
from .._types import Array, State
from .terminal import Terminal


class QuantalRelease(Terminal):
    """Release with failures: `synapse=[QuantalRelease(0.3), Exponential(3*ms)]`.

    Args:
        p: Probability that a site releases at a spike, in [0, 1]; one number or one for each presynaptic neuron.
        sites: Sites N; `weight` is what all of them together make.
        trainable: Names of parameters that training may change.
    """

    p: Array = param(0.5, low=0, high=1)
    sites: int = eqx.field(static=True, default=1)

    acts: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.sites, bool) or not isinstance(self.sites, int) or self.sites < 1:
            raise ValueError(f"`sites`: expected a number of sites >= 1, got {self.sites!r}.")

    def transmit(self, state: State, emitted: Array, dt: float, key: Stream | None = None) -> tuple[State, Any]:
        """The share that is released, drawn anew for every spike."""
        if key is None:
            raise ValueError("`key`: QuantalRelease draws numbers and needs a random stream.")
        spikes = jnp.ceil(emitted)
        mean = self.p * emitted
        chance = jax.lax.stop_gradient(mean / jnp.maximum(spikes, 1))
        quanta = key.binomial(self.sites * spikes, chance, emitted.shape) / self.sites
        return state, quanta + (mean - jax.lax.stop_gradient(mean))
