"""The batches of a loader, made in a background thread while the program works on those before."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

from .. import _checks

_END = object()


class Prefetch:
    """A loader whose next batches are ready when they are asked for: the same batches in the same order.

    An error of the data set is raised where its batch would have come. A loop that ends early ends the thread.

    Args:
        loader: Loader, or the `Augmented` batches of one.
        ahead: How many batches wait at most.
    """

    def __init__(self, loader: Any, ahead: int = 2):
        _checks.within("ahead", ahead, low=1)
        self.loader, self.ahead = loader, ahead

    def __len__(self) -> int:
        """Number of batches an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The batches of epoch 0."""
        return self(0)

    def __call__(self, epoch: int, start: int = 0) -> Iterator[tuple[Any, ...]]:
        """The batches of one epoch from number `start` on."""
        waiting: queue.Queue[Any] = queue.Queue(self.ahead)
        over = threading.Event()
        batches = self.loader(epoch, start)
        thread = threading.Thread(target=_fill, args=(batches, waiting, over), daemon=True)
        thread.start()
        try:
            while (batch := waiting.get()) is not _END:
                if isinstance(batch, BaseException):
                    raise batch
                yield batch
        finally:
            over.set()
            while not waiting.empty():
                waiting.get_nowait()
            thread.join()


def _fill(batches: Iterator[Any], waiting: queue.Queue[Any], over: threading.Event) -> None:
    """Put batches into the queue until they end, one fails, or nobody wants more."""
    try:
        for batch in batches:
            if not _put(batch, waiting, over):
                return
        _put(_END, waiting, over)
    except BaseException as error:  # raised again in the thread that asked
        _put(error, waiting, over)


def _put(item: Any, waiting: queue.Queue[Any], over: threading.Event) -> bool:
    """Wait for a place; False where the batches are no longer wanted."""
    while not over.is_set():
        try:
            waiting.put(item, timeout=0.05)
        except queue.Full:
            continue
        return True
    return False
