"""brainsim: a differentiable simulator of spiking networks.

One network object is simulated and then trained; a neuron is one `jnp` function of one step. Base units are ms, mV, pA,
nS, pF, GOhm and Hz; axes are (time, [batch], neurons).
"""

from importlib import metadata

from . import _allocator as _allocator  # before JAX starts its threads
from . import analysis as analysis
from . import connectivity as connectivity
from . import datasets as datasets
from . import interop as interop
from . import neurons as neurons
from . import operators as operators
from . import plasticity as plasticity
from . import synapses as synapses
from . import units as units
from ._params import param as param
from .analysis import Result as Result
from .analysis import metrics as metrics
from .connectivity import AllToAll as AllToAll
from .connectivity import EdgeList as EdgeList
from .connectivity import FixedIndegree as FixedIndegree
from .connectivity import FixedProbability as FixedProbability
from .connectivity import OneToOne as OneToOne
from .interop import from_nir as from_nir
from .interop import to_nir as to_nir
from .networks import OU as OU
from .networks import Network as Network
from .networks import Population as Population
from .networks import Sequential as Sequential
from .networks import TimedArray as TimedArray
from .networks import absorb as absorb
from .networks import ei_init as ei_init
from .networks import inference_mode as inference_mode
from .networks import layers as layers
from .networks import replace as replace
from .networks.layers import Conv2d as Conv2d
from .networks.layers import EIConv2d as EIConv2d
from .networks.layers import EILinear as EILinear
from .networks.layers import Linear as Linear
from .networks.layers import Recurrent as Recurrent
from .neurons import LI as LI
from .neurons import LIF as LIF
from .neurons import AdaptiveLIF as AdaptiveLIF
from .neurons import Astrocyte as Astrocyte
from .neurons import CubaLIF as CubaLIF
from .neurons import Input as Input
from .neurons import Neuron as Neuron
from .neurons import Poisson as Poisson
from .neurons import SpikeTimes as SpikeTimes
from .neurons import UltraLIF as UltraLIF
from .plasticity import STDP as STDP
from .plasticity import Plasticity as Plasticity
from .recording import Histogram as Histogram
from .recording import Rate as Rate
from .recording import Spikes as Spikes
from .recording import Trace as Trace
from .recording import load as load
from .recording import save as save
from .simulate import Run as Run
from .simulate import Scale as Scale
from .simulate import explain as explain
from .simulate import run as run
from .simulate import simulate as simulate
from .simulate import sweep as sweep
from .synapses import NMDA as NMDA
from .synapses import Alpha as Alpha
from .synapses import Delta as Delta
from .synapses import DualExponential as DualExponential
from .synapses import Exponential as Exponential
from .synapses import Projection as Projection
from .train import constrain as constrain
from .train import diagnose as diagnose
from .train import fit as fit
from .train import labels as labels
from .train import losses as losses
from .train import mask as mask
from .values import ByDistance as ByDistance
from .values import LogNormal as LogNormal
from .values import Normal as Normal
from .values import Uniform as Uniform

__version__ = metadata.version("brainsim")
