"""Who talks to whom: wiring drawn on the host, in NumPy, before time starts."""

from .blocks import BlockProbability as BlockProbability
from .blocks import clustered as clustered
from .blocks import clusters as clusters
from .blocks import within as within
from .csr import CSR as CSR
from .edge_list import EdgeList as EdgeList
from .positions import Positions as Positions
from .positions import grid_positions as grid_positions
from .positions import random_positions as random_positions
from .procedural import RowLaw as RowLaw
from .procedural import row_law as row_law
from .rules import AllToAll as AllToAll
from .rules import FixedIndegree as FixedIndegree
from .rules import FixedOutdegree as FixedOutdegree
from .rules import FixedProbability as FixedProbability
from .rules import FixedTotal as FixedTotal
from .rules import OneToOne as OneToOne
from .rules import Rule as Rule
from .small_world import WattsStrogatz as WattsStrogatz
from .spatial import DistanceProbability as DistanceProbability
from .spatial import box as box
from .spatial import exponential as exponential
from .spatial import gaussian as gaussian
