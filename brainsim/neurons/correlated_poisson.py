"""Poisson processes of one rate whose spikes coincide, with a given pairwise correlation.

    "sip" (single interaction): own spikes of rate (1 - c) r, and shared ones of rate c r that all channels have
    "mip" (multiple interactions): of a mother process of rate r / c, each spike reaches a channel with probability c

Each channel is a Poisson process of rate r, and the counts of two channels in a step have the correlation c. They
differ in higher orders: a shared spike of "sip" has all n channels, one of "mip" c n on average. Kuhn, Aertsen &
Rotter, Neural Comput. 15 (2003) 67; NEST's mip_generator.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._params import concrete, param
from .._streams import Stream
from .._types import Array, State
from .sources import Source, channels, no_input


class CorrelatedPoisson(Source):
    """Correlated Poisson processes: how many spikes each channel has in each step.

    Args:
        n: Number of channels.
        rate: Rate of every channel (Hz), one number.
        correlation: Correlation c of two channels, in [0, 1]; > 0 for "mip".
        kind: "mip" or "sip".
    """

    n: int = eqx.field(static=True)
    rate: Array = param(unit="Hz", low=0)
    correlation: Array = param(low=0, high=1)
    _: dataclasses.KW_ONLY
    kind: str = eqx.field(static=True, default="mip")

    def __post_init__(self):
        super().__post_init__()
        self.n = channels(self.n)
        _checks.choice("kind", self.kind, ("mip", "sip"))
        for name in ("rate", "correlation"):
            known = concrete(getattr(self, name))
            if known is None or known.ndim:
                raise ValueError(f"`{name}`: expected one number for all channels.")
            if name == "correlation" and self.kind == "mip" and known == 0:
                raise ValueError('`correlation` must be > 0 for "mip"; independent processes are `Poisson`.')

    def step(
        self, state: State, x: Array | None, shape: tuple[int, ...], dt: float, k: Array, key: Stream | None
    ) -> tuple[State, Array]:
        """One step: counts of shape `shape`."""
        no_input(self, x)
        if key is None:
            raise ValueError("`key`: CorrelatedPoisson draws numbers and needs a random stream.")
        mean, c = jnp.asarray(self.rate, self.dtype) * (dt / 1000), jnp.asarray(self.correlation, self.dtype)
        trials = (*shape[:-1], 1)
        if self.kind == "sip":
            shared = key.poisson(mean * c, trials, dtype=self.dtype)
            return state, key.poisson(mean * (1 - c), shape, draw=1, dtype=self.dtype) + shared
        return state, key.binomial(key.poisson(mean / c, trials, dtype=self.dtype), c, shape, draw=1)
