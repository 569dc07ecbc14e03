"""One operation on lanes: what an emitter is given, and how operations are grouped into tables."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from .graph import Type
from .lanes import Lanes, Vector
from .real import Real

Kind: TypeAlias = Literal["float", "signed", "unsigned", "bool"]
_KINDS: dict[str, Kind] = {"f": "float", "i": "signed", "u": "unsigned", "b": "bool"}

NUMBERS: tuple[Kind, ...] = ("float", "signed", "unsigned")
INTEGERS: tuple[Kind, ...] = ("signed", "unsigned")
BITS: tuple[Kind, ...] = (*INTEGERS, "bool")
ALL: tuple[Kind, ...] = (*NUMBERS, "bool")
FLOATS: tuple[Kind, ...] = ("float",)


def kind_of(dtype: Any) -> Kind:
    """What sort of numbers a dtype holds."""
    return _KINDS[np.dtype(dtype).kind]


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """An operation to be written.

    Attributes:
        lanes: Where to.
        params: Parameters of the JAX primitive.
        ins: Vectors that it reads.
        in_dtypes: Their dtypes.
        out_dtypes: Dtypes of what it makes.
    """

    lanes: Lanes
    params: dict[str, Any]
    ins: Sequence[Vector]
    in_dtypes: Sequence[np.dtype]
    out_dtypes: Sequence[np.dtype]

    @property
    def builder(self) -> Any:
        """LLVM's position."""
        return self.lanes.builder

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the last input; that of all of them in most operations."""
        return np.dtype(self.in_dtypes[-1])

    @property
    def kind(self) -> Kind:
        """What sort of numbers the last input is."""
        return kind_of(self.dtype)

    @property
    def reals(self) -> list[Real]:
        """The inputs as real numbers."""
        return [Real(self.lanes, value) for value in self.ins]

    def constant(self, number: Any) -> Vector:
        """A number of the inputs' dtype in every lane."""
        return self.lanes.constant(number, self.dtype)

    def intrinsic(self, name: str, *flags: bool) -> Vector:
        """LLVM's operation of that name on the inputs."""
        return self.lanes.intrinsic(name, self.ins, *flags)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How a primitive becomes vector code.

    Attributes:
        emit: Writes it; the results, one vector each.
        kinds: What sorts of numbers it takes.
        refuse: Why it cannot be written for these parameters, inputs and outputs, or None.
        per_lane: Whether the lanes go through the C library one by one, which is slow.
    """

    emit: Callable[[Operation], list[Vector]]
    kinds: tuple[Kind, ...] = ALL
    refuse: Callable[[dict[str, Any], Sequence[Type], Sequence[Type]], str | None] = lambda params, ins, outs: None
    per_lane: bool = False


def one(emit: Callable[[Operation], Vector], kinds: tuple[Kind, ...] = ALL, **options: Any) -> Rule:
    """A rule with one result."""
    return Rule(lambda operation: [emit(operation)], kinds, **options)
