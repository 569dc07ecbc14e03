"""Where the figures of a training go while it runs: `fit(..., log=[CSV("figures.csv"), TensorBoard("runs/1")])`.

A log is a function of the history, called after every epoch.
"""

import time
import weakref
from collections.abc import Callable
from pathlib import Path

from .history import History

Log = Callable[[History], None]


class CSV:
    """The table of the epochs as a file, written anew after every epoch.

    Args:
        path: File; its folder must be there.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def __call__(self, history: History) -> None:
        """Write the file."""
        history.to_csv(self.path)


class TensorBoard:
    """Events for TensorBoard, written by tensorboardX: the loss of every step, the figures of every epoch.

    They are on disk when the call returns (the `SummaryWriter` of tensorboardX writes in a thread, later).

    Args:
        folder: Folder of the events; one a training.

    Raises:
        ImportError: tensorboardX is not installed.
    """

    def __init__(self, folder: str | Path):
        try:
            from tensorboardX.event_file_writer import EventsWriter
        except ImportError as error:
            raise ImportError('TensorBoard needs tensorboardX: `pip install "brainsim[tensorboard]"`.') from error
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.writer, self.steps = EventsWriter(str(Path(folder) / "events")), 0
        weakref.finalize(self, self.writer.close)

    def __call__(self, history: History) -> None:
        """Add the last epoch."""
        for step, loss in enumerate(history.steps[self.steps :], self.steps + 1):
            self._scalar("step/loss", loss, step)
        self.steps = len(history.steps)
        for name, value in history.epochs[-1].items():
            part = "valid" if name.startswith("valid_") else "train"
            self._scalar(f"{part}/{name.removeprefix('valid_')}", value, len(history))
        self.writer.flush()

    def _scalar(self, name: str, value: float, step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] (made by protobuf)
        from tensorboardX.summary import scalar

        self.writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
