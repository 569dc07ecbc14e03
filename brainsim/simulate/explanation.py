"""What `explain` returns: a row for every part of a model, as a table."""

import dataclasses
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Part:
    """One population, projection or layer.

    Attributes:
        name: Its path in the model.
        way: "fused" (its own native loop), "kernel" (an event operator), both, "xla", "input" or "shape only".
        size: Neurons, synapses, or outputs.
        operations: Arithmetic operations in each step, those for events not counted.
        bytes: Bytes read and written in each step, likewise.
        per_event: Bytes that one event at one synapse moves; 0 for populations.
        why: Why it is not native, or None.
    """

    name: str
    way: str
    size: int
    operations: int
    bytes: int
    per_event: int = 0
    why: str | None = None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What `explain` returns; printing it shows a table.

    Attributes:
        parts: Populations, then projections; or layers.
        loop: "one native call", "native calls in each step", "XLA" or "layer by layer".
        why: What stood in the way of one native call.
    """

    parts: tuple[Part, ...]
    loop: str
    why: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers and strings."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        rows = [("part", "way", "size", "operations", "bytes", "bytes/event")]
        rows += [
            (p.name, p.way, f"{p.size:,}", f"{p.operations:,}", f"{p.bytes:,}", str(p.per_event or ""))
            for p in self.parts
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
        lines += [f"{part.name}: {part.why}" for part in self.parts if part.why]
        return "\n".join([*lines, f"loop over time: {self.loop}", *(f"  {why}" for why in self.why)])


def _padded(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if column < 2 else cell.rjust(width)
