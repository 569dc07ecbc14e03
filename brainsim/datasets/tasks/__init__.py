"""Tasks made here from a seed, without a download: the same samples in every program."""

from .adding import adding as adding
from .cue_accumulation import cue_accumulation as cue_accumulation
from .delayed_match import delayed_match as delayed_match
from .randman import randman as randman
from .spike_patterns import spike_patterns as spike_patterns
