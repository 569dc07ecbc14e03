"""Result files: bit for bit, SONATA's layout, whole or not at all, and clean errors for everything else."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import State
from brainsim.recording import DenseRecord, Histogram, Rate, Recorder, Recording, Spikes, Trace
from brainsim.recording import spike_file as files


def recording(batch=None, seed=0, dtype=np.float32, steps=40):
    rng = np.random.default_rng(seed)
    lead = () if batch is None else (batch,)
    spikes = (rng.random((steps, *lead, 5)) < 0.2) * rng.integers(1, 3, (steps, *lead, 5)).astype(np.float32)
    v = rng.normal(size=(steps, *lead, 2)).astype(dtype)
    counts = rng.integers(0, 9, (steps, *lead, 4))
    weight = Histogram("E->E.weight", (-0.5, 0.1, 2.0), every=0.3)
    specs = [Spikes("E"), Trace("E.v", ids=[4, 1]), Rate("E"), Spikes("I->x/y", ids=slice(2)), weight]
    sizes = {"E.spikes": 5, "E.v": 5, "E.rate": 5, "I->x/y.spikes": 5, "E->E.weight": 8}
    with Recorder(specs, dt=0.1, sizes=sizes, batch=batch, start=7) as recorder:
        chunk = {"E.spikes": spikes, "E.v": v, "E.rate": spikes.sum(-1), "I->x/y.spikes": spikes[..., :2] > 0}
        recorder.append({**chunk, weight.key: counts}, 7, steps)
        state = State(step=jnp.int32(47), key=jax.random.key(3), populations={"E": State(v=jnp.ones(5), n=None)})
        return recorder.finish(state=state, units={"E.v": "mV"}, meta={"seed": 1, "weights": np.arange(3), "no": None})


def assert_equal(a, b):
    for name in ("dt", "start", "steps", "batch", "units"):
        assert getattr(a, name) == getattr(b, name)
    assert list(a.records) == list(b.records)
    for key in a.records:
        assert type(a.records[key]) is type(b.records[key])
        for field in dataclasses.fields(a.records[key]):
            x, y = getattr(a.records[key], field.name), getattr(b.records[key], field.name)
            if x is None or isinstance(x, int):
                assert x == y
            else:
                x, y = np.asarray(x), np.asarray(y)
                assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()), (key, field.name)


@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, jnp.bfloat16])
def test_round_trip(tmp_path, batch, dtype):
    path, made = tmp_path / "run.h5", recording(batch, dtype=dtype)
    files.write(path, made)
    back = files.read(path)
    assert_equal(made, back)
    assert back.meta["seed"] == 1 and back.meta["no"] is None
    np.testing.assert_array_equal(back.meta["weights"], np.arange(3))
    assert jax.tree.structure(back.state) == jax.tree.structure(made.state)
    assert back.state.key.dtype == made.state.key.dtype
    assert (jax.random.key_data(back.state.key) == jax.random.key_data(made.state.key)).all()


@pytest.mark.parametrize("empty", [Recording({}, 0.1, 0, 0), recording(steps=0), recording(batch=2, steps=0)])
def test_nothing_is_something(tmp_path, empty):
    files.write(tmp_path / "run.h5", empty)
    assert_equal(files.read(tmp_path / "run.h5"), empty)


@pytest.mark.parametrize("dt", [0.1, 0.025, 1 / 3, 1.0, 1e-4])
def test_times_come_back_as_the_same_steps(tmp_path, dt):
    dense = np.ones((50, 1), bool)
    start = 2**40
    with Recorder([Spikes("E")], dt=dt, sizes={"E.spikes": 1}, start=start, to=tmp_path / "x.h5") as recorder:
        recorder.append({"E.spikes": dense}, start, 50)
        record = recorder.finish().records["E.spikes"]
    np.testing.assert_array_equal(record.step, start + np.arange(50))


def test_spikes_are_where_sonata_puts_them(tmp_path):
    made = recording()
    files.write(tmp_path / "run.h5", made)
    with h5py.File(tmp_path / "run.h5") as file:
        group = file["spikes/E"]
        record = made.records["E.spikes"]
        np.testing.assert_array_equal(group["timestamps"][()], (record.step + 1) * 0.1)
        np.testing.assert_array_equal(group["node_ids"][()], record.id)
        assert (group["timestamps"].dtype, group["node_ids"].dtype) == (np.float64, np.uint64)
        assert group["timestamps"].attrs["units"] == "ms"
        names = h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype)
        assert names == {"none": 0, "by_id": 1, "by_time": 2} and group.attrs["sorting"] == 2
        assert file.attrs["magic"] == 0x0A7A and list(file.attrs["version"]) == [0, 1]


def test_traces_stay_in_the_file_until_they_are_looked_at(tmp_path):
    path = tmp_path / "run.h5"
    files.write(path, recording(seed=1))
    values = files.read(path).records["E.v"].values
    assert values.shape == (40, 2) and values.nbytes == 40 * 2 * 4
    files.write(path, recording(seed=2))
    path.unlink()
    np.testing.assert_array_equal(values.read(slice(3, 5)), recording(seed=1).records["E.v"].values[3:5])


def test_a_result_can_be_written_over_its_own_file(tmp_path):
    path = tmp_path / "run.h5"
    files.write(path, recording())
    files.write(path, files.read(path))
    assert_equal(files.read(path), recording())


class TestRefusals:
    def test_what_cannot_be_stored_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "run.h5"
        files.write(path, recording())
        before = path.read_bytes()
        with pytest.raises(TypeError, match=r"`result\['meta'\]\['f'\]`"):
            files.write(path, dataclasses.replace(recording(), meta={"f": print}))
        traced = {"E.spikes": DenseRecord(jnp.ones((3, 2)), np.arange(2), 2)}
        with pytest.raises(TypeError, match="under jit"):
            files.write(path, Recording(traced, 0.1, 0, 3))
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]

    def test_places(self, tmp_path):
        with pytest.raises(ValueError, match="does not exist"):
            files.write(tmp_path / "no" / "run.h5", recording())
        with pytest.raises(ValueError, match="is a folder"):
            files.write(tmp_path, recording())
        with pytest.raises(ValueError, match="is a folder"):
            files.read(tmp_path)
        with pytest.raises(FileNotFoundError):
            files.read(tmp_path / "run.h5")

    def test_foreign_files(self, tmp_path):
        path = tmp_path / "run.h5"
        for content in (b"", b"x", b"brainsim result", b"brainsim result x y bytes sha256 z", bytes(2000)):
            path.write_bytes(content)
            with pytest.raises(ValueError, match=r"run\.h5: not a result of brainsim"):
                files.read(path)
        with h5py.File(path, "w") as file:
            file["spikes/E/timestamps"] = np.ones(3)
        with pytest.raises(ValueError, match=r"run\.h5: not a result of brainsim"):
            files.read(path)

    def test_a_newer_format(self, tmp_path, monkeypatch):
        path = tmp_path / "run.h5"
        monkeypatch.setattr(files, "FORMAT", 2)
        files.write(path, recording())
        monkeypatch.undo()
        with pytest.raises(ValueError, match="written in format 2, this version reads up to 1"):
            files.read(path)

    def test_truncated_and_damaged(self, tmp_path):
        path = tmp_path / "run.h5"
        files.write(path, recording())
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(ValueError, match=rf"has {len(whole) - 1} bytes, expected {len(whole)}"):
            files.read(path)
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(ValueError, match="damaged"):
            files.read(path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda head: head.update(dt=0.0),
            lambda head: head.update(dt=float("nan")),
            lambda head: head.update(steps=-1),
            lambda head: head.update(steps=3),
            lambda head: head.update(batch=2),
            lambda head: head.pop("rest"),
            lambda head: head["records"]["E.spikes"].update(size=2),
            lambda head: head["records"]["E.spikes"].update(kind="pickle"),
            lambda head: head["records"]["E.v"].update(every=0),
            lambda head: head["records"]["E.v"]["columns"]["values"].update(shape=[10**12, 2]),
            lambda head: head["records"]["E.v"]["columns"]["values"].update(dataset="/spikes"),
            lambda head: head["records"]["E.v"]["columns"]["values"].update(dtype="object"),
            lambda head: head["arrays"].append({"dtype": "float32", "shape": []}),
            lambda head: head["rest"].update(dict=[["state", {"record": "os:system", "fields": []}]]),
        ],
    )
    def test_a_header_that_lies(self, tmp_path, change):
        path = tmp_path / "run.h5"
        files.write(path, recording())
        with h5py.File(path, "r+") as file:
            head = json.loads(file["brainsim/header"][()].tobytes())
            change(head)
            del file["brainsim/header"]
            file["brainsim/header"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
        files._sign(path)
        with pytest.raises(ValueError, match=r"run\.h5: not a readable result"):
            files.read(path)


def test_an_array_that_claims_more_than_the_file_has_is_not_allocated(tmp_path):
    path, shape = tmp_path / "run.h5", [10**12, 2]
    files.write(path, recording())
    with h5py.File(path, "r+") as file:
        head = json.loads(file["brainsim/header"][()].tobytes())
        name = head["records"]["E.v"]["columns"]["values"]["dataset"]
        head["records"]["E.v"]["columns"]["values"]["shape"] = shape
        del file["brainsim/header"], file[name]
        file.create_dataset(name, shape, np.float32, chunks=(1000, 2))
        file["brainsim/header"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    files._sign(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"run\.h5: .*claims 8000000000000 bytes and has 0"):
        files.read(path)


def mutated(rng, whole):
    content = bytearray(whole)
    at = int(rng.integers(len(content)))
    kind = rng.integers(6)
    if kind == 0:
        content[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        content[at : at + 8] = rng.integers(0, 256, 8, np.uint8).tobytes()
    elif kind == 2:
        content[at : at + 4] = b"\xff" * 4
    elif kind == 3:
        del content[at:]
    elif kind == 4:
        content[at:at] = bytes(int(rng.integers(1, 600)))
    else:
        content[at : at + 64] = bytes(64)
    return bytes(content)


def outcome(path, made):
    try:
        back = files.read(path)
    except ValueError as error:
        assert str(path) in str(error)
        return "error"
    assert_equal(back, made)
    return "same"


def test_mutated_files_give_clean_errors(tmp_path):
    path, made, rng = tmp_path / "run.h5", recording(batch=2), np.random.default_rng(0)
    files.write(path, made)
    whole = path.read_bytes()
    for _ in range(400):
        path.write_bytes(mutated(rng, whole))
        outcome(path, made)


def test_mutations_behind_a_valid_checksum_give_errors_or_values_never_a_crash(tmp_path):
    path, made, rng = tmp_path / "run.h5", recording(batch=2), np.random.default_rng(1)
    files.write(path, made)
    whole = path.read_bytes()
    errors = 0
    for _ in range(300):
        path.write_bytes(whole[:512] + mutated(rng, whole[512:]))
        files._sign(path)
        try:
            back = files.read(path)
            np.asarray(back.records["E.v"].values)
        except ValueError as error:
            errors += str(path) in str(error)
    assert errors > 30


_WRITE_FOREVER = """
import sys
import numpy as np
from brainsim.recording import Recorder, Trace

