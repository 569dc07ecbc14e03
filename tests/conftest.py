"""What tests share: strict dtypes, a float64 fixture, the folder of real recordings, a mark for native kernels."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import matplotlib
import pytest
from hypothesis import settings

from brainsim._native import WHY_XLA

jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("Agg")
settings.register_profile("brainsim", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("brainsim")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kernels: needs the native kernels")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("kernels") and WHY_XLA is not None:
            item.add_marker(pytest.mark.skip(reason=f"needs the native kernels: {WHY_XLA}"))


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
