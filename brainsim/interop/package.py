"""The `nir` package, imported when something is read or written and not before."""

from typing import Any


def nir_package() -> Any:
    """The module `nir`.

    Raises:
        ImportError: It is not installed; the message names the extra.
    """
    try:
        import nir
    except ImportError as error:
        raise ImportError('NIR needs the package `nir`: pip install "brainsim[nir]".') from error
    return nir
