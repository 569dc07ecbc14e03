"""Spikes that a gradient can cross: the Heaviside step, with a smooth curve in place of its derivative.

    s = 1 where x >= 0, else 0;     ds/dx := h(x),     x = (v - v_th) / (v_th - v_reset)

x is the normalised overdrive: 0 at threshold and -1 at reset, so that one slope means the same in a model of 1 mV and
in one of -50 mV. Neftci, Mostafa and Zenke, IEEE Signal Process. Mag. 36(6) (2019) 51.

    name             h(x)                                     peak      area
    atan             (alpha/2) / (1 + (pi alpha x / 2)^2)     alpha/2   1
    fast_sigmoid     1 / (1 + k |x|)^2                        1         2/k
    triangle         gamma max(0, 1 - |x|)                    gamma     gamma
    sigmoid          k S(k x) S(-k x),  S the logistic        k/4       1
    slayer           (c alpha/2) exp(-alpha |x|)              c alpha/2 c
    straight_through 1                                        1         infinite
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from .._checks import choice, positive
from .._types import Array


class Surrogate:
    """The Heaviside step with a derivative of one's own; frozen and hashable, so that it may be static."""

    @property
    def local(self) -> bool:
        """Whether h is exactly 0 from some distance on, so that gradients cross few spikes."""
        return False

    def derivative(self, x: Array) -> Array:
        """h(x), elementwise, in the dtype of `x`."""
        raise TypeError(f"{type(self).__name__} does not define `derivative`.")

    def __call__(self, x: Array) -> Array:
        """Spikes 0. or 1. of the overdrive `x`, any shape, in the dtype of `x`; at x = 0 there is a spike."""
        return _spike(self, x)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _spike(surrogate: Surrogate, x: Array) -> Array:
    return (x >= 0).astype(x.dtype)


@_spike.defjvp
def _spike_jvp(surrogate: Surrogate, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return _spike(surrogate, x), surrogate.derivative(x) * dx


@dataclasses.dataclass(frozen=True)
class Arctan(Surrogate):
    """Derivative of the arctangent. Fang et al., ICCV 2021; the default of snnTorch.

    Args:
        alpha: Steepness; the peak is alpha/2, the area 1.
    """

    alpha: float = 2.0

    def __post_init__(self):
        positive("alpha", self.alpha)

    def derivative(self, x: Array) -> Array:
        """(alpha/2) / (1 + (pi alpha x / 2)^2)."""
        return (self.alpha / 2) / (1 + jnp.square((jnp.pi * self.alpha / 2) * x))


@dataclasses.dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """Derivative of the fast sigmoid x / (1 + |x|), scaled to peak 1. Zenke and Ganguli, Neural Comput. 30 (2018) 1514.

    Args:
        k: Steepness; the area is 2/k.
    """

    k: float = 25.0

    def __post_init__(self):
        positive("k", self.k)

    def derivative(self, x: Array) -> Array:
        """1 / (1 + k |x|)^2."""
        return 1 / jnp.square(1 + self.k * jnp.abs(x))


@dataclasses.dataclass(frozen=True)
class Triangle(Surrogate):
    """A triangle of base -1..1. Esser et al., PNAS 113 (2016) 11441; gamma = 0.3: Bellec et al., NeurIPS 2018.

    Args:
        gamma: Height and area.
    """

    gamma: float = 0.3

    def __post_init__(self):
        positive("gamma", self.gamma)

    @property
    def local(self) -> bool:
        """0 from |x| = 1 on."""
        return True

    def derivative(self, x: Array) -> Array:
        """gamma max(0, 1 - |x|)."""
        return self.gamma * jnp.maximum(0, 1 - jnp.abs(x))


@dataclasses.dataclass(frozen=True)
class Sigmoid(Surrogate):
    """Derivative of the logistic function S(k x).

    Args:
        k: Steepness; the peak is k/4, the area 1.
    """

    k: float = 25.0

    def __post_init__(self):
        positive("k", self.k)

    def derivative(self, x: Array) -> Array:
        """k S(k x) S(-k x)."""
        return self.k * jax.nn.sigmoid(self.k * x) * jax.nn.sigmoid(-self.k * x)


@dataclasses.dataclass(frozen=True)
class Slayer(Surrogate):
    """A two-sided exponential. Shrestha and Orchard, NeurIPS 2018; defaults as in Baronig et al., Nat. Commun. 2025.

    Args:
        alpha: Steepness.
        c: Area; the peak is c alpha/2.
    """

    alpha: float = 5.0
    c: float = 0.4

    def __post_init__(self):
        positive("alpha", self.alpha)
        positive("c", self.c)

    def derivative(self, x: Array) -> Array:
        """(c alpha/2) exp(-alpha |x|)."""
        return (self.c * self.alpha / 2) * jnp.exp(-self.alpha * jnp.abs(x))


@dataclasses.dataclass(frozen=True)
class StraightThrough(Surrogate):
    """Derivative 1 everywhere. Bengio, Leonard and Courville, arXiv 1308.3432."""

    def derivative(self, x: Array) -> Array:
        """1."""
        return jnp.ones_like(x)


@dataclasses.dataclass(frozen=True)
class Custom(Surrogate):
    """A user's function h(x).

    Args:
        function: Elementwise, of the normalised overdrive.
    """

    function: Callable[[Array], Array]

    def derivative(self, x: Array) -> Array:
        """`function(x)`."""
        return self.function(x)


@dataclasses.dataclass(frozen=True)
class OfVoltage(Surrogate):
    """A surrogate as a function of v - v_th in mV, as other simulators take it.

    With x = (v - v_th) / scale: h(x) = scale inner(scale x), hence ds/dv = inner(v - v_th).

    Args:
        inner: Surrogate whose argument is v - v_th.
        scale: v_th - v_reset of the neuron (mV).
    """

    inner: Surrogate
    scale: float

    def __post_init__(self):
        positive("scale", self.scale, "mV")

    @property
    def local(self) -> bool:
        """Whether `inner` is."""
        return self.inner.local

    def derivative(self, x: Array) -> Array:
        """scale inner(scale x)."""
        return self.scale * self.inner.derivative(self.scale * x)


SURROGATES: dict[str, Surrogate] = {
    "atan": Arctan(),
    "fast_sigmoid": FastSigmoid(),
    "triangle": Triangle(),
    "sigmoid": Sigmoid(),
    "slayer": Slayer(),
    "straight_through": StraightThrough(),
}


def surrogate_of(value: str | Surrogate | Callable[[Array], Array]) -> Surrogate:
    """The surrogate that a name, a `Surrogate` or a function h(x) stands for.

    Raises:
        ValueError: An unknown name.
    """
    if isinstance(value, Surrogate):
        return value
    if callable(value):
        return Custom(value)
    choice("surrogate", value, SURROGATES)
    return SURROGATES[value]
