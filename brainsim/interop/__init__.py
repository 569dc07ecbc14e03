"""Networks from and to the formats that others read."""

from .sonata import load_sonata as load_sonata
from .sonata import simulate_sonata as simulate_sonata
