"""Models and training steps on disk: bit for bit, whole or not at all, alone where possible and else with `like`."""

import logging
import shutil
import signal
import subprocess
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from brainsim._types import State
from brainsim.recording import Checkpoint, Saved, load, save


def tree(seed=0):
    params = {"w": jax.random.normal(jax.random.key(seed), (3, 2)), "none": jnp.zeros((0, 2)), "n": jnp.int32(seed)}
    with jax.numpy_dtype_promotion("standard"):
        opt_state = optax.adamw(1e-3).init(params)
    return {
        "params": params,
        "opt_state": opt_state,
        "key": jax.random.split(jax.random.key(seed), 2),
        "state": State(v=jnp.full(2, np.nan, jnp.bfloat16), step=np.int64(2**40 + seed)),
        "history": [{"loss": 0.1 + seed, "best": float("inf")}],
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "half": np.asarray([1, -0.0], np.float16),
        "seen": True,
    }


def bits(value):
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return str(value.dtype), np.asarray(jax.random.key_data(value)).tobytes()
    return type(value), str(getattr(value, "dtype", "")), np.shape(value), np.asarray(value).tobytes()


def assert_identical(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert [bits(x) for x in jax.tree.leaves(a)] == [bits(x) for x in jax.tree.leaves(b)]


class OfTheUser(eqx.Module):
    layer: eqx.nn.Linear
    activation: object = eqx.field(static=True)


def model(seed=0, size=3):
    return OfTheUser(eqx.nn.Linear(2, size, key=jax.random.key(seed)), jax.nn.relu)


class TestCheckpoint:
    def test_round_trip(self, tmp_path):
        folder = Checkpoint(tmp_path / "run")
        assert folder.latest() is None and folder.steps() == []
        folder.save(3, tree())
        assert_identical(folder.restore(), tree())
        assert_identical(folder.restore(tree(1) | {"history": tree()["history"]} | {"state": tree()["state"]}), tree())

    def test_the_last_ones_are_kept(self, tmp_path):
        folder = Checkpoint(tmp_path, keep=2)
        for step in (1, 5, 9, 10):
            folder.save(step, {"step": jnp.int32(step)})
        assert folder.steps() == [9, 10] and folder.latest() == 10
        assert folder.restore()["step"] == 10 and folder.restore(step=9)["step"] == 9
        with pytest.raises(FileNotFoundError, match="checkpoint_5"):
            folder.restore(step=5)
        with pytest.raises(ValueError, match="`step`: expected a step after 10"):
            folder.save(10, {})

    def test_what_else_is_in_the_folder_stays(self, tmp_path):
        (tmp_path / "2019").mkdir()
        (tmp_path / "checkpoint_notes").mkdir()
        (tmp_path / "notes.txt").write_text("mine")
        folder = Checkpoint(tmp_path, keep=1)
        for step in range(3):
            folder.save(step, {"a": 1})
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "2019",
            "checkpoint_2",
            "checkpoint_notes",
            "notes.txt",
        ]

    def test_places(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match="is a file, expected a folder"):
            Checkpoint(tmp_path / "file")
        with pytest.raises(ValueError, match="`keep` must be >= 1"):
            Checkpoint(tmp_path, keep=0)
        with pytest.raises(FileNotFoundError, match="no checkpoint"):
            Checkpoint(tmp_path / "nothing").restore()

    def test_orbax_is_quiet(self, tmp_path, capfd, caplog):
        with caplog.at_level(logging.WARNING):
            folder = Checkpoint(tmp_path, keep=1)
            folder.save(0, tree())
            folder.save(1, tree())
            folder.restore()
        assert capfd.readouterr() == ("", "") and not caplog.records

    def test_a_tree_without_arrays(self, tmp_path):
        Checkpoint(tmp_path).save(0, {"loss": 1.5})
        assert Checkpoint(tmp_path).restore() == {"loss": 1.5}


