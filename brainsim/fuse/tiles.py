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
from .program import Instruction, Kind, Loop, Operand, Program, run_kernel
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
    places = [place(i, x, layout, how) for i, x in enumerate(operands)]
    carry = [Operand(count + i, Kind.FULL, operands[i].dtype.itemsize) for i in range(n_carry)]
    ys = [full(count + i, out.dtype, layout, timed=True) for i, out in enumerate(results) if i >= n_carry]
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
    kept = how.length * sum(how.element.ins[i].dtype.itemsize for i in parts.kept)
    book = Book(operands, how, parts, layout, _tile(layout, KEPT // max(kept, 1)))
    leads = [how.lead(i) for i in range(len(primals))]
    return book.program(len(results)).call([*layout.spread(primals, leads), *cts], results)


class Book:
    """Which buffer holds what during a pullback, and what is done with it.

    Args:
        operands: Operands of the recurrence, the cotangents given, and what else the program gets.
        how: The recurrence.
        parts: The functions of one element.
        layout: Its domain.
        tile: Elements of a row of a tile.
        band: Rows of a tile.
    """

    def __init__(
        self, operands: Sequence[Any], how: Recurrence, parts: Backward, layout: Domain, tile: int, band: int = 1
    ):
        self.operands, self.how, self.parts, self.layout, self.tile, self.band = (
            operands,
            how,
            parts,
            layout,
            tile,
            band,
        )
        ins, width = how.element.ins, lambda i: how.element.ins[i].dtype.itemsize
        first = len(operands) + len(parts.wanted)  # number of the first temporary
        own = [i for i in parts.moving if i not in parts.wanted]
        row = tile * band
        self.temps = [how.length * row * width(i) for i in parts.kept] + [row * width(i) for i in own]
        self.primals = [place(i, x, layout, how) for i, x in enumerate(operands[: len(ins)])]
        self.carries = {i: Operand(first + k, Kind.FULL, width(i), row * width(i)) for k, i in enumerate(parts.kept)}
        self.cts = {i: Operand(first + len(parts.kept) + k, Kind.FULL, width(i)) for k, i in enumerate(own)}
        for k, i in enumerate(parts.wanted):
            self.cts[i] = full(len(operands) + k, ins[i].dtype, layout, timed=bool(how.lead(i)))
        self.seeds = {
            i: full(len(ins) + k, how.element.outs[i].dtype, layout, timed=i >= how.n_carry)
            for k, i in enumerate(parts.given)
        }
        self.aliases = self.shared()
        self.before = [self.carries.get(i, operand) for i, operand in enumerate(self.primals)]
        self.ys = [i for i in parts.given if i >= how.n_carry]

    def shared(self) -> tuple[tuple[int, int], ...]:
        """Pairs (operand, result) in one place: the cotangent of an array over time where that of a result was."""
        timed = [i for i in self.parts.wanted if self.how.lead(i)]
        pairs = []
        for i in (i for i in self.parts.given if i >= self.how.n_carry):
            fits = next((k for k in timed if self.cts[k].itemsize == self.seeds[i].itemsize), None)
            if fits is None:
                break
            timed.remove(fits)
            pairs.append((self.seeds[i].buffer, self.parts.wanted.index(fits)))
            self.seeds[i] = self.cts[fits]
        return tuple(pairs)

    def program(self, n_results: int) -> Program:
        """Start, forward once more, backward."""
        parts = self.parts
        kinds = [operand.kind for operand in self.before]
        pull_kinds = [*kinds, *(Kind.FULL for _ in self.pulled()[len(kinds) :])]
        kernels = (
            element_kernel(parts.start, [Kind.FULL for _ in self.started()]),
            element_kernel(parts.again, [kinds[i] for i in parts.again_uses]),
            element_kernel(parts.pull, [pull_kinds[i] for i in parts.pull_uses]),
        )
        for kernel in kernels:
            compile.load(kernel)
        loops = (*self.start(), *self.again(), *self.backward())
        temps = tuple(self.temps)
        return Program(kernels, len(self.operands), n_results, temps, self.aliases, loops, self.tile, self.band)

    def run(self, kernel: int, ins: Sequence[Operand], outs: Sequence[Operand]) -> tuple[Instruction, ...]:
        """A stage: one of the kernels."""
        return (run_kernel(kernel, self.layout.rows, self.layout.n, ins, outs),)

    def start(self) -> tuple[Loop, ...]:
        """The kept carry of the first step, the cotangents of the last one, and sums of 0."""
        kept = [self.carries[i] for i in self.parts.kept]
        begun = [*kept, *self.carry_cts(), *self.sums()]
        return (Loop(1, (self.run(0, self.started(), begun),)),) if begun else ()

    def again(self) -> tuple[Loop, ...]:
        """The kept carries of all steps."""
        kept = [self.carries[i] for i in self.parts.kept]
        stage = self.run(1, [self.before[i] for i in self.parts.again_uses], [after(carry, 1) for carry in kept])
        return (Loop(self.how.length - 1, (stage,)),) if kept and self.how.length > 1 else ()

    def backward(self) -> tuple[Loop, ...]:
        """The steps from the last to the first."""
        ins = self.pulled()
        stage = self.run(2, [ins[i] for i in self.parts.pull_uses], [*self.carry_cts(), *self.others()])
        return (Loop(self.how.length, (stage,), reverse=True),)

    def started(self) -> list[Operand]:
        """What the start reads."""
        given = [self.seeds[i] for i in self.parts.given if i < self.how.n_carry]
        return [*(self.primals[i] for i in self.parts.kept), *given]

    def pulled(self) -> list[Operand]:
        """What one step backward may read, in the order of `Backward.pull`."""
        return [*self.before, *self.carry_cts(), *(self.seeds[i] for i in self.ys), *self.sums()]

    def carry_cts(self) -> list[Operand]:
        """The cotangents of the carry."""
        return [self.cts[i] for i in self.parts.moving]

    def others(self) -> list[Operand]:
        """The cotangents of the other operands."""
        return [self.cts[i] for i in self.parts.wanted if i >= self.how.n_carry]

    def sums(self) -> list[Operand]:
        """Those that are summed over time."""
        return [self.cts[i] for i in self.parts.wanted if i >= self.how.n_carry and not self.how.lead(i)]


def _layout(operands: Sequence[Any], how: Recurrence) -> Domain:
    return domain_of(how.domain, [x.shape[how.lead(i) :] for i, x in enumerate(operands)])


def place(i: int, operand: Any, layout: Domain, how: Recurrence) -> Operand:
    """Operand number `i` of the recurrence."""
    kind, width = layout.kinds[i], operand.dtype.itemsize
    return Operand(i, kind, width, layout.stride(kind) * width * how.lead(i))


def full(buffer: int, dtype: Any, layout: Domain, timed: bool) -> Operand:
    """An array of the domain, or, with an axis of time, one for each step."""
    width = np.dtype(dtype).itemsize
    return Operand(buffer, Kind.FULL, width, layout.stride(Kind.FULL) * width * timed)


def after(operand: Operand, steps: int) -> Operand:
    """An operand some steps later."""
    return operand._replace(shift=operand.shift + steps * operand.stride)


def _tile(layout: Domain, most: int) -> int:
    """Elements of a tile: a multiple of 64, no more than a row has."""
    share = max(layout.rows * layout.n // TILES, TILE // 16)
    return max(min(most, TILE, share, 64 * math.ceil(layout.n / 64)) // 64 * 64, 64)
