"""Checkpoints of a training: written every epoch (and every so many steps), and where to go on from."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from .. import _checks
from ..recording.checkpoint import Checkpoint
from .standing import Standing


class _Stored(NamedTuple):
    """A checkpoint: leaves of the arrays of a standing, and plain numbers."""

    arrays: list[list[Any]]
    numbers: Any


class Saver:
    """Writes and finds the checkpoints of one training.

    Args:
        folder: Folder of the checkpoints; None saves nothing.
        every: Save every so many steps besides the end of every epoch; None does not.
        resume: "auto" goes on where there is a checkpoint, True insists on one, False on none.

    Raises:
        ValueError: `resume=False` although the folder has checkpoints.
        FileNotFoundError: `resume=True` although it has none.
    """

    def __init__(self, folder: str | Path | None, every: int | None, resume: Literal["auto"] | bool):
        if resume not in ("auto", True, False):
            raise ValueError(f'`resume`: expected "auto", True or False, got {resume!r}.')
        if every is not None:
            _checks.within("checkpoint_every", every, low=1)
        self.every, self.resume = every, resume
        self.checkpoint = None if folder is None else Checkpoint(folder, keep=2)
        found = None if self.checkpoint is None else self.checkpoint.latest()
        if resume is True and found is None:
            raise FileNotFoundError(f"`resume`: no checkpoint in {folder}.")
        if resume is False and found is not None:
            raise ValueError(f"`resume` is False, but {folder} holds an earlier training: choose another folder.")

    def restore(self, standing: Standing) -> None:
        """Go on from the newest checkpoint, if there is one.

        Raises:
            ValueError: The checkpoint is of another model or optimizer.
        """
        if self.checkpoint is None or self.checkpoint.latest() is None:
            return
        leaves, structures = zip(*(jax.tree.flatten(part) for part in standing.arrays), strict=True)
        stored = self.checkpoint.restore(_Stored(list(leaves), None), only="arrays")
        standing.restore(tuple(map(jax.tree.unflatten, structures, stored.arrays)), stored.numbers)

    def save(self, standing: Standing) -> None:
        """Write a checkpoint; once this returns, a killed process loses nothing before it."""
        if self.checkpoint is not None:
            leaves = [jax.tree.leaves(part) for part in standing.arrays]
            self.checkpoint.save(standing.count, _Stored(leaves, standing.numbers()))

    def step(self, standing: Standing) -> None:
        """Write a checkpoint if it is time for one."""
        if self.every is not None and standing.step % self.every == 0:
            self.save(standing)
