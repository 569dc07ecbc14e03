"""Lateral neurons that learn by a Hebbian rule which directions the input of a layer lies in.

    y = Q(W x),   x_hat = W^T y,   dW = clip((1 / B) sum_b y (x - x_hat)^T)         W = [old; new], (k, d)
    m <- mu m + (1 - mu) dW,   new <- new + rate m         several times a batch

Oja's subspace rule: rows that learn become an orthonormal base of the principal subspace. Rows of earlier tasks are
`old`: they do not change, but take part in x_hat, so that new rows find what the old ones do not explain. Q is the
identity, or that of lateral spiking neurons: round(clip(y, +-reach) / reach * levels) / levels * reach.

What is orthogonal to the old rows is x - old^T old x. Xiao et al., ICLR 2024 (arXiv 2402.11984); Oja, Int. J. Neural
Syst. 1 (1989) 61.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array


class Subspace(NamedTuple):
    """Lateral weights of one layer with d inputs.

    Attributes:
        old: Rows of earlier tasks, frozen, `(k_old, d)`.
        new: Rows that learn, `(k, d)`.
        momentum: Their running change, `(k, d)`.
    """

    old: Array
    new: Array
    momentum: Array

    @property
    def weight(self) -> Array:
        """All rows, `(k_old + k, d)`."""
        return jnp.concatenate([self.old, self.new])

    def extended(self, rows: int, key: Array) -> "Subspace":
        """The lateral weights of the next task: all rows so far are old, and there are new ones.

        Args:
            rows: Number of new rows; they are orthonormal, and orthogonal to the old ones.
            key: Key of the draw.
        """
        old = self.weight
        free = jnp.concatenate([old, jax.random.normal(key, (rows, old.shape[1]), old.dtype)]).T
        new = jnp.linalg.qr(free)[0].T[len(old) :]
        return Subspace(old, new, jnp.zeros_like(new))

    def without_old(self, matrix: Array) -> Array:
        """`matrix - old^T old matrix` for `(d, n)`: no column has a component in the span of the old rows."""
        return matrix - self.old.T @ (self.old @ matrix)


@dataclasses.dataclass(frozen=True)
class Hebbian:
    """How lateral weights learn; the published settings, but for the rate of the first layer (0.001 there).

    Args:
        rate: Step of a change; its product with the largest variance of the inputs should stay well below 1.
        iterations: Changes a batch.
        momentum: mu, the share of the past in a change.
        clip: Largest entry of dW.
        levels: Spikes by which a lateral neuron tells `reach` (T; 40 in the published example); None: y as it is.
        reach: Largest |y| of lateral spiking neurons.
    """

    rate: float = 0.01
    iterations: int = 5
    momentum: float = 0.9
    clip: float = 10.0
    levels: int | None = None
    reach: float = 20.0

    def __post_init__(self):
        _checks.positive("rate", self.rate)
        _checks.within("iterations", self.iterations, low=1)
        _checks.within("momentum", self.momentum, low=0.0, high=1.0)
        _checks.positive("clip", self.clip)
        _checks.positive("reach", self.reach)
        if self.levels is not None:
            _checks.within("levels", self.levels, low=1)

    def learned(self, subspace: Subspace, x: Array, count: Array | int | None = None) -> Subspace:
        """The lateral weights after a batch.

        Args:
            subspace: Lateral weights before it.
            x: Inputs of the layer, `(rows, d)`.
            count: B, how many of the rows count (the others are 0); None: all.
        """
        batch = jnp.asarray(len(x) if count is None else count, x.dtype)
        residual = x - self.told(x @ subspace.old.T) @ subspace.old

        def change(_: int, rows: tuple[Array, Array]) -> tuple[Array, Array]:
            new, momentum = rows
            y = self.told(x @ new.T)
            raw = jnp.clip(y.T @ (residual - y @ new) / batch, -self.clip, self.clip)
            momentum = self.momentum * momentum + (1 - self.momentum) * raw
            return new + self.rate * momentum, momentum

        new, momentum = jax.lax.fori_loop(0, self.iterations, change, (subspace.new, subspace.momentum))
        return Subspace(subspace.old, new, momentum)

    def told(self, y: Array) -> Array:
        """What lateral neurons tell of y: Q."""
        if self.levels is None:
            return y
        return jnp.round(jnp.clip(y, -self.reach, self.reach) * (self.levels / self.reach)) * (self.reach / self.levels)
