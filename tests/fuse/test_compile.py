"""Machine code: kept on disk, safe with JAX's persistent cache, and let go of when nothing uses it."""

import gc
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest

from brainsim import _native
from brainsim.fuse import compile
from brainsim.fuse.loop import loop

pytestmark = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")


def decaying(factor):
    """A loop that no other test has: its factor is a constant of the kernel."""
    return jax.jit(lambda v: loop(lambda v, _: (v * factor + 1.0, v), v, length=4)[0])


def expected(factor, v):
    for _ in range(4):
        v = v * np.float32(factor) + 1
    return v


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINSIM_CACHE", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def test_kernels_are_kept_on_disk(cache):
    decaying(0.3125)(jnp.ones(20))
    (file,) = cache.glob("*.o")
    assert len(file.read_bytes()) < 20_000


def test_a_damaged_file_is_not_used(cache):
    decaying(0.34375)(jnp.ones(20))
    (file,) = cache.glob("*.o")
    good = file.read_bytes()
    assert compile._read(file) == good[32:]
    for damaged in (b"", b"garbage" * 20, good[:-1] + bytes([good[-1] ^ 1])):
        file.write_bytes(damaged)
        assert compile._read(file) is None


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BRAINSIM_CACHE", str(tmp_path / "file" / "kernels"))
    np.testing.assert_array_equal(decaying(0.59375)(jnp.ones(20)), expected(0.59375, np.ones(20, np.float32)))


PROGRAM = """
import jax, jax.numpy as jnp
jax.config.update("jax_compilation_cache_dir", {folder!r})
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
from brainsim.fuse.loop import loop
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)
print(jax.jit(lambda v: loop(lambda v, _: (v * 0.40625 + 1.0, v), v, length=4)[0])(jnp.ones(20))[3], len(hits))
"""


def test_jax_persistent_cache_in_another_process(tmp_path):
    script = PROGRAM.format(folder=str(tmp_path / "jax"))
    environment = {**os.environ, "BRAINSIM_CACHE": str(tmp_path / "kernels")}
    outputs = []
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        outputs.append(run.stdout.split())
    value = expected(0.40625, np.float32(1))
    assert [float(number) for number, _ in outputs] == [value, value]
    assert int(outputs[0][1]) == 0 and int(outputs[1][1]) > 0  # the second process took the executable from the cache


def test_an_executable_never_loses_its_kernel(cache, monkeypatch):
    monkeypatch.setattr(compile, "KEPT", 2)
    first = decaying(0.21875)
    before = np.asarray(first(jnp.ones(20)))
    for i in range(6):
        decaying(0.5 + i / 64)(jnp.ones(20))
    jax.clear_caches()
    np.testing.assert_array_equal(first(jnp.ones(20)), before)


def test_kernels_that_nothing_uses_are_forgotten(cache, monkeypatch):
    monkeypatch.setattr(compile, "KEPT", 3)
    jax.clear_caches()
    gc.collect()
    for i in range(8):
        decaying(0.625 + i / 64)(jnp.ones(20))
        jax.clear_caches()
        gc.collect()
    assert len(compile._engines) <= 4


@pytest.mark.slow
def test_memory_of_five_hundred_models(cache):
    process, after_hundred = psutil.Process(), 0
    for i in range(500):
        np.testing.assert_array_equal(
            decaying(i / 512)(jnp.ones(20)), expected(i / 512, np.ones(20, np.float32)), err_msg=str(i)
        )
        jax.clear_caches()
        if i == 99:
            gc.collect()
            after_hundred = process.memory_info().rss
    gc.collect()
    assert process.memory_info().rss - after_hundred < 50e6
