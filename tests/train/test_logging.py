"""Logs are told every epoch, and what they write can be read back."""

import csv

import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.train import CSV, TensorBoard
from brainsim.units import ms

BATCHES = [(np.ones((3, 2, 2), np.float32), np.array([0, 1]))] * 2


def train(log, epochs=2, **options):
    model = bs.Sequential(bs.Linear(2, 3), ("hid", bs.LIF(5 * ms)), bs.Linear(3, 2), bs.LI(5 * ms), dt=1 * ms)
    return bs.fit(
        model, BATCHES, loss=bs.losses.ce_sum, optimizer=optax.sgd(0.1), epochs=epochs, valid=BATCHES[:1], log=log,
        progress=False, **options,
    ).history  # fmt: skip


def test_a_csv_file_has_a_row_an_epoch_and_is_whole_after_an_interruption(tmp_path):
    path, folder = tmp_path / "figures.csv", tmp_path / "run"
    train([CSV(path)], 1, checkpoint=folder)
    history = train([CSV(path)], 3, checkpoint=folder)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("epoch") for row in rows] == ["1", "2", "3"]
    assert [{name: float(value) for name, value in row.items()} for row in rows] == history.epochs
    assert "rate/hid" in rows[0] and "valid_rate/hid" in rows[0]


def test_a_log_is_any_function_of_the_history():
    lengths = []
    train([lambda history: lengths.append((len(history), len(history.steps)))])
    assert lengths == [(1, 2), (2, 4)]


def test_tensorboard_reads_the_figures(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    history = train([TensorBoard(tmp_path)])
    found = {}
    (path,) = tmp_path.iterdir()
    for record in records(path.read_bytes()):
        event = Event.FromString(record)
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value.simple_value
    assert found["step/loss"] == pytest.approx(dict(enumerate(history.steps, 1)), rel=1e-6)
    assert found["valid/loss"] == pytest.approx(dict(enumerate(history["valid_loss"], 1)), rel=1e-6)
    assert found["train/rate/hid"] == pytest.approx(dict(enumerate(history["rate/hid"], 1)), rel=1e-6)


def records(data: bytes):
    """The records of a TFRecord file: length, checksum of 4 bytes, content, checksum of 4 bytes."""
    while data:
        length = int.from_bytes(data[:8], "little")
        yield data[12 : 12 + length]
        data = data[16 + length :]
