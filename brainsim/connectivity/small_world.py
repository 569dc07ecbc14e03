"""Small-world wiring: a ring of neighbours, some of whose connections lead anywhere.

Every neuron is connected with its k nearest neighbours on a ring; each of the n k / 2 connections keeps one end and,
with probability beta, gets a new other end, drawn uniformly without loops and repeats. All stand in both directions.
Clustering falls from C(0) = 3 (k - 2) / (4 (k - 1)) about as C(beta) = C(0) (1 - beta)^3.

Watts D. J., Strogatz S. H., Nature 393 (1998) 440; C(beta): Barrat A., Weigt M., Eur. Phys. J. B 13 (2000) 547, eq. 13.
"""

import dataclasses

import numpy as np

from .. import _checks
from .csr import CSR, check_synapse_count
from .rules import Rule


@dataclasses.dataclass(frozen=True)
class WattsStrogatz(Rule):
    """Small-world wiring within one population.

    Args:
        k: Neighbours of each neuron on the ring, even, < number of neurons - 1.
        beta: Probability that a connection is rewired, in [0, 1].

    Raises:
        ValueError: k is odd or too large, beta is no probability, or pre and post are two populations.
    """

    k: int
    beta: float

    def __post_init__(self):
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer):
            raise TypeError(f"`k`: expected a whole number of neighbours, got {self.k!r}.")
        if self.k < 0 or self.k % 2:
            raise ValueError(f"`k`: expected an even number of neighbours >= 0, got {self.k}.")
        _checks.within("beta", self.beta, low=0.0, high=1.0)

    def connect(self, n_pre: int, n_post: int, *, same: bool, rng: np.random.Generator) -> CSR:
        """The wiring; see `Rule`."""
        if not same or n_pre != n_post:
            raise ValueError(
                f"`WattsStrogatz` is wiring within one population, got {n_pre} -> {n_post} neurons of two."
            )
        if self.k and self.k >= n_pre - 1:
            raise ValueError(
                f"`k` of WattsStrogatz = {self.k}: expected less than {n_pre - 1}, the other neurons less one."
            )
        check_synapse_count("k", n_pre * self.k)
        one = np.repeat(np.arange(n_pre, dtype=np.int64), self.k // 2)
        other = (one + np.tile(np.arange(1, self.k // 2 + 1), n_pre)) % n_pre
        other = _rewired(one, other, rng.random(one.size) < self.beta, n_pre, rng)
        pre, post = np.concatenate([one, other]), np.concatenate([other, one])
        return CSR.of_pairs(pre, post, n_pre, n_post).without_order()


def _rewired(one: np.ndarray, other: np.ndarray, moves: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """The other ends, where those that move are drawn until no connection is a loop or a repeat."""
    other, todo = other.copy(), np.flatnonzero(moves)
    taken = np.sort(_pair(one[~moves], other[~moves], n))
    while todo.size:
        drawn = rng.integers(0, n, todo.size)
        pair = _pair(one[todo], drawn, n)
        first = np.zeros(todo.size, bool)
        first[np.unique(pair, return_index=True)[1]] = True
        good = first & (drawn != one[todo]) & ~np.isin(pair, taken)
        other[todo[good]] = drawn[good]
        taken, todo = np.concatenate([taken, pair[good]]), todo[~good]
    return other


def _pair(one: np.ndarray, other: np.ndarray, n: int) -> np.ndarray:
    """A number for each unordered pair."""
    return np.minimum(one, other) * n + np.maximum(one, other)
