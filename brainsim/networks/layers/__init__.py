"""Layers of a `Sequential`."""

from .base import Layer as Layer
from .cell import Cell as Cell
from .flatten import Flatten as Flatten
from .linear import Linear as Linear
from .recurrent import Recurrent as Recurrent
