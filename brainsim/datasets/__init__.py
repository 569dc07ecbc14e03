"""Data sets, their batches, and encodings of numbers as spikes."""

from . import augment as augment
from . import encode as encode
from . import readers as readers
from . import tasks as tasks
from .audio import AudioDataset as AudioDataset
from .cochlea import Cochlea as Cochlea
from .cochlea import hear as hear
from .dense import Dataset as Dataset
from .event_batch import EventBatch as EventBatch
from .event_camera import EventCamera as EventCamera
from .event_camera import saccades as saccades
from .events import EventDataset as EventDataset
from .events import bin_events as bin_events
from .from_tonic import from_tonic as from_tonic
from .load import load as load
from .loader import Loader as Loader
from .loader import split as split
from .prefetch import Prefetch as Prefetch
from .transform import Crop as Crop
from .transform import Denoise as Denoise
from .transform import Pool as Pool
from .transform import Refractory as Refractory
from .transform import Window as Window
