"""Value slots: number | quantity | array | distribution | `f(key, context)`, the same five for every parameter.

A distribution is drawn when a network is built (parameters, weights, delays) or by `init_state` (initial values), from
a stream named by the slot's path. Quantities are stripped to the slot's base unit.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax.core import Tracer

from . import units
from ._types import Array, Context


class Distribution:
    """A law that a value slot is drawn from; its arguments all carry a unit, or none does (0 needs none)."""

    def __post_init__(self):
        given = {name: value for name, value in vars(self).items() if value is not None}
        bare = [name for name, value in given.items() if not units.is_quantity(value) and value != 0]
        if bare and any(units.is_quantity(value) for value in given.values()):
            raise ValueError(f"`{bare[0]}` of {self} has no unit, but another argument has one.")

    def stripped(self, name: str, unit: str) -> "Distribution":
        """The same law with plain numbers in the base unit `unit`."""
        raise TypeError(f"`{name}`: {type(self).__name__} does not define `stripped`.")

    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Independent draws, of which only the first may be taken; parameters must be plain numbers already."""
        raise TypeError(f"{type(self).__name__} does not define `sample`.")


def _strip_all(law: Any, name: str, unit: str) -> Any:
    given = {field.name: getattr(law, field.name) for field in dataclasses.fields(law)}
    return type(law)(**{key: units.strip(name, value, unit) for key, value in given.items() if value is not None})


@dataclasses.dataclass(frozen=True)
class Normal(Distribution):
    """Normal law, truncated to [low, high] where these are given (the law of redrawing until inside, as NEST does).

    Args:
        mean: Mean before truncation.
        std: Standard deviation before truncation, >= 0, with a unit where `mean` has one.
        low: Lower bound or None.
        high: Upper bound or None.
    """

    mean: Any
    std: Any
    low: Any = None
    high: Any = None

    def stripped(self, name: str, unit: str) -> "Normal":
        """The same law in plain numbers; raises where `std` < 0 or no probability lies between the bounds."""
        law = _strip_all(self, name, unit)
        if law.std < 0:
            raise ValueError(f"`{name}`: `std` of Normal must be >= 0, got {law.std:g}.")
        if law.low is not None and law.high is not None and law.low >= law.high:
            raise ValueError(f"`{name}`: `low` of Normal must be < `high`, got {law.low:g} and {law.high:g}.")
        return law

    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Draws of shape `shape`."""
        if self.low is None and self.high is None:
            return self.mean + self.std * jax.random.normal(key, shape, dtype)
        scale = self.std if self.std else 1.0
        reach = math.sqrt(2) * float(scipy.special.erfinv(np.nextafter(np.dtype(dtype).type(1), 0).astype(float)))
        low = -math.inf if self.low is None else (self.low - self.mean) / scale
        high = math.inf if self.high is None else (self.high - self.mean) / scale
        # beyond `reach` (5.4 in float32) erf is 1, and its inverse infinite: one draw in 2^24 would be
        low, high = max(low, min(-reach, high - 1)), min(high, max(reach, low + 1))
        draw = self.mean + self.std * jax.random.truncated_normal(key, low, high, shape, dtype)
        return jnp.clip(draw, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class LogNormal(Distribution):
    """Log-normal law, given by the mean and standard deviation of the variable itself, not of its logarithm.

        sigma^2 = log(1 + (std / mean)^2),   mu = log(mean) - sigma^2 / 2

    Args:
        mean: Mean of the variable, > 0.
        std: Standard deviation of the variable, >= 0.
    """

    mean: Any
    std: Any

    def stripped(self, name: str, unit: str) -> "LogNormal":
        """The same law in plain numbers; raises where `mean` <= 0 or `std` < 0."""
        law = _strip_all(self, name, unit)
        if law.mean <= 0 or law.std < 0:
            raise ValueError(
                f"`{name}`: LogNormal needs `mean` > 0 and `std` >= 0 (of the variable, not of its logarithm), "
                f"got {law.mean:g} and {law.std:g}."
            )
        return law

    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Draws of shape `shape`."""
        variance = np.log1p((self.std / self.mean) ** 2)
        normal = jax.random.normal(key, shape, dtype)
        return jnp.exp(float(np.log(self.mean) - variance / 2) + float(np.sqrt(variance)) * normal)


