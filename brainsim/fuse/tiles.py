"""The native programs of a recurrence: all steps of one tile of elements before the next tile begins.

    forward:   c, y_t = f(c, p, x_t), the carry in place
    backward:  c_1 ... c_{T-1} once more, kept for the tile only; then, from the last step to the first,
               (cc, cx_t) = vjp of f at (c_t, p, x_t) of (cc, cy_t),  cp = cp + the part of step t

so that the carry, the cotangents and the sums stay in the first cache, and the kept carries in the next.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from . import compile
from .domain import Domain, domain_of
from .element import Element, element_of
from .native import element_kernel, why_not
from .program import Kind, Loop, Operand, Program, run_kernel
from .recurrence import Recurrence, split
from .scalar import floating, with_values

TILE = 4096
"""Elements of a tile, at most: whole pages, which the processor fetches ahead, of a carry that fits the first cache."""
TILES = 8
"""Tiles that there should be, for threads to share."""
KEPT = 2 << 20
"""Bytes of a tile's kept carries, at most: about a core's second cache and its part of the third."""


def forward(operands: Sequence[Any], how: Recurrence, results: Sequence[Any]) -> list[Any]:
    """The recurrence."""
    layout = _layout(operands, how)
    count, n_carry = len(operands), how.n_carry
    places = [_place(i, x, layout, how) for i, x in enumerate(operands)]
    carry = [Operand(count + i, Kind.FULL, operands[i].dtype.itemsize) for i in range(n_carry)]
    ys = [_full(count + i, out.dtype, layout, timed=True) for i, out in enumerate(results) if i >= n_carry]
    kernel = element_kernel(how.element, layout.kinds)
    compile.load(kernel)
    step = run_kernel(0, layout.rows, layout.n, [*carry, *places[n_carry:]], [*carry, *ys])
    loops = (Loop(how.length, ((step,),)),)
    aliases = tuple((i, i) for i in range(n_carry))
    program = Program((kernel,), count, len(results), (), aliases, loops, _tile(layout, TILE))
    return program.call(layout.spread(operands, [how.lead(i) for i in range(count)]), results)


class Backward(NamedTuple):
    """The functions of one element that make a pullback; operands are counted as those of the recurrence.

    Attributes:
        wanted: Operands whose cotangents are asked for.
        given: Results whose cotangents are given.
        moving: Parts of the carry that have cotangents.
        kept: Parts of the carry that the backward steps read.
        again: `(operands...) -> kept carries`, one step forward.
        again_uses: The operands it takes.
        pull: `(operands..., carry cotangents, cotangents of ys, sums) -> (carry cotangents, others' or sums)`.
        pull_uses: Which of these it takes.
        start: `(kept carries, given carry cotangents) -> (kept carries, carry cotangents, sums)`, before the loops.
        why_not: What no native code exists for, or None.
    """

    wanted: tuple[int, ...]
    given: tuple[int, ...]
    moving: tuple[int, ...]
    kept: tuple[int, ...]
    again: Element
    again_uses: tuple[int, ...]
    pull: Element
    pull_uses: tuple[int, ...]
    start: Element
    why_not: str | None


def backward_of(
    element: Element, n_carry: int, timed: tuple[bool, ...], wanted: tuple[int, ...], given: tuple[int, ...]
) -> Backward:
    """The functions for a pullback, derived once."""
    name = ("backward", n_carry, timed, wanted, given)
    return element.derived(name, lambda: _backward(element, n_carry, timed, wanted, given))


def _backward(
    element: Element, n_carry: int, timed: tuple[bool, ...], wanted: tuple[int, ...], given: tuple[int, ...]
) -> Backward:
    moving = tuple(i for i in floating(element.ins) if i < n_carry)
    others = [i for i in wanted if i >= n_carry]
    sums = [i for i in others if not timed[i - n_carry]]
    pull, pull_uses = _pull(element, n_carry, moving, others, sums, [i for i in given if i >= n_carry])
    kept = {i for i in pull_uses if i < n_carry}
    while True:
        order = sorted(kept)
        again, again_uses = element_of(lambda *values, order=order: [element(*values)[i] for i in order], element.ins)
        if kept.issuperset(i for i in again_uses if i < n_carry):
            break
        kept.update(i for i in again_uses if i < n_carry)
    seeds = [i for i in given if i < n_carry]

    def begin(*values: Any) -> list[Any]:
        known = dict(zip(seeds, values[len(order) :], strict=True))
        zero = lambda i: np.zeros((), element.ins[i].dtype)[()]
        return [*values[: len(order)], *(known.get(i, zero(i)) for i in moving), *(zero(i) for i in sums)]

    ins = [element.ins[i] for i in (*order, *seeds)]
    start, _ = element_of(begin, ins, range(len(ins)))
    why = next((why for part in (again, pull, start) if (why := why_not(part)) is not None), None)
    return Backward(wanted, given, moving, tuple(order), again, again_uses, pull, pull_uses, start, why)


def _pull(
    element: Element, n_carry: int, moving: Sequence[int], others: Sequence[int], sums: Sequence[int], ys: Sequence[int]
) -> tuple[Element, tuple[int, ...]]:
    """One step backward."""
    active, count = (*moving, *others), len(element.ins)

    def function(*values: Any) -> list[Any]:
        primals, cts = values[:count], values[count:]

        def step(*along: Any) -> list[Any]:
            out = element(*with_values(primals, active, along))
            return [out[i] for i in (*moving, *ys)]

        seeds = list(cts[: len(moving) + len(ys)])
        pulled = jax.vjp(step, *(primals[i] for i in active))[1](seeds)
        total = dict(zip(sums, cts[len(seeds) :], strict=True))
        later = zip(others, pulled[len(moving) :], strict=True)
        return [*pulled[: len(moving)], *(total[i] + ct if i in total else ct for i, ct in later)]

    ins = [*element.ins, *(element.ins[i] for i in moving), *(element.outs[i] for i in ys)]
    return element_of(function, [*ins, *(element.ins[i] for i in sums)])


def backward(operands: Sequence[Any], how: Recurrence, parts: Backward, results: Sequence[Any]) -> list[Any]:
    """The pullback."""
    primals, cts = split(operands, how)
    layout = _layout(primals, how)
    book = _Book(operands, how, parts, layout)
    program = book.program(len(results))
    leads = [how.lead(i) for i in range(len(primals))]
    return program.call([*layout.spread(primals, leads), *cts], results)


class _Book:
    """Which buffer holds what during a pullback."""

    def __init__(self, operands: Sequence[Any], how: Recurrence, parts: Backward, layout: Domain):
        self.operands, self.how, self.parts, self.layout = operands, how, parts, layout
        ins, width = how.element.ins, lambda i: how.element.ins[i].dtype.itemsize
        self.tile = _tile(layout, KEPT // max(how.length * sum(width(i) for i in parts.kept), 1))
        first = len(operands) + len(parts.wanted)  # number of the first temporary
        own = [i for i in parts.moving if i not in parts.wanted]
        self.temps = [how.length * self.tile * width(i) for i in parts.kept] + [self.tile * width(i) for i in own]
        self.primals = [_place(i, x, layout, how) for i, x in enumerate(operands[: len(ins)])]
        self.carries = {
            i: Operand(first + k, Kind.FULL, width(i), self.tile * width(i)) for k, i in enumerate(parts.kept)
        }
        self.cts = {i: Operand(first + len(parts.kept) + k, Kind.FULL, width(i)) for k, i in enumerate(own)}
        for k, i in enumerate(parts.wanted):
            self.cts[i] = _full(len(operands) + k, ins[i].dtype, layout, timed=bool(how.lead(i)))
        self.seeds = {
            i: _full(len(ins) + k, how.element.outs[i].dtype, layout, timed=i >= how.n_carry)
            for k, i in enumerate(parts.given)
        }

    def program(self, n_results: int) -> Program:
        """The loops: start, forward once more, backward."""
        parts, how, layout = self.parts, self.how, self.layout
        n_carry, length = how.n_carry, how.length
        sums = [self.cts[i] for i in parts.wanted if i >= n_carry and not how.lead(i)]
        carry_cts = [self.cts[i] for i in parts.moving]
        kept = [self.carries[i] for i in parts.kept]
        before = [self.carries.get(i, self.primals[i]) for i in range(len(self.primals))]
        kinds = [Kind.FULL if i in self.carries else kind for i, kind in enumerate(layout.kinds)]

        start = [self.primals[i] for i in parts.kept] + [self.seeds[i] for i in parts.given if i < n_carry]
        again = [before[i] for i in parts.again_uses]
        later = [carry._replace(shift=carry.stride) for carry in kept]
        ys = [self.seeds[i] for i in parts.given if i >= n_carry]
        given = [*before, *carry_cts, *ys, *sums]
        others = [self.cts[i] for i in parts.wanted if i >= n_carry]
        pull_kinds = [*kinds, *(Kind.FULL for _ in given[len(before) :])]

        kernels = (
            element_kernel(parts.start, [Kind.FULL for _ in start]),
            element_kernel(parts.again, [kinds[i] for i in parts.again_uses]),
            element_kernel(parts.pull, [pull_kinds[i] for i in parts.pull_uses]),
        )
        for kernel in kernels:
            compile.load(kernel)
        run = lambda k, ins, outs: ((run_kernel(k, layout.rows, layout.n, ins, outs),),)
        loops = [
            Loop(1, run(0, start, [*kept, *carry_cts, *sums])),
            Loop(length - 1, run(1, again, later)),
            Loop(length, run(2, [given[i] for i in parts.pull_uses], [*carry_cts, *others]), reverse=True),
        ]
        if not kept or length == 1:
            del loops[1]
        if not (kept or carry_cts or sums):
            del loops[0]
        return Program(kernels, len(self.operands), n_results, tuple(self.temps), (), tuple(loops), self.tile)


def _layout(operands: Sequence[Any], how: Recurrence) -> Domain:
    return domain_of(how.domain, [x.shape[how.lead(i) :] for i, x in enumerate(operands)])


def _place(i: int, operand: Any, layout: Domain, how: Recurrence) -> Operand:
    """Operand number `i` of the recurrence."""
    kind, width = layout.kinds[i], operand.dtype.itemsize
    return Operand(i, kind, width, layout.stride(kind) * width * how.lead(i))


def _full(buffer: int, dtype: Any, layout: Domain, timed: bool) -> Operand:
    """An array of the domain, or, with an axis of time, one for each step."""
    width = np.dtype(dtype).itemsize
    return Operand(buffer, Kind.FULL, width, layout.stride(Kind.FULL) * width * timed)


def _tile(layout: Domain, most: int) -> int:
    """Elements of a tile: a multiple of 64, no more than a row has."""
    share = max(layout.rows * layout.n // TILES, TILE // 16)
    return max(min(most, TILE, share, 64 * math.ceil(layout.n / 64)) // 64 * 64, 64)
