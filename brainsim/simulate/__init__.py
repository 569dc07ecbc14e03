"""Time: the pure loop, and the host that drives it."""

from .run import Run as Run
from .run import run as run
from .simulate import simulate as simulate
