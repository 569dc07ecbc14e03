"""The handler of fused programs, driven by code words written by hand and kernels of a few lines of LLVM."""

import gc
import hashlib
import os
import subprocess
import sys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native
from brainsim.operators import csr_push

pytestmark = pytest.mark.kernels
llvm = pytest.importorskip("llvmlite.binding")

FULL, ROW, SCALAR, COLUMN, BITS = range(5)
KERNEL, PUSH, TAKE, COUNT, SUM, COPY, GATHER = range(7)
CROSS = 9
NONE = [-1, 0, 4, 0, 0]
LOOP = """
define void @k(ptr %in, ptr %out, i64 %begin, i64 %end, i64 %base) {{
entry:
  %a = load ptr, ptr %in
  %q1 = getelementptr ptr, ptr %in, i64 1
  %b = load ptr, ptr %q1
  %o = load ptr, ptr %out
  %some = icmp slt i64 %begin, %end
  br i1 %some, label %loop, label %done
loop:
  %e = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %pa = getelementptr float, ptr %a, i64 %e
  %x = load float, ptr %pa
  %pb = getelementptr float, ptr %b, i64 {index}
  %y = load float, ptr %pb
  %z = {op} float %x, %y
  %po = getelementptr float, ptr %o, i64 %e
  store float %z, ptr %po
  %next = add i64 %e, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""
FLAT = """
define void @k(ptr %in, ptr %out, i64 %begin, i64 %end, i64 %base) {
entry:
  %o = load ptr, ptr %out
  %some = icmp slt i64 %begin, %end
  br i1 %some, label %loop, label %done
loop:
  %e = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %flat = add i64 %base, %e
  %v = trunc i64 %flat to i32
  %po = getelementptr i32, ptr %o, i64 %e
  store i32 %v, ptr %po
  %next = add i64 %e, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


@cache
def engine_of(source: str):
    """The engine that holds the machine code of one LLVM function `k`; the code lives as long as the engine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(source), machine)
    engine.finalize_object()
    return engine


def kernel(source: str) -> str:
    """Adds the function `k` of an LLVM module to the registry and returns its digest."""
    digest = hashlib.sha256(source.encode()).hexdigest()
    _native.add_kernel(digest, engine_of(source).get_function_address("k"))
    return digest


def binary(op: str, index: str = "%e") -> str:
    """o[e] = a[e] op b[index]."""
    return kernel(LOOP.format(op=op, index=index))


def instruction(opcode: int, stage: int, *words: int | list[int]) -> list[int]:
    body = [opcode, stage, *(w for part in words for w in (part if isinstance(part, list) else [part]))]
    return [len(body), *body]


def loop(steps: int, *instructions: list[int], reverse: bool = False) -> list[int]:
    return [steps, int(reverse), len(instructions), *(w for i in instructions for w in i)]


def program(n_args: int, n_results: int, *loops: list[int], temps=(), aliases=(), tile: int = 0, band=1) -> np.ndarray:
    words = [2, n_args, n_results, len(temps), *temps, len(aliases), *(w for pair in aliases for w in pair), tile, band]
    return np.array([*words, len(loops), *(w for one in loops for w in one)], np.int64)


def whole(buffer: int) -> list[int]:
    """All of a buffer of 4-byte entries, the same at all times."""
    return [buffer, FULL, 4, 0, 0]


def run(code: np.ndarray, digests: list[str], args, results, aliases=()):
    """One call of the handler under jit."""
    shapes = [jax.ShapeDtypeStruct(r.shape, r.dtype) for r in results]
    call = jax.ffi.ffi_call(_native.FUSED, shapes, input_output_aliases=dict(aliases))
    return jax.jit(lambda *xs: call(*xs, digests=",".join(digests), code=code))(*args)


def test_loops_with_strides_in_time():
    """o[t] = x[t] + s[t] written backwards; then a power in place, in a result that is aliased."""
    t, n = 5, 130
    x = np.arange(t * n, dtype=np.float32).reshape(t, n)
    s = np.linspace(0, 1, t, dtype=np.float32)
    y = np.full(n, 2, np.float32)
    row = 4 * n
    back = [4, FULL, 4, -row, row * (t - 1)]
    add = instruction(KERNEL, 0, 0, 1, n, 2, 1, [0, FULL, 4, row, 0], [1, SCALAR, 4, 4, 0], back)
    multiply = instruction(KERNEL, 0, 1, 1, n, 2, 1, whole(5), whole(2), whole(5))
    code = program(4, 2, loop(t, add), loop(t, multiply), aliases=[(3, 1)])
    ones = np.ones(n, np.float32)
    out, power = run(code, [binary("fadd", "0"), binary("fmul")], [x, s, y, ones], [x, y], aliases=[(3, 1)])
    np.testing.assert_array_equal(out, (x + s[:, None])[::-1])
    np.testing.assert_array_equal(power, y**t)


def test_rows_and_columns():
    """Every row has its own scalar, and the flat index of its elements."""
    rows, n = 3, 70
    x, column = np.ones((rows, n), np.float32), np.arange(rows, dtype=np.float32)
    add = instruction(KERNEL, 0, 0, rows, n, 2, 1, whole(0), [1, COLUMN, 4, 0, 0], whole(2))
    number = instruction(KERNEL, 0, 1, rows, n, 0, 1, whole(3))
    shared = instruction(KERNEL, 0, 2, rows, n, 2, 1, whole(0), [0, ROW, 4, 0, 0], whole(4))
    digests = [binary("fadd", "0"), kernel(FLAT), binary("fsub")]
    out, flat, zero = run(program(2, 3, loop(1, add, number, shared)), digests, [x, column], [x, np.int32(x), x])
    np.testing.assert_array_equal(out, x + column[:, None])
    np.testing.assert_array_equal(flat, np.arange(rows * n).reshape(rows, n))
    np.testing.assert_array_equal(zero, np.zeros_like(x))


def packed(spikes: np.ndarray) -> np.ndarray:
    """Rows of spikes as bits, padded to 64."""
    pad = [(0, 0)] * (spikes.ndim - 1) + [(0, -spikes.shape[-1] % 64)]
    return np.packbits(np.pad(spikes != 0, pad), axis=-1, bitorder="little")


def network(rng: np.random.Generator, n: int, degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorted indices, indptr and one weight per synapse of a random CSR matrix (n, n)."""
    lengths = rng.integers(0, 2 * degree, n)
    indptr = np.r_[0, np.cumsum(lengths)].astype(np.int32)
    indices = np.concatenate([np.sort(rng.integers(0, n, k)) for k in lengths]).astype(np.int32)
    return indices, indptr, rng.normal(size=indptr[-1]).astype(np.float32)


def push_loop(steps: int, n: int, nnz: int, weights: int = 1) -> np.ndarray:
    """Arguments: weight, indices, indptr, zero, bits (steps, ...), acc; the result is acc after `steps` pushes."""
    sizes = [0, 0, 1, 1, 1, 1, n, n, 1, nnz, weights, 1]
    bits = [4, BITS, 1, (n + 63) // 64 * 8, 0]
    operands = [whole(6), whole(0), whole(1), whole(2), whole(3), whole(3), bits, NONE]
    return program(6, 1, loop(steps, instruction(PUSH, 0, *sizes, *operands)), aliases=[(5, 0)])


def push_arguments(rng: np.random.Generator, n: int, degree: int, steps: int, rate: float) -> list[np.ndarray]:
    indices, indptr, weight = network(rng, n, degree)
    spikes = rng.random((steps, n)) < rate
    return [weight, indices, indptr, np.zeros(1, np.int32), packed(spikes), np.zeros(n, np.float32)]


def test_push_counts_gathers_and_sums():
    """A loop of pushes has the bits of the operator called once a step; what is counted and picked is right."""
    rng = np.random.default_rng(0)
    n, steps, m = 300, 20, 4
    weight, indices, indptr, zero, bits, acc = push_arguments(rng, n, 10, steps, 0.1)
    spikes = np.unpackbits(bits, axis=-1, bitorder="little")[:, :n]
    expected = jnp.asarray(acc)
    for row in spikes:
        expected = csr_push(expected, weight, indices, indptr, row.astype(np.float32), is_sorted=True)
    recorded = np.array([0, 7, n - 1, n + 5], np.int32)
    row_bits = [4, BITS, 1, bits.shape[1], 0]
    push = instruction(
        PUSH, 0, 0, 0, 1, 1, 1, 1, n, n, 1, weight.size, weight.size, 1,
        whole(7), whole(0), whole(1), whole(2), whole(3), whole(3), row_bits, NONE,
    )  # fmt: skip
    count = instruction(COUNT, 0, 2, 1, n, row_bits, [8, COLUMN, 4, 4, 0])
    gather = instruction(GATHER, 0, 3, 1, n, m, row_bits, whole(6), [9, FULL, 1, m, 0])
    total = instruction(SUM, 1, 0, 1, n, whole(7), [10, COLUMN, 4, 4, 0])
    copy = instruction(COPY, 1, n * 4, whole(7), [11, FULL, 1, 0, 0])
    code = program(7, 5, loop(steps, push, count, gather, total, copy), aliases=[(5, 0)])
    f32, i32 = np.zeros(steps, np.float32), np.zeros(steps, np.int32)
    args = [weight, indices, indptr, zero, bits, acc, recorded]
    results = [acc, i32, np.zeros((steps, m), bool), f32, acc]
    out, counts, picked, sums, copied = run(code, [], args, results, aliases=[(5, 0)])
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(copied, expected)
    np.testing.assert_array_equal(counts, spikes.sum(1))
    np.testing.assert_array_equal(picked, spikes[:, np.clip(recorded, 0, n - 1)].astype(bool))
    np.testing.assert_allclose(sums[-1], np.sum(expected), rtol=1e-4)


def dense_pushes(dtype, n_pre: int, n: int, degree: int, steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A loop of pushes through one weight of a dense matrix with pairs that are connected twice, and its arguments."""
    rng = np.random.default_rng(4)
    indptr = np.arange(0, (n_pre + 1) * degree, degree, dtype=np.int32)
    indices = np.sort(rng.integers(0, n, (n_pre, degree)), axis=1).astype(np.int32)
    assert (np.diff(indices, axis=1) == 0).any()
    bits, acc = packed(rng.random((steps, n_pre)) < 0.05), rng.normal(size=n).astype(dtype)
    sizes = [int(dtype == np.float64), 0, 1, 1, 1, 1, n_pre, n, 1, indices.size, 1, 1]
    row = [4, BITS, 1, bits.shape[1], 0]
    item = acc.itemsize
    number = [[at, FULL, item if at in (0, 6) else 4, 0, 0] for at in range(7)]
    push = instruction(PUSH, 0, *sizes, number[6], *number[:3], number[3], number[3], row, NONE)
    code = program(6, 1, loop(steps, push), aliases=[(5, 0)])
    return code, [np.full(1, 0.1, dtype), indices.ravel(), indptr, np.zeros(1, np.int32), bits, acc]


@pytest.mark.parametrize("n", [64, 333, 1291])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_as_bits_add_what_rows_of_indices_add(dtype, n):
    """From 1,000 steps on a dense matrix is pushed as bits; sums of an inexact weight have the same ones."""
    steps, n_pre = 1000, 90
    with jax.enable_x64(dtype == np.float64):
        code, args = dense_pushes(dtype, n_pre, n, n, steps)
        (out,) = run(code, [], args, args[5:], aliases=[(5, 0)])
        expected, bits = args[5], args[4]
        code, _ = dense_pushes(dtype, n_pre, n, n, steps // 2)
        for half in (bits[: steps // 2], bits[steps // 2 :]):
            (expected,) = run(code, [], [*args[:4], half, expected], args[5:], aliases=[(5, 0)])
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, expected)


def test_a_bad_dense_matrix_is_an_error():
    code, args = dense_pushes(np.float32, 50, 100, 100, 1000)
    args[1][4321] = -1
    with pytest.raises(
        jax.errors.JaxRuntimeError, match="csr_push: `indices` at position 4321 is -1, expected 0 to 99"
    ):
        run(code, [], args, args[5:], aliases=[(5, 0)])


def test_take_reads_and_clears_a_slot():
    slots, n, steps = 3, 5, 4
    ring = np.arange(slots * n, dtype=np.float32).reshape(slots, n)
    slot = np.arange(2, 2 + steps, dtype=np.int32)
    take = instruction(TAKE, 0, 0, 1, n, slots, 1, whole(2), [0, FULL, 4, 4, 0], [3, FULL, 4, 4 * n, 0])
    code = program(2, 2, loop(steps, take), aliases=[(1, 0)])
    left, arrivals = run(code, [], [slot, ring], [ring, np.zeros((steps, n), np.float32)], aliases=[(1, 0)])
    np.testing.assert_array_equal(left, np.zeros_like(ring))
    np.testing.assert_array_equal(arrivals, [*ring[[2, 0, 1]], np.zeros(n)])


def test_tiles():
    """A running sum over time, tile by tile, with the sum in a temporary."""
    rows, n, steps, tile = 2, 300, 4, 128
    x = np.random.default_rng(1).integers(0, 9, (steps, rows, n)).astype(np.float32)
    move = 4 * rows * n
    add = instruction(KERNEL, 0, 0, rows, n, 2, 1, whole(2), [0, FULL, 4, move, 0], whole(2))
    put = instruction(KERNEL, 1, 1, rows, n, 2, 1, whole(2), whole(2), [1, FULL, 4, move, 0])
    code = program(1, 1, loop(steps, add, put), temps=[4 * tile], tile=tile)
    (out,) = run(code, [binary("fadd"), binary("fadd")], [x], [x])
    np.testing.assert_array_equal(out, 2 * np.cumsum(x, axis=0))


@pytest.mark.parametrize("band", [1, 2, 5, 40])
@pytest.mark.parametrize("density", [0.1, 0.9])
def test_rows_that_hear_each_other(band, density):
    """y[t] = x[t] + y[t - 1] W, a band of rows at a time, with what was heard in a temporary."""
    rows, n, steps, tile = 5, 70, 4, 128
    rng = np.random.default_rng(1)
    x, weight = (rng.integers(-1, 2, size).astype(np.float32) for size in ((steps, rows, n), (n, n)))
    x, weight, move = x * (rng.random(x.shape) < density), weight * (rng.random((n, n)) < 0.1), 4 * rows * n
    now, before, heard = [2, FULL, 4, move, move], [2, FULL, 4, move, 0], whole(3)
    first = instruction(KERNEL, 0, 0, rows, n, 2, 1, whole(0), whole(0), whole(2))
    hear = instruction(CROSS, 0, 0, rows, n, [0, FULL, 4, move, move], before, whole(1), heard)
    emit = instruction(KERNEL, 1, 1, rows, n, 2, 1, heard, heard, now)
    loops = loop(1, first), loop(steps - 1, hear, emit)
    code = program(2, 1, *loops, temps=[4 * tile * band], tile=tile, band=band)
    (out,) = run(code, [binary("fadd"), binary("fadd")], [x, weight], [x])
    expected = [2 * x[0]]
    for row in x[1:]:
        expected.append(2 * (row + expected[-1] @ weight))
    np.testing.assert_array_equal(out, expected)


def test_executables_hold_their_kernels():
    digest = binary("fdiv")
    assert _native.kernel_users(digest) == 0
    divide = instruction(KERNEL, 0, 0, 1, 3, 2, 1, whole(0), whole(0), whole(1))
    code = program(1, 1, loop(1, divide))
    call = jax.ffi.ffi_call(_native.FUSED, jax.ShapeDtypeStruct((3,), np.float32))
    compiled = jax.jit(lambda x: call(x, digests=digest, code=code)).lower(np.ones(3, np.float32)).compile()
    assert _native.kernel_users(digest) == 1 and not _native.drop_kernel(digest)
    np.testing.assert_array_equal(compiled(np.full(3, 5, np.float32)), np.ones(3))
    del compiled
    jax.clear_caches()
    gc.collect()
    assert _native.drop_kernel(digest) and _native.kernel_users(digest) == -1


VECTOR = np.zeros(8, np.float32)


def product(n: int, first: int = 0, weight: int = 0, out: int = 1) -> list[int]:
    """One row of n elements through a matrix."""
    return instruction(CROSS, 0, 0, 1, n, whole(first), whole(0), whole(weight), whole(out))


SQUARE = instruction(KERNEL, 0, 0, 1, 8, 2, 1, whole(0), whole(0), whole(1))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (program(1, 1)[:-1], "the program ends where its number of loops should stand"),
        (np.r_[program(1, 1), 7], "1 words are left over"),
        (np.r_[1, program(1, 1)[1:]], "the version is 1, expected 2 to 2"),
        (program(1, 1, loop(1, SQUARE[:-1])), "the length of an instruction is 22, expected 2 to 21"),
        (program(1, 1, loop(1, instruction(10, 0))), "the opcode is 10"),
        (
            program(1, 1, loop(1, instruction(KERNEL, 0, 1, 1, 8, 2, 1, whole(0), whole(0), whole(1)))),
            "the kernel is 1",
        ),
        (
            program(1, 1, loop(1, instruction(KERNEL, 0, 0, 1, 8, 2, 1, whole(1), whole(0), whole(0)))),
            "cannot be written",
        ),
        (program(1, 1, loop(1, instruction(KERNEL, 0, 0, 1, 9, 2, 1, whole(0), whole(0), whole(1)))), "needs 36"),
        (program(1, 1, loop(2, instruction(COPY, 0, 32, [0, 0, 1, 1, 0], whole(1)))), "needs 33"),
        (program(1, 1, loop(2, instruction(COPY, 0, 32, [0, 0, 1, -1, 0], whole(1)))), "begins 1 bytes before"),
        (
            program(1, 1, loop(1, instruction(COPY, 0, 32, whole(0), whole(2))), temps=[31]),
            "byte 32 of a temporary of 31",
        ),
        (program(1, 1, loop(1, SQUARE), aliases=[(0, 0)]), "its result must be named"),
        (program(2, 1), "2 arguments and 1 results, got 1 and 1"),
        (
            program(1, 1, loop(1, instruction(COPY, 0, 8, whole(0), whole(1))), tile=64),
            "only kernels and products",
        ),
        (program(1, 1, loop(1, product(8))), "a product runs in tiles only"),
        (program(1, 1, loop(1, product(65)), tile=64), "a product needs tiles of whole rows"),
        (program(1, 1, loop(1, product(8, out=0)), tile=64), "cannot be written"),
        (program(1, 1, loop(1, product(8)), tile=64), "buffer 0 has 32 bytes, the program needs 256"),
        (program(1, 1, loop(1, product(1, first=1)), tile=64), "written over what is read beside it"),
        (program(1, 1, loop(1, product(1, weight=2)), temps=[64], tile=64), "weight of a product is a temporary"),
        (program(1, 1, loop(1, product(1), SQUARE), tile=64), "must have one shape"),
        (program(1, 1, loop(1, SQUARE), tile=64, band=0), "the number of rows of a tile is 0"),
        (program(1, 1, loop(1, SQUARE), tile=63), "no multiple of 64"),
    ],
)
def test_ill_formed_programs_are_errors(code, words):
    with pytest.raises(jax.errors.JaxRuntimeError, match=words):
        run(np.asarray(code), [binary("fmul")], [VECTOR], [VECTOR])


def test_unknown_kernel_is_an_error():
    with pytest.raises(
        jax.errors.JaxRuntimeError, match="kernel abc is not loaded in this process; trace the function"
    ):
        run(program(1, 1), ["abc"], [VECTOR], [VECTOR])


def test_bad_matrix_is_an_error():
    weight, indices, indptr, zero, bits, acc = push_arguments(np.random.default_rng(2), 100, 5, 30, 0.5)
    indices = indices.copy()
    indices[indptr[50]] = 100
    with pytest.raises(jax.errors.JaxRuntimeError, match="csr_push: `indices` at position .* is 100, expected 0 to 99"):
        run(
            push_loop(30, 100, indices.size),
            [],
            [weight[:1], indices, indptr, zero, bits, acc],
            [acc],
            aliases=[(5, 0)],
        )


def work_for_threads() -> str:
    """A digest of results that are large enough to be shared among threads."""
    rng = np.random.default_rng(3)
    n, steps = 40_000, 40
    weight, *others = push_arguments(rng, n, 20, steps, 0.02)
    (acc,) = run(push_loop(steps, n, weight.size, weight.size), [], [weight, *others], [others[-1]], aliases=[(5, 0)])
    code, args = dense_pushes(np.float32, 1500, 1500, 2000, 1000)
    (dense,) = run(code, [], args, args[5:], aliases=[(5, 0)])
    x = rng.normal(size=n).astype(np.float32)
    multiply = instruction(KERNEL, 0, 0, 1, n, 2, 1, whole(2), whole(0), whole(2))
    code = program(2, 1, loop(steps, multiply), aliases=[(1, 0)])
    (power,) = run(code, [binary("fmul")], [x, x], [x], aliases=[(1, 0)])  # down to denormal numbers
    return hashlib.sha256(b"".join(np.asarray(made).tobytes() for made in (acc, dense, power))).hexdigest()


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_same_bits_on_any_number_of_threads(threads):
    command = [sys.executable, __file__]
    done = subprocess.run(command, env=os.environ | {"NPROC": threads}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == work_for_threads()


if __name__ == "__main__":
    print(work_for_threads())
