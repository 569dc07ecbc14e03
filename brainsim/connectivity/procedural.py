"""Rules that need no stored synapses: the numbers from which every row of the matrix can be drawn again on its own.

| rule | rows |
|---|---|
| `FixedProbability(p)` | Bernoulli, the same law as where synapses are stored |
| `AllToAll()` | Bernoulli with p = 1 |
| `FixedOutdegree(k)` with multapses | k draws with replacement |

The others tie rows to one another: in `FixedIndegree` the number of synapses onto a neuron says what all rows together
may hold, `FixedTotal` and drawing without replacement likewise.
"""

from typing import NamedTuple

from .rules import AllToAll, FixedOutdegree, FixedProbability, Rule


class RowLaw(NamedTuple):
    """How one row is drawn: each entry with probability `p`, or `degree` entries with replacement (then p is None)."""

    p: float | None
    degree: int
    skip: bool


def row_law(rule: Rule, path: str, *, same: bool) -> RowLaw:
    """The law of the rows of a rule.

    Args:
        rule: Connectivity rule.
        path: Path of the projection, for the message.
        same: Whether pre and post are one population.

    Raises:
        ValueError: Rows of the rule depend on each other.
    """
    if isinstance(rule, FixedProbability):
        return RowLaw(float(rule.p), -1, same and not rule.self_connections)
    if isinstance(rule, AllToAll):
        return RowLaw(1.0, -1, same and not rule.self_connections)
    if isinstance(rule, FixedOutdegree) and rule.multapses:
        return RowLaw(None, int(rule.k), same and not rule.self_connections)
    raise ValueError(
        f'`storage` of {path}: "procedural" draws rows one by one, which {rule!r} does not allow; it takes '
        'FixedProbability, AllToAll and FixedOutdegree(multapses=True). Use storage="csr".'
    )
