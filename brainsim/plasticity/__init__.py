"""How spikes change weights: rules as pointwise functions, and the projections that learn by them."""

from .astrocyte import AstrocyteSTDP as AstrocyteSTDP
from .base import Plasticity as Plasticity
from .base import Seen as Seen
from .clopath import Clopath as Clopath
from .connection import PlasticConnection as PlasticConnection
from .connection import plastic as plastic
from .reward import RewardSTDP as RewardSTDP
from .rewiring import rewire as rewire
from .scaling import SynapticScaling as SynapticScaling
from .stdp import STDP as STDP
from .triplet import Triplet as Triplet
from .vogels import VogelsSprekeler as VogelsSprekeler
