"""What a population does with its drive: neurons, readouts, astrocytes, surrogates and sources."""

from .._params import Param as Param
from .._params import param as param
from .adaptive_lif import AdaptiveLIF as AdaptiveLIF
from .astrocyte import Astrocyte as Astrocyte
from .base import Neuron as Neuron
from .li import LI as LI
from .lif import LIF as LIF
from .sources import Input as Input
from .sources import Poisson as Poisson
from .sources import Source as Source
from .sources import SpikeTimes as SpikeTimes
from .surrogate import Arctan as Arctan
from .surrogate import Custom as Custom
from .surrogate import FastSigmoid as FastSigmoid
from .surrogate import OfVoltage as OfVoltage
from .surrogate import Sigmoid as Sigmoid
from .surrogate import StraightThrough as StraightThrough
from .surrogate import Surrogate as Surrogate
from .surrogate import Triangle as Triangle
from .ultralif import UltraLIF as UltraLIF
