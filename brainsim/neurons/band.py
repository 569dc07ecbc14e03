"""A surrogate derivative that is 0 away from the threshold: sparse gradients.

    h(x) = inner(x) where |x| < width, else 0,      x = (v - v_th) / (v_th - v_reset)

Only neurons close to the threshold pass a gradient on, which is then as sparse as spikes are, and a dense layer after
them computes it nowhere else (`event_dense_where`); as the band grows, it becomes that of `inner`. Perez-Nieves and
Goodman, NeurIPS 2021 (arXiv 2105.08810), with width 0.2 and fast sigmoid.
"""

import dataclasses

import jax.numpy as jnp

from .._checks import positive
from .._types import Array
from .surrogate import FastSigmoid, Surrogate


@dataclasses.dataclass(frozen=True)
class Band(Surrogate):
    """A surrogate cut off outside a band around the threshold.

    Args:
        inner: Surrogate inside the band.
        width: Half the width of the band, in units of v_th - v_reset.
    """

    inner: Surrogate = FastSigmoid(100.0)
    width: float = 0.2

    def __post_init__(self):
        positive("width", self.width)

    @property
    def local(self) -> bool:
        """0 outside."""
        return True

    def derivative(self, x: Array) -> Array:
        """inner(x) inside, 0 outside."""
        return jnp.where(jnp.abs(x) < self.width, self.inner.derivative(x), 0)
