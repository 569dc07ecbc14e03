"""Populations and projections composed into networks, and layers composed into sequences."""

from . import layers as layers
from .absorb import absorb as absorb
from .ei_init import ei_init as ei_init
from .inference_mode import inference_mode as inference_mode
from .network import Network as Network
from .population import Population as Population
from .power_law_noise import PowerLawNoise as PowerLawNoise
from .reader import Reader as Reader
from .replace import replace as replace
from .sequential import Sequential as Sequential
from .stimuli import OU as OU
from .stimuli import Constant as Constant
from .stimuli import Function as Function
from .stimuli import Moment as Moment
from .stimuli import Signal as Signal
from .stimuli import TimedArray as TimedArray
from .stimuli import as_signal as as_signal
from .waveforms import Ramp as Ramp
from .waveforms import Sine as Sine
from .waveforms import Steps as Steps
