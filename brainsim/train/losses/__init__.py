"""Losses of an output over time, `(out, y, mask=None) -> scalar`, means over the batch; and penalties on records.

`out` is (time, batch, n). `mask` says which steps count: the number of steps of each sample (batch,), or an array of 0
and 1 (time, batch); the rest is padding and changes nothing. Options are fixed with `functools.partial`.
"""

from .cross_entropies import ce_count as ce_count
from .cross_entropies import ce_max as ce_max
from .cross_entropies import ce_mean as ce_mean
from .cross_entropies import ce_rate as ce_rate
from .cross_entropies import ce_softmax as ce_softmax
from .cross_entropies import ce_sum as ce_sum
from .cross_entropies import cross_entropy as cross_entropy
from .first_spike import first_spike as first_spike
from .first_spike import mse_first_spike as mse_first_spike
from .population_code import population as population
from .regularise import l1 as l1
from .regularise import l2 as l2
from .regularise import rate as rate
from .spike_times import time_to_first_spike as time_to_first_spike
from .squared_errors import mse as mse
from .squared_errors import mse_count as mse_count
from .squared_errors import mse_membrane as mse_membrane
from .van_rossum import van_rossum as van_rossum
