"""Rows and elements: how a kernel walks a domain, and which operands repeat over it.

A domain of several axes is cut in two, rows x elements, where the operands' own repetitions allow it: an operand has an
entry for each element of each row (FULL), one row for all (ROW), one number for a row (COL) or one number (SCALAR).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from .program import Kind
from .scalar import Shape, size

SHORT = 64
"""Rows of fewer elements are joined: what repeats over them is written out instead."""


class Domain(NamedTuple):
    """A domain as rows of elements.

    Attributes:
        shape: Its shape.
        rows: Number of rows.
        n: Elements of a row.
        kinds: How each operand goes with it.
    """

    shape: Shape
    rows: int
    n: int
    kinds: tuple[Kind, ...]

    def spread(self, operands: Sequence[jax.Array], lead: Sequence[int]) -> list[jax.Array]:
        """The operands with what is FULL written out; `lead` is the number of axes before those of the domain."""
        return [
            jnp.broadcast_to(operand, (*operand.shape[:axes], *self.shape)) if kind == Kind.FULL else operand
            for operand, axes, kind in zip(operands, lead, self.kinds, strict=True)
        ]

    def stride(self, kind: Kind) -> int:
        """Entries of an operand of some kind."""
        return {Kind.FULL: self.rows * self.n, Kind.ROW: self.n, Kind.COL: self.rows, Kind.SCALAR: 1}[kind]


def domain_of(shape: Shape, operands: Sequence[Shape]) -> Domain:
    """The domain for operands that are `()` or have all axes of `shape`, of length 1 where they repeat."""
    cuts = [cut for cut in range(1, len(shape)) if size(shape[cut:]) >= SHORT and size(shape[:cut]) > 1]
    drafts = [_cut(shape, operands, cut) for cut in (0, *cuts)]
    return min(drafts, key=lambda draft: sum(kind == Kind.FULL for kind in draft.kinds))


def rows_of(shape: Shape, operands: Sequence[Shape]) -> Domain:
    """The domain as rows along its last axis."""
    return _cut(shape, operands, len(shape) - 1)


def _cut(shape: Shape, operands: Sequence[Shape], cut: int) -> Domain:
    long = [axis for axis, length in enumerate(shape) if length > 1]
    sets = {
        (): Kind.SCALAR,
        tuple(axis for axis in long if axis >= cut): Kind.ROW,
        tuple(axis for axis in long if axis < cut): Kind.COL,
        tuple(long): Kind.FULL,
    }
    varies = [tuple(axis for axis, length in enumerate(operand) if length > 1) for operand in operands]
    kinds = tuple(sets.get(axes, Kind.FULL) for axes in varies)
    return Domain(shape, size(shape[:cut]), size(shape[cut:]), kinds)
