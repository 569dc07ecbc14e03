"""The benchmarks from files in their official layout, from disk and from a server; and what is said where they miss."""

import dataclasses
import functools
import hashlib
import http.server
import io
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from brainsim import datasets
from brainsim.datasets import download
from brainsim.datasets.download import Archive, fetch
from brainsim.datasets.official import OFFICIAL
from tests.datasets import made_files as made

CALTECH = functools.partial(made.atis, shape=(2, 180, 240))
GESTURE = functools.partial(made.table, shape=(2, 128, 128), columns="xypt", kind=np.float64)
LAYOUTS = {
    "shd": ("train", {"shd_train.h5": made.hsd}, [0, 1, 2, 3, 4, 5]),
    "ssc": ("valid", {"ssc_valid.h5": functools.partial(made.hsd, classes=35)}, [0, 1, 2, 3, 4, 5]),
    "nmnist": ("test", {"Test/7/00004.bin": made.atis, "Test/2/00001.bin": made.atis}, [2, 7]),
    "ncaltech101": ("all", {"Caltech101/yin_yang/a.bin": CALTECH, "Caltech101/ant/b.bin": CALTECH}, [0, 1]),
    "dvs_gesture": ("train", {f"ibmGestureTrain/user01_led/{n}.npy": GESTURE for n in (2, 10)}, [10, 2]),
    "cifar10_dvs": ("all", {"CIFAR/truck/1.aedat4": made.aedat4, "CIFAR/bird/1.aedat4": made.aedat4}, [2, 9]),
    "poker_dvs": ("test", {"pips_test/i2_cl/a.npy": made.table, "pips_test/i3_sp/a.npy": made.table}, [0, 3]),
    "n_tidigits": ("train", {"n-tidigits.hdf5": made.n_tidigits}, [0, 1, 10]),
    "st_mnist": ("all", {"data_submission/8/a.mat": made.st_mnist, "data_submission/LUT.mat": bytes}, [8]),
}


@pytest.fixture
def small(monkeypatch):
    """The registry, where a split is whole with one file."""
    for name, official in OFFICIAL.items():
        splits = {split: dataclasses.replace(part, count=1) for split, part in official.splits.items()}
        monkeypatch.setitem(OFFICIAL, name, dataclasses.replace(official, splits=splits))


@pytest.mark.parametrize("name", OFFICIAL)
def test_an_official_layout_is_read_and_kept(name, small, tmp_path):
    split, files, labels = LAYOUTS[name]
    for file, make in files.items():
        made.write(tmp_path / name / file, make())
    data = datasets.load(name, tmp_path, split, dt=1.0, download=False)
    assert data.y.tolist() == labels and data.shape == OFFICIAL[name].shape and data.counts.min() >= 39
    assert not data.classes or max(labels) < len(data.classes)
    frames, y, lengths = data.batch(np.arange(len(data)))
    assert frames.shape == (data.steps, len(labels), *data.shape) and frames.sum() == data.counts.sum()
    again = datasets.load(name, tmp_path / name, split, steps=data.steps, download=False)
    assert isinstance(again.t_us, np.memmap) and again.t_us.dtype == np.uint32
    np.testing.assert_array_equal(again.t_us, data.t_us)
    assert again.about.keys() == data.about.keys()


def test_changed_files_are_read_again(small, tmp_path):
    path = tmp_path / "nmnist" / "Train" / "3" / "1.bin"
    counts = []
    for n in (40, 35):
        made.write(path, made.atis()[: 5 * n])
        counts.append(int(datasets.load("nmnist", tmp_path, dt=1.0, download=False).counts.sum()))
    assert counts == [40, 35]


def test_what_is_refused(small, tmp_path):
    made.write(tmp_path / "nmnist" / "Train" / "x" / "1.bin", made.atis())
    with pytest.raises(ValueError, match="`root`: expected files of the classes 0, 1, .*Train/x/1.bin"):
        datasets.load("nmnist", tmp_path, dt=1.0, download=False)
    with pytest.raises(ValueError, match='`split`: expected one of "all"'):
        datasets.load("st_mnist", tmp_path, dt=1.0)
    with pytest.raises(FileNotFoundError, match=r"looked for 1 file .*shd/shd_train.h5 or .*zenkelab.org.*`download`"):
        datasets.load("shd", tmp_path, dt=1.0, download=False)
    with pytest.raises(FileNotFoundError, match="STMNIST dataset.*scholarbank.*by hand"):
        datasets.load("st_mnist", tmp_path, "all", dt=1.0)


def test_incomplete_files_are_not_a_data_set(tmp_path):
    made.write(tmp_path / "nmnist" / "Train" / "3" / "1.bin", made.atis())
    with pytest.raises(FileNotFoundError, match="looked for 60000 files .*Train"):
        datasets.load("nmnist", tmp_path, dt=1.0, download=False)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`; the first answers break off after `broken` bytes."""

    content, broken, ranges, asked = b"", 0, True, ()

    def do_GET(self):
        asked, server = self.headers.get("Range"), type(self)
        server.asked = (*server.asked, asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        body = server.content[start:]
        self.send_response(206 if asked and server.ranges else 200)
        if asked and server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.broken] if server.broken else body)
        server.broken = 0

    def log_message(self, format, *arguments):
        pass


@pytest.fixture
def server():
    """A server of one archive, its class, and the archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as stored:
        stored.writestr("shd_train.h5", made.hsd())
        stored.writestr("../outside", b"")
    kind = type("OneServer", (Server,), {"content": file.getvalue()})
    running = http.server.HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    md5 = hashlib.md5(kind.content).hexdigest()
    yield kind, Archive("shd_train.h5.zip", f"http://127.0.0.1:{running.server_port}/a.zip", f"md5:{md5}")
    running.shutdown(), running.server_close(), thread.join()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_transfer_goes_on_where_it_ended(ranges, server, small, monkeypatch, tmp_path):
    kind, archive = server
    kind.broken, kind.ranges = 1000, ranges
    part = dataclasses.replace(OFFICIAL["shd"].splits["train"], archives=(archive,))
    monkeypatch.setitem(OFFICIAL, "shd", dataclasses.replace(OFFICIAL["shd"], splits={"train": part}))
    with pytest.raises(FileNotFoundError, match="1000 of .* bytes came"):
        datasets.load("shd", tmp_path, dt=1.0)
    data = datasets.load("shd", tmp_path, dt=1.0)
    assert len(data) == 6 and kind.asked == (None, "bytes=1000-")
    assert not list(tmp_path.parent.glob("outside")) and not list(tmp_path.rglob("*.part"))


def test_another_archive_than_the_published_is_refused(server, tmp_path):
    kind, archive = server
    kind.content = kind.content[:-1] + b"!"
    with pytest.raises(ValueError, match="`shd_train.h5.zip`: expected md5 .*, got .*removed"):
        fetch(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`path`: expected an archive, got .*a\.zip"):
        download.unpack(made.write(tmp_path / "a.zip", b"no archive"), tmp_path)


def test_every_address_has_a_sum():
    archives = [
        archive for official in OFFICIAL.values() for part in official.splits.values() for archive in part.archives
    ]
    assert all(archive.checksum and Path(archive.name).name == archive.name for archive in archives)
