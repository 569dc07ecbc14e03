"""Time: the pure loop, and the host that drives it."""

from .explain import explain as explain
from .explanation import Explanation as Explanation
from .run import Run as Run
from .run import run as run
from .simulate import simulate as simulate
from .sweep import Scale as Scale
from .sweep import sweep as sweep