k = 0
while True:
    k += 1
    with Recorder([Trace("E.v")], dt=1.0, sizes={"E.v": 1000}, to=sys.argv[1]) as recorder:
        for begin in range(0, 100, 10):
            recorder.append({"E.v": np.full((10, 1000), k, np.float32)}, begin, 10)
        recorder.finish(meta={"k": k})
    print(k, flush=True)
"""


def test_killed_while_writing(tmp_path):
    path = tmp_path / "run.h5"
    for attempt in range(2):
        child = subprocess.Popen([sys.executable, "-c", _WRITE_FOREVER, str(path)], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            reported = int(child.stdout.readline())
            time.sleep(0.05 + 0.03 * attempt)
        finally:
            child.send_signal(signal.SIGKILL)
            rest, _ = child.communicate()
        reported = max([reported, *(int(line) for line in rest.split())])
        back = files.read(path)
        assert back.meta["k"] >= reported
        assert (np.asarray(back.records["E.v"].values) == back.meta["k"]).all()
    with Recorder([Trace("E.v")], dt=1.0, sizes={"E.v": 1}, to=path) as recorder:
        recorder.finish()
    assert list(tmp_path.iterdir()) == [path], "what killed writers left behind is swept by the next one"


def test_what_dead_writers_left_is_swept_and_nothing_else(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    left = tmp_path / f".run.h5.{child.pid}.0123abcd.tmp"
    others = [tmp_path / f".other.h5.{child.pid}.0123abcd.tmp", tmp_path / "run.h5.tmp", tmp_path / ".run.h5.notes.tmp"]
    for path in (left, *others):
        path.write_text("")
    files.write(tmp_path / "run.h5", recording())
    assert not left.exists() and all(path.exists() for path in others)


def test_files_of_living_writers_are_not_swept(tmp_path):
    first = files._Writer(tmp_path / "run.h5", 0.1)
    files.write(tmp_path / "run.h5", recording())
    assert len(list(tmp_path.iterdir())) == 2
    first.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]
    assert os.stat(tmp_path / "run.h5").st_size > 0
