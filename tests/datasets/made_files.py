"""Small files in the layouts of the official data sets, made here, for readers, their fuzzing and `load`."""

import io
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np

EVENTS = 40


def events(seed: int, shape: tuple[int, ...], most_us: int = 90_000, n: int = EVENTS):
    """Sorted times (us) and the coordinates of random events."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.integers(0, most_us, n)), [rng.integers(0, size, n) for size in shape]


def atis(seed: int = 0, shape=(2, 34, 34)) -> bytes:
    t, (p, y, x) = events(seed, shape)
    return np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], axis=1).astype(np.uint8).tobytes()


def slayer(seed: int = 0, channels: int = 64) -> bytes:
    t, (p, c) = events(seed, (2, channels))
    return np.stack([c >> 8, c & 255, p << 7 | t >> 16, t >> 8 & 255, t & 255], axis=1).astype(np.uint8).tobytes()


def prophesee(seed: int = 0, shape=(2, 100, 120)) -> bytes:
    t, (p, y, x) = events(seed, shape)
    return b"% Data\n% Version 2\n\x00\x08" + np.stack([t, p << 28 | y << 14 | x], axis=1).astype("<u4").tobytes()


def aedat3(seed: int = 0, shape=(2, 128, 128)) -> bytes:
    t, (p, y, x) = events(seed, shape)
    words = np.stack([x << 17 | y << 2 | p << 1 | 1, t], axis=1).astype("<u4")
    words[3, 0] &= ~np.uint32(1)  # an event that is not valid
    content = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"
    for part in np.split(words, 4):
        content += struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, len(part), len(part), int((part[:, 0] & 1).sum()))
        content += part.tobytes()
        content += struct.pack("<hhiiiiii", 0, 1, 8, 4, 0, 1, 1, 1) + bytes(8)  # a packet of another kind
    return content


def aedat4(seed: int = 0, shape=(2, 128, 128), compression: int = 0) -> bytes:
    """Two packets of events; compression 0 (none), 1 (LZ4) or 3 (Zstandard)."""
    t, (p, y, x) = events(seed, shape)
    table = np.zeros(len(t), [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("pad", "u1", 3)])
    table["t"], table["x"], table["y"], table["p"] = t + 1_600_000_000_000_000, x, y, p
    content = b"#!AER-DAT4.0\r\n" + _header(compression, shape)
    for part in np.split(table, 2):
        packet = struct.pack("<I4sHHHHiII", 16, b"EVTS", 0, 6, 8, 4, 6, 4, len(part)) + part.tobytes()
        body = _deflated(struct.pack("<I", len(packet)) + packet, compression)
        content += struct.pack("<ii", 0, len(body)) + body
    return content


def _header(compression: int, shape) -> bytes:
    text = (
        '<dv version="2.0"><node name="outInfo"><node name="0"><attr key="typeIdentifier" type="string">EVTS</attr>'
        f'<node name="info"><attr key="sizeX" type="int">{shape[2]}</attr>'
        f'<attr key="sizeY" type="int">{shape[1]}</attr>'
        "</node></node></node></dv>"
    ).encode()
    # root, identifier, padding, list of fields (length, size, three places), table: distance, text, data table, kind
    table = struct.pack("<I4sHHHHHHiIqi", 20, b"IOHE", 0, 10, 20, 16, 8, 4, 10, 16, -1, compression)
    body = table + struct.pack("<I", len(text)) + text + b"\0"
    return struct.pack("<I", len(body)) + body


def _deflated(body: bytes, compression: int) -> bytes:
    if compression == 1:
        import lz4.frame

        return lz4.frame.compress(body)
    if compression == 3:
        import zstandard

        return zstandard.ZstdCompressor().compress(body)
    return body


def st_mnist(seed: int = 0) -> bytes:
    t, (p, y, x) = events(seed, (2, 10, 10))
    train = np.zeros((101, len(t)))
    train[10 * y + x, np.arange(len(t))], train[100] = 2 * p - 1, t / 1e6
    parts = [(6, struct.pack("<II", 6, 0)), (5, struct.pack("<ii", *train.shape)), (1, b"spiketrain")]
    parts.append((9, train.tobytes(order="F")))
    matrix = b"".join(struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8) for kind, body in parts)
    deflated = zlib.compress(struct.pack("<II", 14, len(matrix)) + matrix)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(deflated)) + deflated


def table(seed: int = 0, shape=(2, 35, 35), columns: str = "txyp", kind: type = np.int64) -> bytes:
    t, (p, y, x) = events(seed, shape)
    found, file = {"t": t, "x": x, "y": y, "p": p}, io.BytesIO()
    np.save(file, np.stack([found[column] for column in columns], axis=1).astype(kind))
    return file.getvalue()


def hsd(samples: int = 6, classes: int = 20) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        found = [events(seed, (700,), n=EVENTS + seed) for seed in range(samples)]
        for name, rows, kind in (
            ("times", [t / 1e6 for t, _ in found], np.float16),
            ("units", [unit for _, (unit,) in found], np.uint16),
        ):
            stored.create_dataset(f"spikes/{name}", (samples,), h5py.vlen_dtype(kind))
            for index, row in enumerate(rows):
                stored[f"spikes/{name}"][index] = row
        stored["labels"] = np.arange(samples) % classes
        stored["extra/speaker"] = np.arange(samples) % 3
    return file.getvalue()


def n_tidigits() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        for split in ("train", "test"):
            names = [f"man-ah-a-{digits}" for digits in ("o", "1", "23", "z")]
            stored[f"{split}_labels"] = np.asarray(names, "S")
            for seed, name in enumerate(names):
                t, (channel,) = events(seed, (64,))
                stored[f"{split}_timestamps/{name}"], stored[f"{split}_addresses/{name}"] = t / 1e6, channel
    return file.getvalue()


def packed(seed: int = 0) -> bytes:
    """An `.npz` file as that of `nmnist_small`."""
    t, (p, y, x) = events(seed, (2, 34, 34))
    file = io.BytesIO()
    arrays = {"x": x.astype(np.uint8), "y": y.astype(np.uint8), "p": p.astype(np.uint8)}
    elapsed = np.diff(t, prepend=0)
    elapsed[20] = 5
    offsets, labels = np.asarray([0, 20, EVENTS], np.uint32), np.asarray([3, 4], np.uint8)
    np.savez_compressed(file, **arrays, dt_us=elapsed.astype(np.uint16), offsets=offsets, labels=labels)
    return file.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
