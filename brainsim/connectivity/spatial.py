"""Connections by distance: neurons i and j are connected independently with probability p(d_ij), d in um.

| kernel | p(d) |
|---|---|
| `gaussian(p_max, sigma)` | p_max exp(-d^2 / (2 sigma^2)) |
| `exponential(p_max, length)` | p_max exp(-d / length) |
| `box(p, radius)` | p where d <= radius, else 0 |

Any function of d is a kernel too. Names as in NEST's `spatial_distributions`; Senk J. et al., PLoS Comput. Biol. 18
(2022) e1010086.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from .. import _checks, units
from .csr import CSR, check_synapse_count
from .positions import Positions
from .rules import PairRule

_BLOCK = 1 << 22  # pairs of neurons at a time

Kernel = Callable[[np.ndarray], np.ndarray]


def gaussian(p_max: float, sigma: Any) -> Kernel:
    """The kernel p_max exp(-d^2 / (2 sigma^2)); `sigma` in um."""
    p_max, sigma = _parameters(p_max, "sigma", sigma)
    return lambda d: p_max * np.exp(-((d / sigma) ** 2) / 2)


def exponential(p_max: float, length: Any) -> Kernel:
    """The kernel p_max exp(-d / length); `length` in um."""
    p_max, length = _parameters(p_max, "length", length)
    return lambda d: p_max * np.exp(-d / length)


def box(p: float, radius: Any) -> Kernel:
    """The kernel that is p up to `radius` (um), and 0 beyond."""
    p, radius = _parameters(p, "radius", radius)
    return lambda d: np.where(d <= radius, p, 0.0)


@dataclasses.dataclass(frozen=True)
class DistanceProbability(PairRule):
    """Every pair is connected independently with a probability that depends on its distance.

    Both populations need `positions`. Without a cutoff all pairs are looked at, in blocks; with one only those of
    neighbours, found in a k-d tree.

    Args:
        kernel: `f(d)`, distances in um to probabilities in [0, 1], such as `gaussian(0.3, 100 * um)`.
        cutoff: Distance (um) beyond which nothing is connected, whatever the kernel says; None: no such distance.

    Raises:
        ValueError: A probability outside [0, 1], or populations without positions in one space.
    """

    kernel: Kernel
    cutoff: Any = None

    def __post_init__(self):
        super().__post_init__()
        if not callable(self.kernel):
            raise TypeError(f"`kernel`: expected a function of the distance, got {self.kernel!r}.")
        if self.cutoff is not None:
            cutoff = float(units.strip("cutoff", self.cutoff, "um"))
            _checks.positive("cutoff", cutoff, "um")
            object.__setattr__(self, "cutoff", cutoff)

    def placed(self, pre: Positions | None, post: Positions | None) -> "Placed":
        """The rule for populations whose neurons are at these positions."""
        if pre is None or post is None:
            raise ValueError("`positions`: DistanceProbability needs the positions of both populations.")
        return Placed(self, pre, post)

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        raise ValueError("`positions`: DistanceProbability needs the positions of both populations.")


@dataclasses.dataclass(frozen=True, eq=False)
class Placed(PairRule):
    """`DistanceProbability` between neurons whose positions are known."""

    rule: DistanceProbability
    pre: Positions
    post: Positions

    def connect(self, n_pre: int, n_post: int, *, same: bool, rng: np.random.Generator) -> CSR:
        """The wiring; see `Rule`."""
        for name, positions, n in (("pre", self.pre, n_pre), ("post", self.post, n_post)):
            if len(positions) != n:
                raise ValueError(f"`positions` of {name}: expected {n} neurons, got {len(positions)}.")
        return self._draw(n_pre, n_post, same and not self.rule.self_connections, rng)

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        found_pre, found_post = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for pre, post in self._pairs(n_pre, n_post):
            distance = self.pre.distance(self.post, pre, post)
            p = np.asarray(self.rule.kernel(distance), np.float64)
            if p.shape != distance.shape:
                raise ValueError(f"`kernel`: expected {distance.shape} probabilities, got shape {p.shape}.")
            _check_probability(p, distance)
            chosen = (rng.random(p.size) < p) & ~(skip & (pre == post))
            found_pre.append(pre[chosen])
            found_post.append(post[chosen])
        pre, post = np.concatenate(found_pre), np.concatenate(found_post)
        check_synapse_count("kernel", pre.size)
        return CSR.of_pairs(pre, post, n_pre, n_post).without_order()

    def _pairs(self, n_pre: int, n_post: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs of neurons that may be connected, in blocks of rows."""
        rows = max(1, _BLOCK // max(n_post, 1))
        tree = None if self.rule.cutoff is None else self._tree(self.post)
        for begin in range(0, n_pre, rows):
            block = np.arange(begin, min(begin + rows, n_pre))
            if tree is None:
                yield np.repeat(block, n_post), np.tile(np.arange(n_post), block.size)
                continue
            near = tree.query_ball_point(self._wrapped(self.pre)[block], self.rule.cutoff, return_sorted=True)
            counts = np.fromiter(map(len, near), np.int64, len(near))
            yield np.repeat(block, counts), np.concatenate([np.empty(0, np.int64), *near]).astype(np.int64)

    def _tree(self, positions: Positions) -> KDTree:
        return KDTree(self._wrapped(positions), boxsize=positions.period)

    @staticmethod
    def _wrapped(positions: Positions) -> np.ndarray:
        points = positions.coordinates
        return points if positions.period is None else points % np.asarray(positions.period)


def _check_probability(p: np.ndarray, distance: np.ndarray) -> None:
    wrong = ~((p >= 0) & (p <= 1))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"`kernel`: expected probabilities in [0, 1], got {p[at]:g} at {distance[at]:g} um.")


def _parameters(p: float, name: str, length: Any) -> tuple[float, float]:
    length = float(units.strip(name, length, "um"))
    _checks.within("p", p, low=0.0, high=1.0)
    _checks.positive(name, length, "um")
    return float(p), length
