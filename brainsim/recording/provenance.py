"""Which software made a result: versions of the packages that decide its numbers, and the commit of a checkout."""

import functools
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("brainsim", "jax", "jaxlib", "numpy", "equinox")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@functools.cache
def _head(folder: Path) -> tuple[str | None, bool | None]:
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return None, None
    git = ["git", "-C", str(folder)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False)
    return (None, None) if head.returncode else (head.stdout.strip(), bool(status.stdout.strip()))


def commit() -> dict[str, Any]:
    """Git commit of the checkout that is running and whether it had changes when first asked; None for a wheel."""
    head, dirty = _head(Path(__file__).resolve().parents[2])
    return {"commit": head, "dirty": dirty}
