"""Archives from the network: resumed where they broke off, checked against a published sum, unpacked.

An archive arrives as `NAME.part`, which the next attempt continues where the server allows it. Only one whose sum is
right gets its name; only one that has it is unpacked.
"""

import dataclasses
import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path

BLOCK = 1 << 20
PATIENCE_S = 30.0
"""How long a silent server is waited for."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """A file that a data set is published as.

    Attributes:
        name: Its name on disk.
        url: Where it is; None where it has to be fetched by hand.
        checksum: "md5:..." or "sha256:..."; None where none is published.
        inner: Names of archives inside it, which are unpacked too.
    """

    name: str
    url: str | None
    checksum: str | None
    inner: tuple[str, ...] = ()


def fetch(archive: Archive, folder: Path) -> None:
    """Get an archive, unless it is there already, and unpack it in `folder`.

    Raises:
        OSError: The network or the server does not give it.
        ValueError: What came is not the archive that was published, or cannot be unpacked.
    """
    target = folder / archive.name
    if not target.is_file():
        if archive.url is None:
            raise OSError(f"{archive.name} has to be fetched by hand.")
        part = target.with_name(target.name + ".part")
        _receive(archive.url, part)
        _verify(part, archive)
        part.rename(target)
    unpack(target, folder)
    for name in archive.inner:
        for found in sorted(folder.rglob(name)):
            unpack(found, found.parent)


def unpack(path: Path, folder: Path) -> None:
    """Unpack a .zip or .tar.gz file; others are left as they are. Nothing is written outside of `folder`.

    Raises:
        ValueError: A damaged archive.
    """
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as stored:
                stored.extractall(folder)
        elif path.name.endswith(".tar.gz"):
            with tarfile.open(path) as stored:
                stored.extractall(folder, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"`path`: expected an archive, got {type(error).__name__} ({error}) in {path}.") from error


def _receive(url: str, part: Path) -> None:
    """Append to `part` what is missing of `url`."""
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            continues = answer.status == 206 and str(answer.headers["Content-Range"]).startswith(f"bytes {there}-")
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("ab" if continues else "wb") as file:
                shutil.copyfileobj(answer, file, BLOCK)
                received, announced = file.tell() - (there if continues else 0), answer.headers["Content-Length"]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:  # nothing is missing
            raise OSError(f"{url}: {error.code} {error.reason}.") from error
    except http.client.HTTPException as error:
        raise OSError(f"{url}: {type(error).__name__} ({error}).") from error
    else:
        if announced is not None and received != int(announced):
            raise OSError(f"{url}: {received} of {announced} bytes came; the next attempt continues.")


def _verify(part: Path, archive: Archive) -> None:
    """Raise, and remove the file, unless its sum is the published one."""
    if archive.checksum is None:
        return
    kind, expected = archive.checksum.split(":")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != expected:
        part.unlink()
        raise ValueError(f"`{archive.name}`: expected {kind} {expected}, got {found} from {archive.url}; removed.")
