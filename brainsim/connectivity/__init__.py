"""Who talks to whom: wiring drawn on the host, in NumPy, before time starts."""

from .csr import CSR as CSR
from .edge_list import EdgeList as EdgeList
from .rules import AllToAll as AllToAll
from .rules import FixedIndegree as FixedIndegree
from .rules import FixedOutdegree as FixedOutdegree
from .rules import FixedProbability as FixedProbability
from .rules import FixedTotal as FixedTotal
from .rules import OneToOne as OneToOne
from .rules import Rule as Rule
from .tripartite import Tripartite as Tripartite
from .tripartite import tripartite as tripartite