class TestSaveAndLoad:
    def test_everything_comes_back(self, tmp_path):
        layer, parts = eqx.nn.Linear(2, 3, key=jax.random.key(0)), tree()
        save(tmp_path / "m", layer, state=parts["state"], opt_state=parts["opt_state"], extra={"epoch": 3})
        found, state, opt_state, extra = load(tmp_path / "m")
        assert_identical(found, layer)
        assert_identical(state, parts["state"])
        assert_identical(opt_state, parts["opt_state"])
        assert extra == {"epoch": 3}
        assert (found(jnp.ones(2)) == layer(jnp.ones(2))).all()

    def test_saving_again_replaces(self, tmp_path):
        for k in range(3):
            save(tmp_path / "m", {"w": jnp.full(2, float(k))})
        assert load(tmp_path / "m").model["w"][0] == 2.0
        assert len(list((tmp_path / "m").iterdir())) == 1

    def test_parts_of_the_user_need_like(self, tmp_path):
        save(tmp_path / "m", model(), extra={"epoch": 3})
        with pytest.raises(
            ValueError, match=r"saved\.model` is a .*OfTheUser, a class that a file cannot bring along: pass `like=`"
        ):
            load(tmp_path / "m")
        for like in (model(1), Saved(model(1), extra={"epoch": 3})):
            found = load(tmp_path / "m", like)
            assert_identical(found.model, model())
            assert found.extra == {"epoch": 3}

    def test_like_is_compared(self, tmp_path):
        save(tmp_path / "m", model())
        with pytest.raises(
            ValueError, match=r"`model\.layer\.weight`: the file has float32 \(3, 2\), `like` has float32 \(4, 2\)"
        ):
            load(tmp_path / "m", model(size=4))
        with pytest.raises(ValueError, match=r"`model\.activation`: the file has .*relu, `like` has .*tanh"):
            load(tmp_path / "m", OfTheUser(model().layer, jnp.tanh))

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no checkpoint of brainsim"):
            load(tmp_path)

    def test_steps_of_a_training_are_not_a_saved_model(self, tmp_path):
        Checkpoint(tmp_path).save(0, {"a": 1})
        with pytest.raises(ValueError, match="a step of a training"):
            load(tmp_path)
        with pytest.raises(ValueError, match="not what `save` writes"):
            load(tmp_path, model())

    def test_a_newer_format(self, tmp_path, monkeypatch):
        monkeypatch.setattr("brainsim.recording.checkpoint.FORMAT", 2)
        save(tmp_path, {"a": 1})
        monkeypatch.undo()
        with pytest.raises(ValueError, match="written in format 2, this version reads up to 1"):
            load(tmp_path)


def test_a_changed_number_is_noticed(tmp_path):
    Checkpoint(tmp_path).save(0, {"loss": 1.25, "w": jnp.ones(2)})
    path = next((tmp_path / "checkpoint_0" / "structure").glob("metadata*"))
    path.write_text(path.read_text().replace("1.25", "1.75"))
    with pytest.raises(ValueError, match="SHA-256 is not the one it was written with"):
        Checkpoint(tmp_path).restore()


def mutate(folder, rng):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = files[rng.integers(len(files))]
    content = bytearray(path.read_bytes())
    at, kind = int(rng.integers(len(content))), rng.integers(4)
    if kind == 0:
        content[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del content[at:]
    elif kind == 2:
        content[at : at + 8] = rng.integers(0, 256, 8, np.uint8).tobytes()
    path.write_bytes(content) if kind < 3 else path.unlink()


_RESTORE_EACH = """
import sys
from pathlib import Path
from brainsim.recording import Checkpoint

for folder in sorted(Path(sys.argv[1]).iterdir()):
    try:
        found = Checkpoint(folder).restore()
    except ValueError as error:
        print("refused" if "checkpoint_0" in str(error) else f"unnamed: {error}")
    else:
        print("the same" if found == {"x": found["x"], "n": [1, 2.5]} and found["x"].sum() == 499500 else "wrong")
"""


def test_damaged_checkpoints_give_clean_errors(tmp_path):
    """In a process of its own: what orbax still reads after the first error complains to that process's stderr."""
    Checkpoint(tmp_path / "whole").save(0, {"x": jnp.arange(1000), "n": [1, 2.5]})
    rng = np.random.default_rng(0)
    for k in range(80):
        shutil.copytree(tmp_path / "whole", tmp_path / "broken" / str(k))
        mutate(tmp_path / "broken" / str(k), rng)
    command = [sys.executable, "-c", _RESTORE_EACH, str(tmp_path / "broken")]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    outcomes = child.stdout.split("\n")[:-1]
    assert len(outcomes) == 80 and set(outcomes) == {"refused", "the same"}
    assert outcomes.count("refused") > 25


_SAVE_FOREVER = """
import sys
import jax
import jax.numpy as jnp
from brainsim.recording import Checkpoint

folder = Checkpoint(sys.argv[1], keep=2)
found = folder.restore() if folder.latest() is not None else {"k": jnp.int32(0)}
while True:
    k = int(found["k"]) + 1
    found = {"k": jnp.int32(k), "w": jnp.full(50_000, float(k)), "key": jax.random.key(k)}
    folder.save(k, found)
    print(k, flush=True)
"""


def test_killed_while_saving(tmp_path):
    folder, reported = Checkpoint(tmp_path, keep=2), 0
    for attempt in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", _SAVE_FOREVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert child.stdout is not None
            first = int(child.stdout.readline())
            assert first > reported, "a restarted run goes on from the newest step"
            time.sleep(0.15 * attempt)
        finally:
            child.send_signal(signal.SIGKILL)
            rest, _ = child.communicate()
        reported = max([first, *(int(line) for line in rest.split())])
        found = folder.restore()
        k = int(found["k"])
        assert k == folder.latest() and k >= reported
        assert_identical(found, {"k": jnp.int32(k), "w": jnp.full(50_000, float(k)), "key": jax.random.key(k)})
        reported = k
    folder.save(reported + 1, {"a": 1})
    assert {path.name for path in tmp_path.iterdir()} == {f"checkpoint_{k}" for k in folder.steps()}
