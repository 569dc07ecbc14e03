"""Connection rules: who connects to whom, drawn in time proportional to the number of synapses.

| rule | law | multapses (default) | NEST name |
|---|---|---|---|
| `FixedProbability(p)` | each pair independently with probability p | impossible | pairwise_bernoulli |
| `FixedIndegree(k)` | k presynaptic partners for each postsynaptic neuron | allowed | fixed_indegree |
| `FixedOutdegree(k)` | k postsynaptic partners for each presynaptic neuron | allowed | fixed_outdegree |
| `FixedTotal(n)` | n pairs of all | allowed | fixed_total_number |
| `AllToAll()` | every pair once | impossible | all_to_all |
| `OneToOne()` | neuron i to neuron i | impossible | one_to_one |

Multapses are as in NEST 3: allowed by default where the rule can make them, and then partners are drawn with
replacement, else without. What differs from NEST: self-connections (autapses) are off by default, there they are on;
and asking for multapses of a rule that cannot make them is an error, there it is ignored. Self-connections exist only
where `pre` and `post` are one population.

Senk J. et al., Connectivity concepts in neuronal network modeling, PLoS Comput. Biol. 18 (2022) e1010086; defaults from
NEST's page "Connectivity concepts".
"""

import abc
import dataclasses
from typing import ClassVar

import numpy as np

from .. import _checks
from .csr import CSR, check_synapse_count
from .positions import Positions
from .sampling import bernoulli_cells, large_subset, multisets, ragged_multisets, subsets


class Rule(abc.ABC):
    """What decides which neurons of two populations are connected."""

    @abc.abstractmethod
    def connect(self, n_pre: int, n_post: int, *, same: bool, rng: np.random.Generator) -> CSR:
        """The wiring.

        Args:
            n_pre: Presynaptic neurons.
            n_post: Postsynaptic neurons.
            same: Whether `pre` and `post` are one population, so that neuron i to neuron i is a self-connection.
            rng: Stream to draw from; the wiring depends on nothing else.

        Raises:
            ValueError: The rule cannot be met with so many neurons, or makes more than 2^31 - 1 synapses.
        """

    def placed(self, pre: Positions | None, post: Positions | None) -> "Rule":
        """The rule for populations whose neurons are at these positions, if they have any; by default the same."""
        del pre, post
        return self


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairRule(Rule):
    """A rule that treats all pairs of neurons alike.

    Args:
        self_connections: Whether a neuron may connect to itself, where `pre` and `post` are one population.
        multapses: Whether a pair may be connected more than once.
    """

    self_connections: bool = False
    multapses: bool = False
    can_repeat: ClassVar[bool] = False

    def __post_init__(self):
        if self.multapses and not self.can_repeat:
            raise ValueError(f"`multapses`: {type(self).__name__} connects a pair at most once; leave it False.")

    def connect(self, n_pre: int, n_post: int, *, same: bool, rng: np.random.Generator) -> CSR:
        """The wiring; see `Rule`."""
        if same and n_pre != n_post:
            raise ValueError(f"`same`: one population, but n_pre = {n_pre} and n_post = {n_post}.")
        return self._draw(n_pre, n_post, same and not self.self_connections, rng)

    @abc.abstractmethod
    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        """The wiring; `skip` leaves out the pairs (i, i)."""


@dataclasses.dataclass(frozen=True)
class FixedProbability(PairRule):
    """Every pair is connected independently with probability `p` (Bernoulli): binomial degrees, no multapses.

    Args:
        p: Probability in [0, 1].
    """

    p: float

    def __post_init__(self):
        super().__post_init__()
        _checks.within("p", self.p, low=0.0, high=1.0)

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        width = n_post - skip
        check_synapse_count("p", n_pre * width * self.p)
        outdegree = np.zeros(n_pre, np.int64)
        blocks = [np.empty(0, np.int32)]
        for cells in bernoulli_cells(rng, max(n_pre * width, 0), float(self.p)):
            pre, post = _pairs(cells, width, skip)
            blocks.append(post)
            if pre.size:  # the last block may be empty
                outdegree[pre[0] : pre[-1] + 1] += np.bincount(pre - pre[0])
        return CSR(_offsets(outdegree), np.concatenate(blocks), n_pre, n_post)


@dataclasses.dataclass(frozen=True)
class FixedDegree(PairRule):
    """Base of the rules by which every neuron of one side has the same number of synapses, `k`."""

    k: int
    multapses: bool = dataclasses.field(default=True, kw_only=True)
    can_repeat: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        _check_count("k", self.k)


