"""What every test shares: strict dtypes, a float64 fixture, and the folder of real recordings."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import matplotlib
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("Agg")
settings.register_profile("brainsim", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("brainsim")


@pytest.fixture
def x64() -> Iterator[None]:
    """Run the test with float64 as JAX's default, and float32 again after it."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def data_folder() -> Callable[[str], Path]:
    """`data_folder("nmnist_small")`: a folder of real data below `BRAINSIM_DATA`; where it is absent, skip the test."""

    def find(name: str) -> Path:
        root = os.environ.get("BRAINSIM_DATA")
        if not root:
            pytest.skip(f"needs real data: set BRAINSIM_DATA to the folder that holds {name}/")
        folder = Path(root) / name
        if not folder.is_dir():
            pytest.skip(f"needs real data: {folder} does not exist")
        return folder

    return find
