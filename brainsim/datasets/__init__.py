"""Data sets, their batches, and encodings of numbers as spikes."""

from . import augment as augment
from . import encode as encode
from .dense import Dataset as Dataset
from .events import EventDataset as EventDataset
from .events import bin_events as bin_events
from .load import load as load
from .loader import Loader as Loader
from .loader import split as split
