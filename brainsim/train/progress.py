"""The progress bar of `fit`: one line an epoch, with its loss and metrics, on standard error."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """A bar over epochs and the latest figures beside it; a context manager.

    Args:
        epochs: Number of epochs.
        done: Epochs done already.
        shown: Whether to show anything at all.
    """

    def __init__(self, epochs: int, done: int, shown: bool):
        columns = (
            MofNCompleteColumn(),
            BarColumn(bar_width=12),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        self.progress = Progress(*columns, console=Console(stderr=True), disable=not shown)
        self.task = self.progress.add_task("", total=epochs, completed=done)

    def __enter__(self) -> "Bar":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def step(self, loss: float, step: int) -> None:
        """Show the loss of a step."""
        self.progress.update(self.task, description=f"step {step}: loss {loss:.4g}")

    def epoch(self, done: int, row: dict[str, float]) -> None:
        """Show the figures of an epoch but for the rates of layers, training / validation."""
        figures = []
        for name in (name for name in row if not name.startswith(("valid_", "rate/"))):
            valid = f" / {row[f'valid_{name}']:.4g}" if f"valid_{name}" in row else ""
            figures.append(f"{name} {row[name]:.4g}{valid}")
        self.progress.update(self.task, completed=done, description=", ".join(figures))
