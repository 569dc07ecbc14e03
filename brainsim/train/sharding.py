"""One training over several devices: each takes a part of every batch, and XLA adds up their gradients.

The program is that of one device (`jax.sharding`: one program, many devices), so losses, penalties and statistics are
those of the whole batch, whatever the number of devices. Native kernels of the CPU are computed on every device as a
whole; what gains are devices on which XLA runs all operations.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .batches import Batch


def placement(devices: Sequence[Any] | None) -> tuple[Callable[[Batch], Batch], Callable[[Any], Any]]:
    """`share(batch)`, which gives each device its part, and `copy(tree)`, which gives each the whole.

    Args:
        devices: Devices to train on; None leaves everything where it is.

    Raises:
        ValueError: No device.
    """
    if devices is None:
        return lambda batch: batch, lambda tree: tree
    if not len(devices):
        raise ValueError("`devices`: expected at least one device, such as `jax.devices()`, got none.")
    mesh = Mesh(np.asarray(devices), ("batch",))
    whole = NamedSharding(mesh, PartitionSpec())

    def share(batch: Batch) -> Batch:
        fits = batch.size % len(devices) == 0
        return jax.tree.map(lambda leaf: jax.device_put(leaf, _of_samples(leaf, batch.size) if fits else whole), batch)

    def _of_samples(leaf: Any, size: int) -> NamedSharding:
        axis = next((axis for axis in (1, 0) if leaf.ndim > axis and leaf.shape[axis] == size), None)
        return whole if axis is None else NamedSharding(mesh, PartitionSpec(*[None] * axis, "batch"))

    def copy(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.device_put(leaf, whole) if isinstance(leaf, jax.Array) else leaf, tree)

    return share, copy
