"""A run to a file survives its process: killed anywhere and called again, it gives the file of the whole run."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import brainsim as bs
from brainsim.recording import Recorder, Spikes, Trace
from brainsim.units import ms, pA

from . import interrupted

SCRIPT = Path(interrupted.__file__)


def content(path):
    """Every dataset of a file but the header, which says how long the run took."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None
        )
    found.pop("brainsim/header")
    return found


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    whole, path = tmp_path / "whole.h5", tmp_path / "run.h5"
    interrupted.run(whole)
    moments, kills = random.Random(0), 0
    for _ in range(40):
        command = [sys.executable, str(SCRIPT), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            child.stdout.readline()
            commit = path.with_name("run.h5.part") / "commit.h5"
            before = commit.stat().st_mtime_ns if commit.exists() else 0
            while child.poll() is None and (commit.stat().st_mtime_ns if commit.exists() else 0) == before:
                time.sleep(0.01)
            time.sleep(moments.random() * 0.2)
            child.send_signal(signal.SIGKILL)
            child.wait()
        if path.exists():
            break
        kills += 1
        if kills == 3:
            assert interrupted.run(path, resume=True).steps == 4200
            break
    assert kills == 3, "the run was over before it was killed"
    assert content(path) == content(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.h5", "whole.h5"]


@pytest.fixture
def unfinished(tmp_path):
    """The file of a run that stopped after 56 of 420 ms, its folder committed."""
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        driver = sys.modules["brainsim.simulate.simulate"]
        patch.setattr(driver, "_COMMIT_SECONDS", 0.0)
        append, calls = Recorder.append, []

        def stop(recorder, chunk, k0, steps):
            append(recorder, chunk, k0, steps)
            calls.append(k0)
            if k0 > 500:
                raise KeyboardInterrupt

        patch.setattr(Recorder, "append", stop)
        interrupted.run(path)
    assert not path.exists() and (tmp_path / "run.h5.part" / "commit.h5").exists()
    return path


def test_interrupted_and_called_again(unfinished, tmp_path):
    interrupted.run(tmp_path / "whole.h5")
    again = interrupted.run(unfinished)
    assert content(unfinished) == content(tmp_path / "whole.h5")
    assert (again.steps, again["E"].spikes.counts.sum() > 100) == (4200, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.h5", "whole.h5"]


def test_another_run_is_not_taken_for_it(unfinished):
    for change, name in [
        ({"duration": 350.0}, "duration"),
        ({"state": interrupted.network().init_state(key=bs._streams.key_of(3, "x"))}, "state"),
    ]:
        with pytest.raises(
            ValueError, match=rf"run\.h5\.part holds an unfinished run with other {name}: `resume=False`"
        ):
            interrupted.run(unfinished, **change)
    with pytest.raises(ValueError, match="other network, state"):
        bs.simulate(bs.replace(interrupted.network(), seed=8), 420 * ms, to=unfinished, record=interrupted.RECORD,
                    inputs={"E": bs.OU(0 * pA, 5 * pA, 5 * ms)})  # fmt: skip
    short = interrupted.run(unfinished, duration=14.0, resume=False)
    assert short.steps == 140 and [p.name for p in unfinished.parent.iterdir()] == ["run.h5"]


def test_there_must_be_a_run_to_insist_on(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`resume`: .*run\.h5\.part holds no unfinished run"):
        interrupted.run(tmp_path / "run.h5", resume=True)
    with pytest.raises(ValueError, match="`resume`: expected"):
        interrupted.run(tmp_path / "run.h5", resume="yes")
    assert not list(tmp_path.iterdir())


def test_one_process_at_a_time(tmp_path):
    options = {"dt": 1.0, "sizes": {"E.spikes": 2}, "to": tmp_path / "run.h5"}
    with Recorder([Spikes("E")], **options), pytest.raises(ValueError, match="another process is writing"):
        Recorder([Spikes("E")], **options)


def test_a_torn_row_after_the_commit_is_cut_off(tmp_path):
    options = {"dt": 1.0, "sizes": {"E.v": 3}, "to": tmp_path / "run.h5"}
    v = np.arange(60, dtype=np.float32).reshape(20, 3)
    with pytest.raises(KeyboardInterrupt), Recorder([Trace("E.v")], **options) as recorder:
        recorder.append({"E.v": v[:8]}, 0, 8)
        recorder.commit(None)
        recorder.append({"E.v": v[:9]}, 8, 9)
        raise KeyboardInterrupt
    with open(tmp_path / "run.h5.part" / "E.v.values.bin", "ab") as file:
        file.write(b"torn")
    with Recorder([Trace("E.v")], **options) as recorder:
        assert recorder.committed is not None and recorder.committed.steps == 8
        recorder.append({"E.v": v[8:]}, 8, 12)
        np.testing.assert_array_equal(recorder.finish().records["E.v"].values, v)


def test_a_column_that_is_too_short_is_refused(unfinished):
    column = unfinished.with_name("run.h5.part") / "E.v.values.bin"
    column.write_bytes(column.read_bytes()[:9])
    with pytest.raises(ValueError, match=r"E\.v\.values\.bin: damaged, has \d+ bytes"):
        interrupted.run(unfinished)


def test_a_window_of_a_file(tmp_path):
    r = interrupted.run(tmp_path / "run.h5", duration=70.0)
    spikes, part = r["E"].spikes, bs.Result.load(tmp_path / "run.h5")["E"].spikes.between(20.3 * ms, 45 * ms)
    inside = (spikes.t > 20.3 + 1e-9) & (spikes.t < 45 + 1e-9)
    assert inside.any() and not inside.all()
    np.testing.assert_array_equal(part.t, spikes.t[inside])
    np.testing.assert_array_equal(part.i, spikes.i[inside])
    np.testing.assert_array_equal(part.dense, spikes.dense[203:450])
    np.testing.assert_array_equal(bs.analysis.rates(part), bs.analysis.rates(spikes.between(20.3, 45)))
    for begin, end in ((-1, 3), (5, 5), (0, 71)):
        with pytest.raises(ValueError, match="`begin`, `end`: expected 0 <= begin < end <= 70 ms"):
            spikes.between(begin, end)
