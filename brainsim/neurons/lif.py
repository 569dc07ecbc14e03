"""Leaky integrate-and-fire neuron.

    tau_mem dv/dt = -(v - v_rest) + R (i_bias + I + sum g (e_rev - v))
    spike where v >= v_th; then v = v_reset, and v stays there for t_ref

Units: ms, mV, pA, nS, GOhm, pF. The step is exact for currents held over the step and for exponentially decaying ones
(Rotter and Diesmann, Biol. Cybern. 81 (1999) 381), and exponential Euler for conductances.
"""

from typing import Any, ClassVar

from .._types import Array, Drive, State, Value
from .leaky import LeakyNeuron
from .presets import preset, time_constant


class LIF(LeakyNeuron):
    """Leaky integrate-and-fire neuron, `tau_mem dv/dt = -(v - v_rest) + r_mem i(v)`.

    In one step: integrate, add jumps, test v >= v_th, reset.

    Args:
        tau_mem: Membrane time constant (ms), > 0; default 20.
        v_th: Threshold (mV); 1 by default, but to be given where `v_rest` or `v_reset` is not 0.
        v_reset: Voltage after a spike (mV), below `v_th`; default 0.
        v_rest: Resting voltage (mV), where the neuron starts; default 0.
        t_ref: Absolute refractory time (ms), a multiple of dt; default 0.
        r_mem: Membrane resistance (GOhm); default 1.
        c_mem: Membrane capacitance (pF) in place of `r_mem`, which is then tau_mem / c_mem.
        i_bias: Constant current (pA); default 0.
        reset: "value" (v = v_reset), "subtract" (v falls by v_th - v_reset) or "none".
        surrogate: See `Neuron`.
        detach_reset: Whether no gradient crosses the reset.
        integrator: "exact", or one of those of `Neuron`.
        trainable: Names of the parameters that train.

    Raises:
        ValueError: A value of the wrong unit or out of bounds; `v_th` left out in a model that is not normalised; both
            `r_mem` and `c_mem`.
    """

    states: ClassVar[dict[str, Value]] = {"v": "v_rest"}

    @classmethod
    def like(cls, simulator: str, **names: Any) -> "LIF":
        """The neuron of another simulator, from that simulator's own argument names; see `presets`.

        Args:
            simulator: "snntorch" (Leaky), "spikingjelly" (LIFNode), "norse" (LIFBox) or "nest" (iaf_psc_delta and
                iaf_psc_exp).
            names: Its arguments; those not given have its defaults.

        Raises:
            ValueError: An argument it does not have, or one whose effect this neuron cannot reproduce.
        """
        return cls(**preset(simulator, names))

    @classmethod
    def from_beta(cls, beta: Value, dt: Any, **options: Any) -> "LIF":
        """A neuron whose voltage falls by the factor `beta` in each step of `dt`: tau_mem = -dt / ln(beta).

        Args:
            beta: Decay per step, in (0, 1); a number or an array.
            dt: Step (ms).
            options: Other arguments of `LIF`.
        """
        return cls(time_constant(beta, dt), **options)

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """v after `dt` in closed form."""
        return dict(v=self.relaxed(s.v, drive, dt))

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation."""
        return dict(v=self.slope(s.v, i))

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - v_reset)."""
        return self.distance(s.v, self.v_th)

    def after_spike(self, s: State) -> dict[str, Array]:
        """v after the reset."""
        return dict(v=self.fallen(s.v))
