"""Parameters of a model part: fields that know their unit, kind and bounds, and are value slots until built.

    class LIF(Parameterized):
        tau_mem: Array = param(20 * ms, positive=True, kind="time_constant")

A part is constructed with value slots (units are checked there and then), and `build` turns every slot into a JAX
array: the leaves that a gradient sees.
"""

import dataclasses
from typing import Any, ClassVar, Literal, get_args

import equinox as eqx
import numpy as np
from jax.core import Tracer

from . import _checks, _streams, units, values
from ._types import Array, Context, Value

Kind = Literal["weight", "bias", "time_constant", "threshold", "delay", "other"]


@dataclasses.dataclass(frozen=True)
class Param:
    """What is known of a parameter.

    Attributes:
        unit: Base unit ("ms", "mV", "pA", "nS", "pF", "GOhm", "Hz" or "").
        kind: Group for `labels`: "weight", "bias", "time_constant", "threshold", "delay" or "other".
        positive: Whether every value must be > 0.
        low: Smallest allowed value, or None.
        high: Largest allowed value, or None.
    """

    unit: str
    kind: Kind = "other"
    positive: bool = False
    low: float | None = None
    high: float | None = None

    def check(self, name: str, value: Any) -> None:
        """Raise where a concrete value is not finite or out of bounds."""
        if isinstance(value, Tracer | values.Distribution) or callable(value):
            return
        if self.positive:
            _checks.positive(name, value, self.unit)
        else:
            _checks.within(name, value, self.unit, low=self.low, high=self.high)


def param(
    default: Value = dataclasses.MISSING,
    *,
    positive: bool = False,
    low: float | None = None,
    high: float | None = None,
    kind: Kind = "other",
    unit: str | None = None,
) -> Any:
    """A parameter field of a model part: a value slot whose unit is that of its default.

    Args:
        default: Default value; its unit is the unit of the slot. Without a default, give `unit`. None makes the
            parameter optional.
        positive: Every value must be > 0.
        low: Smallest allowed value.
        high: Largest allowed value.
        kind: Group for `labels`.
        unit: Base unit where the default does not tell it.
    """
    _checks.choice("kind", kind, get_args(Kind))
    if unit is None:
        unit = units.unit_of(default) if default is not dataclasses.MISSING else ""
    if default is not dataclasses.MISSING and default is not None:
        default = values.strip("default", default, unit)
    spec = Param(unit, kind, positive, low, high)
    return eqx.field(default=default, metadata={"brainsim": spec})


def buffer(default: Any = dataclasses.MISSING) -> Any:
    """An array field that is data and no parameter: it has no unit and never trains, as the events of `SpikeTimes`."""
    return eqx.field(default=default, metadata={"brainsim_buffer": True})


class Parameterized(eqx.Module):
    """A part with parameters; subclasses declare them with `param`."""

    _: dataclasses.KW_ONLY
    trainable: tuple[str, ...] = eqx.field(static=True, default=())
    params: ClassVar[dict[str, Param]] = {}

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        own = {}
        for name, annotation in cls.__dict__.get("__annotations__", {}).items():
            if any(mark in str(annotation) for mark in ("ClassVar", "AbstractVar", "KW_ONLY")):
                continue
            field = cls.__dict__.get(name)
            metadata = field.metadata if isinstance(field, dataclasses.Field) else {}
            if "brainsim" in metadata:
                own[name] = metadata["brainsim"]
            elif not (metadata.get("static", False) or "brainsim_buffer" in metadata):
                raise TypeError(
                    f"`{name}` of {cls.__name__} must be declared with `param(...)` (a quantity in any other field "
                    f"would silently lose its unit) or with `eqx.field(static=True)`."
                )
        cls.params = {**cls.params, **own}

    def __post_init__(self):
        for name, spec in self.params.items():
            value = getattr(self, name)
            if value is None:
                continue
            value = values.strip(name, value, spec.unit)
            spec.check(name, value)
            setattr(self, name, value)
        if isinstance(self.trainable, str):
            self.trainable = (self.trainable,)
        self.trainable = tuple(self.trainable)
        for name in self.trainable:
            if name not in self.params:
                raise ValueError(
                    f"`trainable`: {type(self).__name__} has no parameter `{name}`; it has {', '.join(self.params)}."
                )

    def resolve(self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any) -> dict[str, Array]:
        """Every parameter as an array of shape `()` or `shape`, drawn from the stream `path.name` below `key`.

        Raises:
            ValueError: A value is out of bounds, or an array has another shape.
        """
        drawn = {}
        for name, spec in self.params.items():
            value = getattr(self, name)
            if value is None:
                continue
            context = Context(f"{path}.{name}", tuple(shape), dt)
            stream = _streams.fold(key, context.path)
            drawn[name] = values.resolve(value, context, unit=spec.unit, key=stream, dtype=dtype)
            spec.check(context.path, drawn[name])
        return drawn

    def build(self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any) -> Any:
        """The same part with every parameter an array: `eqx.tree_at` over `resolve`."""
        drawn = self.resolve(path, shape, dt=dt, key=key, dtype=dtype)
        if not drawn:
            return self
        return eqx.tree_at(lambda part: [getattr(part, name) for name in drawn], self, list(drawn.values()))


def concrete(value: Any) -> np.ndarray | None:
    """A parameter as NumPy where its value is known now; None for a tracer, a distribution or a function."""
    if value is None or isinstance(value, Tracer | values.Distribution) or callable(value):
        return None
    return np.asarray(value)


def is_zero(value: Any) -> bool:
    """Whether a value slot is the single number 0."""
    known = concrete(value)
    return known is not None and known.ndim == 0 and bool(known == 0)
