"""Synapses that are drawn again at every event instead of being stored: `storage="procedural"`.

    w = mean + spread x,    |x| <= reach of the law (1/2 uniform, 5.77 normal: where the tails of 24-bit draws end)

The mean is the projection's `weight`, which training may change; the spread is fixed.
"""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .. import values
from .._types import Array
from ..connectivity.procedural import row_law
from ..connectivity.rules import Rule
from ..operators import Rows, procedural_edges, procedural_push
from ..operators.procedural import key_words

REACH = {"constant": 0.0, "uniform": 0.5, "normal": math.sqrt(48 * math.log(2))}


class Regenerated(eqx.Module):
    """A matrix by its key.

    Attributes:
        key: Four words, uint32.
        rows: How each row is drawn.
        spread: Width of a uniform law, standard deviation of a normal one (unit of the weight).
    """

    key: Array
    rows: Rows = eqx.field(static=True)
    spread: float = eqx.field(static=True)

    @property
    def n_synapses(self) -> int:
        """Number of synapses; of a Bernoulli rule the expected one, for counting would mean to draw all of them."""
        return round(self.rows.n_pre * self.rows.mean)

    @property
    def reach(self) -> float:
        """How far a weight may lie from the mean."""
        return REACH[self.rows.law] * self.spread

    def push(self, total: Array, weight: Array, emitted: Array, delay: int = 0, step: Array | None = None) -> Array:
        """Add what `emitted` brings to sums, or to the slots of a ring."""
        both = jnp.stack([weight, jnp.asarray(self.spread, weight.dtype)])
        return procedural_push(total, both, self.key, emitted, self.rows, delay=delay, step=step)

    def edges(self, weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every synapse: neurons (nnz,) and weight (nnz,), row by row."""
        pre, post, x = procedural_edges(self.key, self.rows)
        mean = np.asarray(weight)
        return pre, post, mean + mean.dtype.type(self.spread) * x.astype(mean.dtype)


def regenerated(
    path: str, rule: Rule, weight: Any, unit: str, n_pre: int, n_post: int, *, same: bool, seed: int
) -> tuple[Regenerated, float]:
    """The matrix of a rule and a law of weights, and the mean weight.

    Args:
        path: Path of the projection.
        rule: Connectivity rule.
        weight: Value slot without units.
        unit: Base unit of the weight.
        n_pre: Presynaptic neurons.
        n_post: Postsynaptic neurons.
        same: Whether pre and post are one population.
        seed: Seed of the network.

    Raises:
        ValueError: The rule or the law of weights cannot be drawn synapse by synapse.
    """
    law = row_law(rule, path, same=same)
    kind, mean, spread = _weight_law(path, weight, unit)
    rows = Rows(n_pre, n_post, law.p, law.degree, law.skip, kind)
    return Regenerated(jnp.asarray(key_words(seed, f"{path}.wiring")), rows, spread), mean


def _weight_law(path: str, weight: Any, unit: str) -> tuple[str, float, float]:
    """Law, mean and spread."""
    if isinstance(weight, values.Uniform):
        return "uniform", float(weight.low + weight.high) / 2, float(weight.high - weight.low)
    if isinstance(weight, values.Normal):
        reach = REACH["normal"] * weight.std
        for name, bound, gap in (("low", weight.low, -1), ("high", weight.high, 1)):
            if bound is not None and gap * (bound - weight.mean) < reach:
                raise ValueError(
                    f'`weight` of {path}: `storage="procedural"` draws a normal law up to {REACH["normal"]:.2f} '
                    f"standard deviations and cannot cut it at `{name}` = {bound:g} {unit}; use Uniform, or "
                    'storage="csr".'
                )
        return "normal", float(weight.mean), float(weight.std)
    if isinstance(weight, values.Distribution) or callable(weight) or np.ndim(weight) != 0:
        raise ValueError(
            f'`weight` of {path}: `storage="procedural"` takes one number, Uniform or Normal, got {weight!r}; use '
            'storage="csr".'
        )
    return "constant", float(weight), 0.0
