"""What a run shows: results, statistics of spike trains, spectra, avalanches, tables, plots and reports."""

from .avalanches import avalanches as avalanches
from .avalanches import power_law as power_law
from .branching import branching_ratio as branching_ratio
from .branching import mr_estimator as mr_estimator
from .branching import wired_branching as wired_branching
from .correlation import correlation as correlation
from .correlation import cross_correlogram as cross_correlogram
from .correlation import pairwise_correlations as pairwise_correlations
from .distance import golomb_chi as golomb_chi
from .distance import van_rossum_distance as van_rossum_distance
from .lfp import lfp as lfp
from .result import Result as Result
from .spectrum import aperiodic as aperiodic
from .spectrum import psd as psd
from .statistics import active_share as active_share
from .statistics import activity as activity
from .statistics import fano as fano
from .statistics import isi_cv as isi_cv
from .statistics import isi_cv2 as isi_cv2
from .statistics import local_variation as local_variation
from .statistics import population_rate as population_rate
from .statistics import rates as rates
from .statistics import synchrony as synchrony
from .sweep_table import SweepTable as SweepTable
