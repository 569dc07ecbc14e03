"""What leaves a run and comes back: what to record, the recorder, result files and checkpoints."""

from .checkpoint import Checkpoint as Checkpoint
from .checkpoint import Saved as Saved
from .checkpoint import load as load
from .checkpoint import save as save
from .memory import Estimate as Estimate
from .memory import available_bytes as available_bytes
from .memory import estimate_bytes as estimate_bytes
from .memory import refuse as refuse
from .recorder import Recorder as Recorder
from .records import DenseRecord as DenseRecord
from .records import HistogramRecord as HistogramRecord
from .records import RateRecord as RateRecord
from .records import Recording as Recording
from .records import SpikeRecord as SpikeRecord
from .records import TraceRecord as TraceRecord
from .spec import Histogram as Histogram
from .spec import Rate as Rate
from .spec import Spec as Spec
from .spec import Spikes as Spikes
from .spec import Trace as Trace
from .spec import expand as expand
from .spec import parse as parse
