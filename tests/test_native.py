"""The library: who may load it, and that its results have the same bits on every instruction set and thread count."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest

from brainsim import _native
from brainsim._native import WHY_XLA, status
from brainsim.operators import csr_push, event_dense

BATTERY = Path(__file__).with_name("operators") / "battery.py"
ISAS = ["avx512", "avx2", "baseline"]


def run(program: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python program in a fresh interpreter with more environment."""
    command = [sys.executable, *program]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)


def test_status_is_complete():
    found = status()
    assert list(found) == ["path", "why", "isa", "ffi_built", "ffi_runtime", "library", "digest"]
    assert found["path"] == ("ffi" if WHY_XLA is None else "xla")
    assert found["why"] == WHY_XLA
    assert _native.runtime_ffi() >= (0, 2)


@pytest.mark.parametrize(
    ("built", "offered", "words"),
    [
        ((0, 3), (0, 3), None),
        ((0, 2), (0, 5), None),
        ((0, 5), (0, 3), "offers 0.3); upgrade jaxlib or reinstall brainsim"),
        ((1, 0), (0, 9), "newer runtime"),
        ((0, 1), (0, 3), "older runtime (XLA FFI 0.1,"),
        ((0, 9), (1, 0), "older runtime"),
    ],
)
def test_ffi_versions(built, offered, words):
    problem = _native.ffi_problem(built, offered)
    assert problem is None if words is None else words in str(problem)


def test_stale_library_is_noticed(tmp_path):
    for name in ("a.h", "b.cc", "CMakeLists.txt", "notes.txt"):
        (tmp_path / name).write_text(name)
    digest = _native.digest_of(tmp_path)
    assert _native.digest_problem(digest, digest, tmp_path) is None
    assert _native.digest_problem(digest, digest, None) is None
    (tmp_path / "notes.txt").write_text("not a source")
    assert _native.digest_of(tmp_path) == digest
    (tmp_path / "b.cc").write_text("changed")
    assert "older than the sources" in str(_native.digest_problem(digest, digest, tmp_path))
    assert "digest installed with it differ" in str(_native.digest_problem(digest, "another", None))


@pytest.mark.kernels
def test_compiled_digest_is_that_of_the_sources():
    sources = _native.source_folder()
    assert sources is None or status()["digest"] == _native.digest_of(sources)


IMPORT = ["-c", "from brainsim import _native; print(_native.WHY_XLA)"]


def test_kernels_can_be_switched_off():
    assert run(IMPORT, BRAINSIM_KERNELS="off", BRAINSIM_REQUIRE_KERNELS="").stdout.startswith("BRAINSIM_KERNELS=off")
    required = run(IMPORT, BRAINSIM_KERNELS="off", BRAINSIM_REQUIRE_KERNELS="1")
    assert "ImportError: BRAINSIM_REQUIRE_KERNELS is set, but: BRAINSIM_KERNELS=off" in required.stderr
    assert "BRAINSIM_KERNELS must be on or off" in run(IMPORT, BRAINSIM_KERNELS="maybe").stderr


@pytest.mark.kernels
def test_unknown_instruction_set_is_an_error():
    assert "BRAINSIM_ISA must be avx512, avx2 or baseline (got 'sse9')" in run(IMPORT, BRAINSIM_ISA="sse9").stderr


def wider_than_this_cpu(isa: str) -> bool:
    """Whether the library refuses `isa` here."""
    return "this CPU lacks" in run(IMPORT, BRAINSIM_ISA=isa).stderr


@pytest.mark.kernels
@pytest.mark.slow
def test_same_bits_on_every_instruction_set_and_number_of_threads():
    isas = [isa for isa in ISAS if not wider_than_this_cpu(isa)]
    assert "baseline" in isas
    cases = [(isa, "2") for isa in isas] + [(isas[0], "1"), (isas[0], "5")]
    digests = {}
    for isa, threads in cases:
        done = run([str(BATTERY)], BRAINSIM_ISA=isa, NPROC=threads)
        assert done.returncode == 0, done.stderr
        used, *digests[isa, threads] = done.stdout.split()
        assert used == isa
    assert len(next(iter(digests.values()))) == 34
    assert len({tuple(d) for d in digests.values()}) == 1, digests


def test_eight_python_threads_agree_with_one():
    rng = np.random.default_rng(0)
    n, nnz = 300, 6000
    indptr = np.r_[0, np.sort(rng.integers(0, nnz + 1, n - 1)), nnz].astype(np.int32)
    indices = rng.integers(0, n, nnz).astype(np.int32)
    weight, dense = rng.normal(size=nnz).astype(np.float32), rng.normal(size=(n, 40)).astype(np.float32)
    call = jax.jit(lambda s: (csr_push(s * 0, weight, indices, indptr, s), event_dense(s[None], dense)))
    spikes = [(rng.random(n) < 0.05).astype(np.float32) for _ in range(160)]
    serial = [jax.block_until_ready(call(s)) for s in spikes]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda s: jax.block_until_ready(call(s)), spikes))
    jax.tree.map(np.testing.assert_array_equal, parallel, serial)
