"""Where neurons are: coordinates in um, and distances between them, in an open box or one whose opposite sides meet.

    d(x, y) = sqrt(sum_a delta_a^2),    delta_a = |x_a - y_a|,    or min(|x_a - y_a|, L_a - |x_a - y_a|) with period L_a

The minimum is that of Allen & Tildesley, "Computer Simulation of Liquids" (1987), section 1.5.3 (minimum image).
"""

import dataclasses
from typing import Any

import numpy as np

from .. import _checks, _streams, units


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Positions:
    """Coordinates of the neurons of a population.

    Args:
        coordinates: (n, dimensions) or (n,) for one dimension, um.
        period: Length of each axis after which it repeats (um), or None: no periodic boundaries.

    Raises:
        ValueError: Wrong shape, coordinates that are not finite, or a period that is not positive.
    """

    coordinates: Any
    period: Any = None

    def __post_init__(self):
        points = np.array(units.strip("coordinates", self.coordinates, "um"), np.float64)
        points = points[:, None] if points.ndim == 1 else points
        if points.ndim != 2 or points.shape[1] == 0:
            raise ValueError(f"`coordinates`: expected shape (n, dimensions), got {points.shape}.")
        _checks.finite("coordinates", points, "um")
        points.flags.writeable = False
        object.__setattr__(self, "coordinates", points)
        if self.period is not None:
            period = _lengths("period", self.period, points.shape[1])
            object.__setattr__(self, "period", tuple(float(length) for length in period))

    def __len__(self) -> int:
        return len(self.coordinates)

    def __repr__(self) -> str:
        box = "" if self.period is None else f", period {' x '.join(f'{length:g}' for length in self.period)} um"
        return f"Positions({len(self)} neurons in {self.coordinates.shape[1]} dimensions{box})"

    def distance(self, other: "Positions", pre: np.ndarray, post: np.ndarray) -> np.ndarray:
        """Distances (um) from neurons `pre` here to neurons `post` of `other`, which broadcast against each other."""
        _check_fit(self, other)
        delta = np.abs(self.coordinates[pre] - other.coordinates[post])
        if self.period is not None:
            period = np.asarray(self.period)
            delta %= period
            delta = np.minimum(delta, period - delta)
        return np.sqrt(np.sum(delta**2, axis=-1))


def grid_positions(shape: int | tuple[int, ...], spacing: Any = 1.0, *, periodic: bool = False) -> Positions:
    """Neurons on a grid, in C order as a population of that shape numbers them; neuron 0 is at half a spacing.

    Args:
        shape: Neurons along each axis.
        spacing: Distance of neighbours (um), one for all axes or one each.
        periodic: Whether opposite sides meet.
    """
    counts = np.atleast_1d(np.asarray(shape))
    if counts.dtype.kind not in "iu" or counts.size == 0 or counts.min() < 1:
        raise ValueError(f"`shape`: expected a number of neurons for each axis, got {shape!r}.")
    step = _lengths("spacing", spacing, counts.size)
    points = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in counts), indexing="ij"), axis=-1)
    return Positions(points.reshape(-1, counts.size) * step, counts * step if periodic else None)


def random_positions(n: int, extent: Any, *, seed: int = 0, periodic: bool = False) -> Positions:
    """Neurons independently and uniformly distributed in a box from the origin.

    Args:
        n: Number of neurons.
        extent: Length of the box along each axis (um); one length makes a line.
        seed: Seed of the positions.
        periodic: Whether opposite sides meet.
    """
    _checks.within("n", n, low=0)
    lengths = _lengths("extent", extent, None)
    points = _streams.generator(seed, "positions").random((n, lengths.size)) * lengths
    return Positions(points, lengths if periodic else None)


def _lengths(name: str, value: Any, axes: int | None) -> np.ndarray:
    lengths = np.atleast_1d(np.asarray(units.strip(name, value, "um"), np.float64))
    _checks.positive(name, lengths, "um")
    if axes is not None and lengths.size == 1:
        lengths = np.repeat(lengths, axes)
    if lengths.ndim != 1 or (axes is not None and lengths.size != axes):
        raise ValueError(f"`{name}`: expected one length for each of {axes} axes, got shape {lengths.shape}.")
    return lengths


def _check_fit(one: Positions, other: Positions) -> None:
    if one.coordinates.shape[1] != other.coordinates.shape[1] or one.period != other.period:
        raise ValueError(f"`positions`: expected two populations in one space, got {one!r} and {other!r}.")