@dataclasses.dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform law on [low, high)."""

    low: Any
    high: Any

    def stripped(self, name: str, unit: str) -> "Uniform":
        """The same law in plain numbers; raises where `low` > `high`."""
        law = _strip_all(self, name, unit)
        if law.low > law.high:
            raise ValueError(f"`{name}`: `low` of Uniform must be <= `high`, got {law.low:g} and {law.high:g}.")
        return law

    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Draws of shape `shape`."""
        return jax.random.uniform(key, shape, dtype, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class ByDistance:
    """A weight or delay that depends on the length of the synapse; both populations need positions.

    Args:
        function: `f(d)`, distances in um `(nnz,)` to values with the unit of the slot, or bare in its base unit.
    """

    function: Callable[[np.ndarray], Any]

    def __call__(self, key: Array, context: Context) -> Any:
        """The value of every synapse."""
        del key
        if context.distance is None:
            raise ValueError(f"`{context.path}`: ByDistance needs the `positions` of both populations.")
        return self.function(context.distance)


def strip(name: str, value: Any, unit: str) -> Any:
    """A value slot with its units taken off; distributions and functions stay what they are."""
    if isinstance(value, Distribution):
        return value.stripped(name, unit)
    if isinstance(value, Callable) and not units.is_quantity(value):
        return value
    return units.strip(name, value, unit)


def resolve(value: Any, context: Context, *, unit: str, key: Array, dtype: Any) -> Array:
    """The array that a value slot stands for.

    Args:
        value: The slot: number, quantity, array, distribution or `f(key, context)`.
        context: Path, shape and step; the result has shape `()` (one value for all) or `context.shape`.
        unit: Base unit of the slot.
        key: Key of the stream of this path.
        dtype: Floating dtype of the result.

    Raises:
        ValueError: Wrong unit, or an array whose shape is neither `()` nor `context.shape`.
    """
    name = context.path
    value = strip(name, value, unit)
    if isinstance(value, Distribution):
        return jnp.asarray(_drawn(name, value, key, context.shape, dtype), dtype)
    if isinstance(value, Callable):
        value = units.strip(name, value(key, context), unit)
    array = jnp.asarray(value, dtype)
    if array.shape not in ((), context.shape):
        raise ValueError(f"`{name}`: expected one value or an array of shape {context.shape}, got {array.shape}.")
    return array


MANY = 1 << 20
"""Draws from which on at most an eighth of them is in vain."""


def _drawn(name: str, law: Distribution, key: Array, shape: tuple[int, ...], dtype: Any) -> Any:
    """Independent draws of shape `shape`, the first of somewhat more.

    XLA compiles the draws anew for every number of them, which takes longer than to draw: the wiring of a network of
    many projections asks for a few numbers only. Draw i of `jax.random` does not depend on how many there are, but for
    rounding.
    """
    size = math.prod(shape)
    if isinstance(key, Tracer):
        return law.sample(key, shape, dtype)
    draws = np.asarray(law.sample(key, (_room(size),), dtype))
    if draws.shape != (_room(size),):
        raise ValueError(f"`{name}`: expected draws of shape ({_room(size)},) from {law}, got {draws.shape}.")
    return draws[:size].reshape(shape)


def _room(size: int) -> int:
    """The next power of two, above `MANY` the next multiple of an eighth of the power below."""
    power = 1 << max(size - 1, 0).bit_length()
    return power if size <= MANY else -(-size // (power // 16)) * (power // 16)
