"""What the operators' tests share: a mark for what needs the native kernels."""

import pytest

from brainsim.operators import WHY_XLA


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kernels: needs the native kernels")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("kernels") and WHY_XLA is not None:
            item.add_marker(pytest.mark.skip(reason=f"needs the native kernels: {WHY_XLA}"))