@dataclasses.dataclass(frozen=True)
class FixedOutdegree(FixedDegree):
    """Every presynaptic neuron makes exactly `k` synapses, with uniformly drawn targets.

    Args:
        k: Synapses of each presynaptic neuron, >= 0.
        multapses: Draw with replacement (the default, as in NEST), else without.
    """

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        return _fixed_degree(self, self.k, n_pre, n_post, skip, rng)


@dataclasses.dataclass(frozen=True)
class FixedIndegree(FixedDegree):
    """Every postsynaptic neuron receives exactly `k` synapses, from uniformly drawn presynaptic neurons.

    Args:
        k: Synapses of each postsynaptic neuron, >= 0.
        multapses: Draw with replacement (the default, as in NEST), else without.
    """

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        seen_from_post = _fixed_degree(self, self.k, n_post, n_pre, skip, rng)
        return seen_from_post.transpose().without_order()


@dataclasses.dataclass(frozen=True)
class FixedTotal(PairRule):
    """Exactly `n` synapses, uniformly drawn among all pairs.

    Args:
        n: Synapses of the whole projection, >= 0.
        multapses: Draw pairs with replacement (the default, as in NEST), else without.
    """

    n: int
    multapses: bool = dataclasses.field(default=True, kw_only=True)
    can_repeat: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        _check_count("n", self.n)

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        width = n_post - skip
        check_synapse_count("n", self.n)
        _check_fits("n", self, self.n, max(n_pre * width, 0), "pairs of neurons")
        if not self.multapses or self.n == 0:
            pre, post = _pairs(large_subset(rng, self.n, n_pre * width), width, skip)
            return CSR(_offsets(np.bincount(pre, minlength=n_pre)), post, n_pre, n_post)
        outdegree = rng.multinomial(self.n, np.full(n_pre, 1.0 / n_pre))
        post = ragged_multisets(rng, outdegree, width)
        if skip:
            post += post >= np.repeat(np.arange(n_pre, dtype=np.int32), outdegree)
        return CSR(_offsets(outdegree), post, n_pre, n_post)


@dataclasses.dataclass(frozen=True)
class AllToAll(PairRule):
    """Every presynaptic neuron connects once to every postsynaptic neuron."""

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        width = max(n_post - skip, 0)
        check_synapse_count("AllToAll", n_pre * width)
        targets = np.broadcast_to(np.arange(width, dtype=np.int32), (n_pre, width))
        targets = targets + _shift(targets, np.arange(n_pre), skip)
        return CSR(np.arange(n_pre + 1) * width, targets.ravel(), n_pre, n_post)


@dataclasses.dataclass(frozen=True)
class OneToOne(PairRule):
    """Neuron i connects to neuron i; within one population these are self-connections and must be asked for."""

    def _draw(self, n_pre: int, n_post: int, skip: bool, rng: np.random.Generator) -> CSR:
        if n_pre != n_post:
            raise ValueError(f"`OneToOne`: expected as many neurons on both sides, got {n_pre} and {n_post}.")
        if skip:
            raise ValueError("`OneToOne` within one population makes only self-connections: `self_connections=True`.")
        return CSR(np.arange(n_pre + 1), np.arange(n_pre), n_pre, n_post)


def _fixed_degree(rule: PairRule, k: int, n_from: int, n_to: int, skip: bool, rng: np.random.Generator) -> CSR:
    width = n_to - skip
    check_synapse_count("k", n_from * k)
    _check_fits("k", rule, k if n_from else 0, max(width, 0), "possible partners")
    draw = multisets if rule.multapses else subsets
    partners = draw(rng, n_from, k, width)
    partners += _shift(partners, np.arange(n_from), skip)
    return CSR(np.arange(n_from + 1) * k, partners.ravel(), n_from, n_to)


def _pairs(cells: np.ndarray, width: int, skip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Neurons (pre int64, post int32) of cells numbered row by row, `width` to a row."""
    if cells.size == 0:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    pre = cells // width
    post = cells - pre * width
    if skip:
        post += post >= pre
    return pre, post.astype(np.int32)


def _shift(cells: np.ndarray, row: np.ndarray, skip: bool) -> np.ndarray | int:
    """What makes the cells of each row jump over the diagonal: 1 from there on."""
    return cells >= row[:, None] if skip else 0


def _offsets(degree: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(degree, dtype=np.int64)])


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}`: expected a whole number of synapses, got {value!r}.")
    if value < 0:
        raise ValueError(f"`{name}` must be >= 0, got {value}.")


def _check_fits(name: str, rule: PairRule, wanted: int, available: int, what: str) -> None:
    if wanted > available and (available == 0 or not rule.multapses):
        remedy = "" if available == 0 else "; `multapses=True` lets them repeat"
        raise ValueError(f"`{name}` of {type(rule).__name__} = {wanted}, but there are {available} {what}{remedy}.")
