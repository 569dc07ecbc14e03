"""What the native handler executes: loops over time of stages of instructions, as plain numbers.

    for loop in loops:  for t in 0 ... steps - 1 (or backwards):  for stage in loop:  all instructions of the stage

Instructions of a stage do not depend on each other. With `tile` > 0 the order is for tile: for loop: for t, every
instruction is a kernel or a product over one domain, and temporary buffers hold one tile, `band` rows of `tile`
elements: a long scan then stays in the cache.
Buffers are numbered: operands, results, temporaries. `kernels/program.h` decodes the numbers, once per executable.
"""

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from .kernel import Kernel

VERSION = 2
TARGET = "bs_fused_v1"


class Kind(enum.IntEnum):
    """How an operand goes with the rows and elements of a domain."""

    FULL = 0
    ROW = 1
    SCALAR = 2
    COL = 3
    BITS = 4


class Operand(NamedTuple):
    """A place in a buffer; `stride` and `shift` are bytes: the address at time t is base + shift + t stride."""

    buffer: int
    kind: Kind
    itemsize: int
    stride: int = 0
    shift: int = 0


NOWHERE = Operand(-1, Kind.FULL, 4)


class Opcode(enum.IntEnum):
    """What an instruction does; the numbers before its operands are those of `kernels/program.h`."""

    KERNEL = 0
    PUSH = 1
    TAKE = 2
    COUNT = 3
    SUM = 4
    COPY = 5
    GATHER = 6
    PROCEDURAL = 7
    STDP = 8
    CROSS = 9


class Instruction(NamedTuple):
    """One call: opcode, sizes and options, operands."""

    opcode: Opcode
    sizes: tuple[int, ...]
    operands: tuple[Operand, ...]


class Loop(NamedTuple):
    """Stages of instructions, `steps` times."""

    steps: int
    stages: tuple[tuple[Instruction, ...], ...]
    reverse: bool = False


class Program(NamedTuple):
    """Loops over the buffers of one call.

    Attributes:
        kernels: Compiled functions that instructions name by index.
        n_args: Number of operands.
        n_results: Number of results.
        temps: Bytes of each temporary buffer, which starts as zeros.
        aliases: Pairs (operand, result) that share memory.
        loops: What to do.
        tile: Elements of a row of a tile, or 0 for step-major order.
        band: Rows of a tile.
    """

    kernels: tuple[Kernel, ...]
    n_args: int
    n_results: int
    temps: tuple[int, ...]
    aliases: tuple[tuple[int, int], ...]
    loops: tuple[Loop, ...]
    tile: int = 0
    band: int = 1

    def encode(self) -> np.ndarray:
        """The program as int64 words."""
        words = [VERSION, self.n_args, self.n_results, len(self.temps), *self.temps]
        words += [len(self.aliases), *(number for pair in self.aliases for number in pair)]
        words += [self.tile, self.band, len(self.loops)]
        for loop in self.loops:
            words += [loop.steps, int(loop.reverse), sum(map(len, loop.stages))]
            for stage, instructions in enumerate(loop.stages):
                for instruction in instructions:
                    flat = [number for operand in instruction.operands for number in operand]
                    body = [instruction.opcode, stage, *instruction.sizes, *flat]
                    words += [len(body), *body]
        return np.asarray(words, np.int64)

    def call(self, operands: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """Run the program inside a traced function.

        Args:
            operands: Arrays.
            results: Shape and dtype of every result.
        """
        flat = lambda shape: (int(np.prod(shape[:-1])), shape[-1]) if len(shape) > 2 else shape
        shapes = [jax.ShapeDtypeStruct(flat(result.shape), result.dtype) for result in results]
        operands = [operand.reshape(flat(operand.shape)) for operand in operands]
        run = jax.ffi.ffi_call(TARGET, shapes, input_output_aliases=dict(self.aliases))
        out = run(*operands, digests=",".join(kernel.digest for kernel in self.kernels), code=self.encode())
        return [x.reshape(result.shape) for x, result in zip(out, results, strict=True)]


def run_kernel(index: int, rows: int, n: int, ins: Sequence[Operand], outs: Sequence[Operand]) -> Instruction:
    """A fused function over `rows` rows of `n` elements."""
    return Instruction(Opcode.KERNEL, (index, rows, n, len(ins), len(outs)), (*ins, *outs))
