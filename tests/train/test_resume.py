"""Interrupted trainings, started again, end in the same bits; wrong checkpoints are refused."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.units import ms

SCRIPT = Path(__file__).with_name("interrupted.py")
spec = importlib.util.spec_from_file_location("interrupted", SCRIPT)
interrupted = importlib.util.module_from_spec(spec)
spec.loader.exec_module(interrupted)

BATCHES = [(np.ones((3, 2, 2), np.float32), np.array([0, 1]))]


def run_script(*arguments, expected: int = 0) -> None:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    ended = subprocess.run(command, check=False, timeout=300, capture_output=True, text=True)
    assert ended.returncode == expected, ended.stderr


def same(fits) -> None:
    """Bit for bit: models, optimizer states, and figures except the seconds."""
    for left, right in zip(*(jax.tree.leaves((fit.model, fit.state)) for fit in fits), strict=True):
        np.testing.assert_array_equal(left, right)
    assert fits[0].history.steps == fits[1].history.steps
    rows = [[{**row, "seconds": 0} for row in fit.history.epochs] for fit in fits]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_killed_in_the_middle_and_run_again_it_ends_in_the_same_bits(tmp_path):
    run_script(tmp_path / "run", tmp_path / "out.npz", "die", expected=-signal.SIGKILL)
    assert not (tmp_path / "out.npz").exists() and list((tmp_path / "run").iterdir())
    run_script(tmp_path / "run", tmp_path / "out.npz")
    whole = interrupted.train(None)
    with np.load(tmp_path / "out.npz") as stored:
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves((whole.model, whole.state.opt_state))]
        for index, leaf in enumerate(leaves):
            np.testing.assert_array_equal(stored[f"arr_{index}"], leaf)
        np.testing.assert_array_equal(stored["steps"], whole.history.steps)
        np.testing.assert_array_equal(stored["accuracy"], whole.history["accuracy"])


def test_stopped_in_the_middle_of_an_epoch_it_goes_on_from_the_step(tmp_path):
    class Stop(Exception):
        pass

    def stopping(epoch):
        for index, batch in enumerate(BATCHES * 4):
            if (epoch, index) == (1, 3) and not done:
                raise Stop
            yield batch

    done = False
    with pytest.raises(Stop):
        three_epochs(stopping, tmp_path)
    assert bs.recording.checkpoint.Checkpoint(tmp_path).latest() == 6 + 1
    done = True
    same([three_epochs(stopping, tmp_path), three_epochs(stopping, None)])


def test_a_loader_is_asked_for_the_batches_that_were_not_done_and_no_others(tmp_path):
    class Stop(Exception):
        pass

    asked = []

    class Samples(bs.datasets.Dataset):
        def batch(self, ids, key=None):
            asked.append(ids)
            if len(asked) == 8:
                raise Stop
            return super().batch(ids, key)

    rng = np.random.default_rng(0)
    data = Samples(rng.normal(size=(8, 2)).astype(np.float32), np.arange(8) % 2, encode=lambda x, key: x[None])
    with pytest.raises(Stop):
        three_epochs(bs.datasets.Loader(data, 2, key=0), tmp_path)
    assert bs.recording.checkpoint.Checkpoint(tmp_path).latest() == 6 + 1
    went_on = three_epochs(bs.datasets.Prefetch(bs.datasets.Loader(data, 2, key=0)), tmp_path)
    assert len(asked) == 8 + 6
    same([went_on, three_epochs(bs.datasets.Loader(data, 2, key=0), None)])


def three_epochs(source, folder):
    model = bs.Sequential(bs.Linear(2, 2), bs.LI(5 * ms), dt=1 * ms)
    return bs.fit(
        model, source, loss=bs.losses.ce_sum, optimizer=optax.adam(0.01), epochs=3, checkpoint=folder,
        checkpoint_every=2, progress=False,
    )  # fmt: skip


def test_more_epochs_continue_and_a_finished_training_is_returned(tmp_path):
    def train(folder, epochs, **options):
        model = bs.Sequential(bs.Linear(2, 2), bs.LI(5 * ms), dt=1 * ms)
        options = {"optimizer": optax.adam(0.01), **options}
        return bs.fit(
            model, BATCHES, loss=bs.losses.ce_sum, epochs=epochs, checkpoint=folder, progress=False, **options
        )

    train(tmp_path, 2)
    longer = train(tmp_path, 4)
    same([longer, train(None, 4)])
    same([train(tmp_path, 4, resume=True), longer])
    with pytest.raises(ValueError, match="`resume` is False, but .* holds an earlier training"):
        train(tmp_path, 4, resume=False)
    with pytest.raises(FileNotFoundError, match="`resume`: no checkpoint in"):
        train(tmp_path / "other", 4, resume=True)
    with pytest.raises(ValueError, match="arrays"):
        train(tmp_path, 5, optimizer=optax.sgd(0.1))
