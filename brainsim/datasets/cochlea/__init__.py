"""Sound to spikes as SHD was made: basilar membrane, hair cells, bushy cells."""

from .cochlea import Cochlea as Cochlea
from .hear import hear as hear
