"""The native programs of a recurrence whose elements hear each other: a band of rows through all steps.

    forward:   h = x_t + y_{t-d} W,  c, y_t = f(c, h)                    the carry in place
    backward:  h_t = x_t + y_{t-d} W of all steps, and c_1 ... c_{T-1} once more; then, from the last step to the first,
               g = cy_t + ch_{t+d} W^T,  (cc, ch_t) = vjp of f at (c_t, h_t) of (cc, g),  ch_t where h_t was

A product takes a row of W for each spike; that of the gradient is dense, and the rows of a band share each load of W.
The first d steps hear what was emitted before, and to the last d nothing comes back: they are loops of their own.
"""

from collections.abc import Sequence
from typing import Any

from . import compile, tiles
from .domain import Domain, rows_of
from .echo import Echo
from .native import element_kernel
from .program import Instruction, Kind, Loop, Opcode, Operand, Program, run_kernel
from .tiles import Backward, Book, after, full, place

BAND = 16
"""Rows of a band, at most: the product keeps a vector of sums for each in registers."""
BANDS = 4
"""Bands that there should be, for threads to share."""


def forward(operands: Sequence[Any], how: Echo, results: Sequence[Any]) -> list[Any]:
    """The recurrence."""
    loop, count, n_carry = how.loop, len(operands), how.loop.n_carry
    layout = _layout(operands, how)
    places = [place(i, x, layout, loop) for i, x in enumerate(operands[: how.count])]
    carry = [Operand(count + i, Kind.FULL, operands[i].dtype.itemsize) for i in range(n_carry)]
    ys = [full(count + i, out.dtype, layout, timed=True) for i, out in enumerate(results) if i >= n_carry]
    width, tile, band = operands[how.heard].dtype.itemsize, _tile(layout), _band(layout)
    heard = Operand(count + len(results), Kind.FULL, width)
    fed, line = ys[how.fed - n_carry], full(how.count, operands[how.count].dtype, layout, timed=True)
    kernel = element_kernel(loop.element, layout.kinds)
    compile.load(kernel)

    def step(steps: int, line: Operand, late: int) -> Loop:
        ins = [after(operand, late) for operand in places]
        product = cross(layout, ins[how.heard], line, how.count + 1, heard)
        ins = [*carry, *(heard if i == how.heard else operand for i, operand in enumerate(ins) if i >= n_carry)]
        outs = [*carry, *(after(y, late) for y in ys)]
        return Loop(steps, ((product,), (run_kernel(0, layout.rows, layout.n, ins, outs),)))

    early = min(how.delay, loop.length)
    loops = [step(early, line, 0), step(loop.length - early, fed, early)]
    aliases = tuple((i, i) for i in range(n_carry))
    temps = (tile * band * width,)
    program = Program((kernel,), count, len(results), temps, aliases, _some(loops), tile, band)
    leads = [loop.lead(i) for i in range(how.count)]
    return program.call([*layout.spread(operands[: how.count], leads), *operands[how.count :]], results)


def backward_of(how: Echo, wanted: tuple[int, ...], given: tuple[int, ...]) -> Backward:
    """The functions for a pullback, derived once."""
    return tiles.backward_of(how.loop.element, how.loop.n_carry, how.loop.timed, wanted, given)


def backward(operands: Sequence[Any], how: Echo, parts: Backward, results: Sequence[Any]) -> list[Any]:
    """The pullback; operands are those of the recurrence, what was fed back, and the cotangents given."""
    primals, (line, weight, y), cts = (
        operands[: how.count],
        operands[how.count : how.count + 3],
        operands[how.count + 3 :],
    )
    layout = _layout(operands, how)
    book = _Book([*primals, *cts, line, y, weight, weight.T], how, parts, layout)
    leads = [how.loop.lead(i) for i in range(how.count)]
    spread = layout.spread(primals, leads)
    return book.program(len(results)).call([*spread, *cts, line, y, weight, weight.T], results)


class _Book(Book):
    """A `Book` whose last operands are what was emitted before the first step and after it, the weight, and W^T."""

    def __init__(self, operands: Sequence[Any], how: Echo, parts: Backward, layout: Domain):
        super().__init__(operands, how.loop, parts, layout, _tile(layout), _band(layout))
        self.echo, self.early = how, min(how.delay, how.loop.length)
        first, dtype = len(operands) - 4, operands[-1].dtype
        self.line, self.y = (full(first + k, dtype, layout, timed=True) for k in range(2))
        self.forth, self.back = first + 2, first + 3
        self.total = Operand(len(operands) + len(parts.wanted) + len(self.temps), Kind.FULL, dtype.itemsize)
        self.temps.append(self.tile * self.band * dtype.itemsize)
        self.before[how.heard] = self.cts[how.heard]

    def shared(self) -> tuple[tuple[int, int], ...]:
        """Nothing: what was heard is in the place of its cotangent while the cotangents given are read."""
        return ()

    def again(self) -> tuple[Loop, ...]:
        """What was heard, into the place of its cotangents; and the kept carries."""
        late, x, heard = self.early, self.primals[self.echo.heard], self.cts[self.echo.heard]
        first = cross(self.layout, x, self.line, self.forth, heard)
        then = cross(self.layout, after(x, late), self.y, self.forth, after(heard, late))
        loops = [Loop(late, ((first,),)), Loop(self.how.length - late, ((then,),))]
        return (*_some(loops), *super().again())

    def backward(self) -> tuple[Loop, ...]:
        """The last steps, whose emissions nobody heard, and the others."""
        ins, outs = self.pulled(), [*self.carry_cts(), *self.others()]
        seed = len(self.before) + len(self.carry_cts()) + self.ys.index(self.echo.fed)
        late = self.how.length - self.early
        stage = lambda ins, outs: self.run(2, [ins[i] for i in self.parts.pull_uses], outs)
        last = stage([after(operand, late) for operand in ins], [after(operand, late) for operand in outs])
        returned = after(self.cts[self.echo.heard], self.early)
        product = cross(self.layout, ins[seed], returned, self.back, self.total)
        ins[seed] = self.total
        loops = [Loop(self.early, (last,), reverse=True), Loop(late, ((product,), stage(ins, outs)), reverse=True)]
        return _some(loops)


def cross(layout: Domain, first: Operand, values: Operand, weight: int, out: Operand) -> Instruction:
    """`out = first + values W` of every row; `weight` is the buffer of W."""
    size = (int(out.itemsize == 8), layout.rows, layout.n)
    return Instruction(Opcode.CROSS, size, (first, values, Operand(weight, Kind.FULL, out.itemsize), out))


def _some(loops: Sequence[Loop]) -> tuple[Loop, ...]:
    return tuple(loop for loop in loops if loop.steps)


def _layout(operands: Sequence[Any], how: Echo) -> Domain:
    loop = how.loop
    return rows_of(loop.domain, [x.shape[loop.lead(i) :] for i, x in enumerate(operands[: how.count])])


def _tile(layout: Domain) -> int:
    return -(-layout.n // 64) * 64


def _band(layout: Domain) -> int:
    return max(1, min(BAND, layout.rows // BANDS))
