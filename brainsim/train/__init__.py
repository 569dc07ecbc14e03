"""Training: losses, what may change, and `fit`."""

from . import losses as losses
from . import metrics as metrics
from .constrain import constrain as constrain
from .fit import Fit as Fit
from .fit import TrainState as TrainState
from .fit import fit as fit
from .history import History as History
from .mask import labels as labels
from .mask import mask as mask
