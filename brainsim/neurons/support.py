"""Where a gradient crosses the spikes of a neuron: a surrogate that tells, and the neuron that has it.

    m = 1 where h(x) != 0 and |h(x)| >= share |h(0)|, else 0        in place of s = 1 where x >= 0, else 0

The marked neuron goes through the same states if it is stepped beside the other; only what it emits differs.
Perez-Nieves and Goodman, NeurIPS 2021 (arXiv 2105.08810), call these neurons active.
"""

import copy
import dataclasses

import jax.numpy as jnp

from .._types import Array
from .base import Neuron
from .surrogate import Surrogate


@dataclasses.dataclass(frozen=True)
class Support(Surrogate):
    """Marks where a surrogate is not 0, or of some height.

    Args:
        of: The surrogate.
        share: Height from which on there is a mark, as a share of that at the threshold.
    """

    of: Surrogate
    share: float = 0.0

    def __call__(self, x: Array) -> Array:
        """1. where a gradient passes, else 0., in the dtype of `x`."""
        height = jnp.abs(self.of.derivative(x))
        least = self.share * jnp.abs(self.of.derivative(jnp.zeros_like(x)))
        return ((height > 0) & (height >= least)).astype(x.dtype)


def marked(neuron: Neuron) -> Neuron | None:
    """A neuron that emits marks where the given one lets a gradient pass; None where nothing is known of it.

    That is: its surrogate is nowhere 0, it emits a state and no spikes, or a `step` of its own does not say what it
    emits.
    """
    if not (is_binary(neuron) and neuron.pointwise and neuron.surrogate.local):
        return None
    return emitting(neuron, Support(neuron.surrogate))


def is_binary(neuron: Neuron) -> bool:
    """Whether all that a neuron emits is known to be 0 or 1."""
    known = all(_emits_surrogate(type(neuron), name) for name in ("step", "fired"))
    return known and neuron.emits == "spikes" and not neuron.precise_times


def emitting(neuron: Neuron, surrogate: Surrogate) -> Neuron:
    """A built neuron with another surrogate; all else is as it was built."""
    neuron = copy.copy(neuron)
    object.__setattr__(neuron, "surrogate", surrogate)  # a module is frozen to its users
    return neuron


def _emits_surrogate(kind: type[Neuron], method: str) -> bool:
    """Whether the class that defines a method says that it emits what the surrogate returns."""
    owner = next(ancestor for ancestor in kind.__mro__ if method in vars(ancestor))
    return vars(owner).get("emits_surrogate", False)
