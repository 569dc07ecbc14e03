"""Models and recordings from other tools and for them: NIR, read and written."""

from .convention import ApproximationWarning as ApproximationWarning
from .from_nir import from_nir as from_nir
from .imported import Imported as Imported
from .nir_data import read_nir_data as read_nir_data
from .nir_data import write_nir_data as write_nir_data
from .sonata import load_sonata as load_sonata
from .sonata import simulate_sonata as simulate_sonata
from .to_nir import to_nir as to_nir
