"""Groups of neurons with their own probabilities: stochastic blocks, and clusters as a special case.

    P(i -> j) = p[group of i, group of j],       pairs independent

Clusters keep the mean probability p whatever the ratio R of the one within to the one between Q equal clusters:

    p_out = p Q / (R + Q - 1),      p_in = R p_out

Holland P. W. et al., Soc. Networks 5 (1983) 109; clusters: Litwin-Kumar A., Doiron B., Nat. Neurosci. 15 (2012) 1498,
whose R is 2.5 and whose synapses within a cluster are 1.9 times as strong (`within` says which those are).
"""

import dataclasses
from typing import Any

import numpy as np

from .. import _checks
from .csr import CSR, check_synapse_count
from .rules import PairRule
from .sampling import bernoulli_cells


@dataclasses.dataclass(frozen=True, eq=False)
class BlockProbability(PairRule):
    """Every pair is connected independently with the probability of its pair of groups.

    Args:
        pre: Group of each presynaptic neuron, (n_pre,) from 0.
        post: Group of each postsynaptic neuron, (n_post,) from 0.
        p: Probabilities, (groups of pre, groups of post).

    Raises:
        ValueError: A probability outside [0, 1], a group without a row or column of `p`, or wrong sizes.
    """

    pre: Any
    post: Any
    p: Any

    def __post_init__(self):
        super().__post_init__()
        p = np.asarray(self.p, np.float64)
        if p.ndim != 2:
            raise ValueError(f"`p`: expected a probability for each pair of groups, got shape {p.shape}.")
        _checks.within("p", p, low=0.0, high=1.0)
        object.__setattr__(self, "p", p)
        for name, groups in (("pre", p.shape[0]), ("post", p.shape[1])):
            group = np.asarray(getattr(self, name))
            if group.ndim != 1 or (group.size and group.dtype.kind not in "iu"):
                raise TypeError(f"`{name}`: expected the group of each neuron, got {group.dtype} of {group.shape}.")
            if group.size and not 0 <= group.min() <= group.max() < groups:
                raise ValueError(f"`{name}`: expected groups 0 to {groups - 1}, got {group.min()} to {group.max()}.")
            object.__setattr__(self, name, group.astype(np.int32))

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        for name, n in (("pre", n_pre), ("post", n_post)):
            if getattr(self, name).size != n:
                raise ValueError(f"`{name}`: expected the group of {n} neurons, got {getattr(self, name).size}.")
        sizes = np.outer(
            *(np.bincount(g, minlength=k) for g, k in zip((self.pre, self.post), self.p.shape, strict=True))
        )
        check_synapse_count("p", float((sizes * self.p).sum()))
        found_pre, found_post = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for row, column in np.argwhere((sizes > 0) & (self.p > 0)):
            rows, columns = np.flatnonzero(self.pre == row), np.flatnonzero(self.post == column)
            for cells in bernoulli_cells(rng, rows.size * columns.size, float(self.p[row, column])):
                found_pre.append(rows[cells // columns.size])
                found_post.append(columns[cells % columns.size])
        pre, post = np.concatenate(found_pre), np.concatenate(found_post)
        kept = pre != post if skip else np.ones(pre.size, bool)
        pre, post = pre[kept], post[kept]
        return CSR.of_pairs(pre, post, n_pre, n_post).without_order()


def clusters(n: int, count: int) -> np.ndarray:
    """The cluster of each of `n` neurons: `count` runs of equal length, or one more in the first ones, (n,) int32."""
    if not 1 <= count <= max(n, 1):
        raise ValueError(f"`count`: expected 1 to {n} clusters, got {count}.")
    return (np.arange(n) * count // max(n, 1)).astype(np.int32)


def clustered(n: int, count: int, p: float, ratio: float, *, self_connections: bool = False) -> BlockProbability:
    """Clusters within one population.

    Args:
        n: Neurons.
        count: Clusters Q, neighbouring neurons each.
        p: Mean probability, kept whatever the ratio.
        ratio: R, probability within a cluster over that between two, >= 0.
        self_connections: Whether a neuron may connect to itself.

    Raises:
        ValueError: The ratio asks for a probability above 1.
    """
    _checks.within("p", p, low=0.0, high=1.0)
    _checks.within("ratio", ratio, low=0.0)
    if ratio + count - 1 == 0:
        raise ValueError("`ratio`: one cluster with ratio 0 has no synapses; it must be > 0.")
    outside = p * count / (ratio + count - 1)
    probability = np.where(np.eye(count, dtype=bool), ratio * outside, outside)
    if count == 1:
        probability[:] = p
    if probability.max() > 1:
        raise ValueError(
            f"`ratio` = {ratio:g}: with p = {p:g} and {count} clusters a probability is {probability.max():.3g} > 1."
        )
    group = clusters(n, count)
    return BlockProbability(group, group, probability, self_connections=self_connections)


def within(rule: BlockProbability, pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """Which of the synapses `pre` -> `post` stay within one group, (nnz,) bool; for weights that depend on it."""
    return rule.pre[pre] == rule.post[post]
