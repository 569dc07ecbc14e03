"""Tripartite wiring: synapses between neurons, some of which an astrocyte of the target's pool takes part in.

    each synapse i -> j of a rule, independently with probability p:  i -> a and a -> j,   a uniform in the pool of j
    pool "random": `pool_size` astrocytes, drawn without replacement for each target
    pool "block":  with n_third = n_post pool_size, target j has astrocytes j pool_size ... (j + 1) pool_size - 1;
                   with pool_size = 1 and n_post = m n_third, targets j m ... (j + 1) m - 1 share astrocyte j

An astrocyte that takes part in several synapses onto one target has that many edges to it. Law and names are those of
NEST's TripartiteConnect with third_factor_bernoulli_with_pool. Jiang H.-J. et al., Modeling neuron-astrocyte
interactions in neural networks using distributed simulation, PLoS Comput. Biol. 21 (2025) e1013503.
"""

from typing import NamedTuple

import numpy as np

from .. import _checks, _streams
from .edge_list import EdgeList
from .rules import Rule
from .sampling import subsets


class Tripartite(NamedTuple):
    """Wiring of three projections.

    Attributes:
        primary: Synapses between neurons.
        third_in: From presynaptic neurons to astrocytes, one edge for each paired synapse.
        third_out: From astrocytes to postsynaptic neurons, in the same order.
        paired: Numbers of the paired synapses in `primary`.
        pools: Astrocytes of each postsynaptic neuron, (n_post, pool_size).
    """

    primary: EdgeList
    third_in: EdgeList
    third_out: EdgeList
    paired: np.ndarray
    pools: np.ndarray


def tripartite(
    rule: Rule,
    n_pre: int,
    n_post: int,
    n_third: int,
    *,
    p: float,
    pool_size: int = 1,
    pool: str = "random",
    same: bool = False,
    seed: int = 0,
) -> Tripartite:
    """Draw the wiring of neurons and astrocytes, for three projections that share it.

    Args:
        rule: Rule of the synapses between neurons.
        n_pre: Presynaptic neurons.
        n_post: Postsynaptic neurons.
        n_third: Astrocytes.
        p: Probability that an astrocyte takes part in a synapse, in [0, 1].
        pool_size: Astrocytes that can reach one postsynaptic neuron.
        pool: "random" or "block".
        same: Whether presynaptic and postsynaptic neurons are one population.
        seed: Seed of everything drawn.

    Raises:
        ValueError: A pool that cannot be had with so many astrocytes.
    """
    _checks.within("p", p, low=0.0, high=1.0)
    rng = _streams.generator(seed, "tripartite")
    csr = rule.connect(n_pre, n_post, same=same, rng=rng)
    pools = _pools(pool, n_post, n_third, pool_size, rng)
    paired = np.flatnonzero(rng.random(csr.nnz) < p)
    chosen = rng.integers(0, pool_size, paired.size)
    pre, post = csr.pre[paired], csr.indices[paired]
    third = pools[post, chosen]
    return Tripartite(
        EdgeList(csr.pre, csr.indices, shape=(n_pre, n_post)),
        EdgeList(pre, third, shape=(n_pre, n_third)),
        EdgeList(third, post, shape=(n_third, n_post)),
        paired,
        pools,
    )


def _pools(pool: str, n_post: int, n_third: int, pool_size: int, rng: np.random.Generator) -> np.ndarray:
    """Astrocytes of each target, (n_post, pool_size)."""
    _checks.choice("pool", pool, ("random", "block"))
    if not 1 <= pool_size <= n_third:
        raise ValueError(f"`pool_size`: expected 1 to n_third = {n_third} astrocytes, got {pool_size}.")
    if pool == "random":
        return subsets(rng, n_post, pool_size, n_third)
    if n_third == n_post * pool_size:
        return np.arange(n_third).reshape(n_post, pool_size)
    if pool_size == 1 and n_post % n_third == 0:
        return np.repeat(np.arange(n_third), n_post // n_third)[:, None]
    raise ValueError(
        f'`pool`: "block" needs n_third = n_post pool_size, or pool_size = 1 and n_post a multiple of n_third; got '
        f"n_post = {n_post}, n_third = {n_third}, pool_size = {pool_size}."
    )
