"""What a run shows: results, statistics of spike trains, tables and plots."""

from .mean_field import brunel_rate as brunel_rate
from .mean_field import siegert_rate as siegert_rate
from .result import Result as Result
from .statistics import active_share as active_share
from .statistics import correlation as correlation
from .statistics import fano as fano
from .statistics import isi_cv as isi_cv
from .statistics import local_variation as local_variation
from .statistics import population_rate as population_rate
from .statistics import rates as rates
from .statistics import synchrony as synchrony
