"""Time: the pure loop, and the host that drives it."""

from .explain import Explanation as Explanation
from .explain import explain as explain
from .run import Run as Run
from .run import run as run
from .simulate import simulate as simulate
