"""What a filtered spike is at the membrane: a current, or a conductance with a reversal potential.

e_rev None:   I = x,              weight in pA, of either sign
e_rev given:  I = x (e_rev - v),  weight in nS, >= 0, with x held over the step
"""

from .._types import Array, Drive, State
from .base import Synapse


class Filtered(Synapse):
    """A synapse whose kinetics are linear: a current where `e_rev` is None, else a conductance."""

    @property
    def reversal(self) -> Array | None:
        """Reversal potential (mV), or None for a current."""
        raise TypeError(f"{type(self).__name__} does not define `reversal`.")

    @property
    def acting(self) -> str:
        """The state field that acts on the membrane: `g` for a conductance, `i` for a current."""
        return "i" if self.reversal is None else "g"

    @property
    def weight_unit(self) -> str:
        """Picoampere for a current, nanosiemens for a conductance."""
        return "pA" if self.reversal is None else "nS"

    @property
    def weight_low(self) -> float | None:
        """A conductance is never negative."""
        return None if self.reversal is None else 0.0

    def drive(self, state: State, v: Array | None = None) -> Drive:
        """The current as it goes on within the step, or conductance and g * e_rev held over the step."""
        e_rev = self.reversal
        return self.current(state) if e_rev is None else Drive(conductance=state.g, reversal=state.g * e_rev)

    def current(self, state: State) -> Drive:
        """The current (pA) from the start of the step on, in closed form."""
        raise TypeError(f"{type(self).__name__} does not define `current`.")
