"""What a crossed spike does over time: kinetics, and the projections that carry them."""

from .base import Synapse as Synapse
from .connection import Connection as Connection
from .delta import Delta as Delta
from .delta import Relay as Relay
from .exponential import Exponential as Exponential
from .projection import Projection as Projection
