"""What a crossed spike does over time: terminals, kinetics, and the projections that carry them."""

from .alpha import Alpha as Alpha
from .base import Synapse as Synapse
from .connection import Connection as Connection
from .delta import Delta as Delta
from .delta import Relay as Relay
from .dual_exponential import DualExponential as DualExponential
from .exponential import Exponential as Exponential
from .gap_junction import Coupling as Coupling
from .gap_junction import GapJunction as GapJunction
from .nmda import NMDA as NMDA
from .projection import Projection as Projection
from .quantal_release import QuantalRelease as QuantalRelease
from .short_term import ShortTerm as ShortTerm
from .terminal import Terminal as Terminal
