"""Training: losses, what may change, and `fit`."""

from . import losses as losses
from . import metrics as metrics
from .constrain import constrain as constrain
from .diagnose import diagnose as diagnose
from .early_stopping import EarlyStopping as EarlyStopping
from .fit import Fit as Fit
from .fit import TrainState as TrainState
from .fit import fit as fit
from .gradients.eventprop_exact import EventDriven as EventDriven
from .gradients.eventprop_exact import Wiring as Wiring
from .history import History as History
from .hlop import hlop as hlop
from .hlop import subspaces as subspaces
from .logging import CSV as CSV
from .logging import TensorBoard as TensorBoard
from .mask import labels as labels
from .mask import mask as mask
from .report import Report as Report
from .subspace import Hebbian as Hebbian
from .subspace import Subspace as Subspace
