"""e-prop: the gradient of a recurrent layer, without what its spikes do through other neurons of it later.

With h the states of neuron j, u_i what arrives by synapse ij, x_j = sum_i w_ij u_i, all derivatives of neuron j alone:

    eps_ij(t) = dh(t)/dh(t-1) eps_ij(t-1) + dh(t)/dx u_i(t)
    e_ij(t)   = ds(t)/dh(t-1) eps_ij(t-1) + ds(t)/dx u_i(t)
    dL/dw_ij  = sum_t L_j(t) e_ij(t)

It equals backpropagation through time with the derivative stopped at recurrent spikes; from one spiking layer to the
one before, L goes within a step only. The derivatives come from the neuron's own step, so any pointwise neuron will do:
LIF, CubaLIF, AdaptiveLIF (its adaptation is eligible with `detach_reset=False`), your own. Memory: states x batch
x synapses. Bellec et al., Nat. Commun. 11 (2020) 3625, with symmetric feedback; several layers: Bohnstingl et al., IEEE
TNNLS 34 (2023) 8894.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp

from ..._types import Array
from ...networks.layers import Cell, Layer, Linear, Recurrent
from ..batches import Batch
from ..objective import Objective, Outcome
from .chain import Gradient, only
from .online import Local, Online, Pair
from .ruled import value_and_grad as by_rule


def value_and_grad(objective: Objective, params: Any, static: Any, batch: Batch, key: Array) -> tuple[Outcome, Any]:
    """What the model makes of a batch, and the gradient by e-prop; arguments as in `bptt.value_and_grad`.

    Raises:
        ValueError: A spiking layer behind anything but `Linear` without delays, or neurons that act on each other.
    """
    return by_rule("eprop", Online(Eprop()), objective, params, static, batch, key)


@dataclasses.dataclass(frozen=True)
class Eprop:
    """The eligibility of e-prop; see `online.Eligibility`."""

    method: str = "eprop"

    def require(self, name: str, below: Layer | None, layer: Any) -> None:
        """Weights are those of `Linear` and `Recurrent`."""
        if below is not None and type(below) is not Linear:
            raise ValueError(f'`gradient`: "eprop" cannot treat layer {name}: {below!r} before it is no Linear.')
        if isinstance(layer, Cell) and len(layer.shape) > 1:
            raise ValueError(f'`gradient`: "eprop" cannot treat layer {name}: expected one axis, got {layer.shape}.')

    def start(self, pair: Pair, states: int, batch: tuple[int, ...]) -> dict[str, Array]:
        """eps = 0 for each kind of synapse, `(states, [batch], senders, n)`."""
        n = pair.layer.n if isinstance(pair.layer, Recurrent) else pair.layer.shape[0]
        return {name: jnp.zeros((states, *u.shape, n), u.dtype) for name, u in _arrived(pair).items()}

    def advance(self, traces: dict[str, Array], pair: Pair, local: Local, dt: float) -> tuple[Any, Any]:
        """eps and e after a step."""
        wide = lambda x: x[..., None, :]

        def mix(row: tuple[Array, ...], x: Array, eps: Array, u: Array) -> Array:
            total = wide(x) * u[..., None]
            for slope, past in zip(row, eps, strict=True):
                total = total + wide(slope) * past
            return total

        later, eligible = {}, {}
        for name, u in _arrived(pair).items():
            rows = zip(local.state_state, local.state_x, strict=True)
            later[name] = jnp.stack([mix(row, x, traces[name], u) for row, x in rows])
            eligible[name] = mix(local.spike_state, local.spike_x, traces[name], u)
        return later, eligible

    def gradient(
        self, eligibility: dict[str, Array], pair: Pair, local: Local, signal: Array
    ) -> tuple[Gradient, Gradient]:
        """The sum over the batch of L e."""
        trials = tuple(range(signal.ndim - 1))
        slopes = {name: jnp.sum(e * signal[..., None, :], axis=trials) for name, e in eligibility.items()}
        own = {"weight": slopes.pop("recurrent")} if "recurrent" in slopes else {}
        if "bias" in slopes:
            slopes["bias"] = slopes["bias"][0]
        return only(pair.below, **slopes), only(pair.layer, **own)


def _arrived(pair: Pair) -> dict[str, Array]:
    """What arrives by each kind of synapse, `([batch], senders)`; a bias is one sender that is always there."""
    arrived = {}
    if pair.below is not None and pair.x is not None:
        arrived["weight"] = pair.x
        if pair.below.bias is not None:
            arrived["bias"] = jnp.ones_like(pair.x[..., :1])
    return arrived if pair.due is None else {**arrived, "recurrent": pair.due}
