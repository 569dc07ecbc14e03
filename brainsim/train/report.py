"""What `diagnose` returns: a row for every part of a model, the loss, and a sentence where something is wrong."""

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class Part:
    """A layer, population or projection; None where a figure means nothing for it.

    Attributes:
        name: Its path in the model.
        rate: Mean rate (Hz).
        dead: Fraction of its neurons that never spiked.
        saturated: Fraction of its neurons that spiked in nearly every step in which they could.
        hits: Fraction of steps and neurons in which the surrogate is at least a tenth of its peak.
        growth: Factor by which a small change of its state grows in each step.
        gradient: Norm of the loss's gradient to its parameters.
    """

    name: str
    rate: float | None = None
    dead: float | None = None
    saturated: float | None = None
    hits: float | None = None
    growth: float | None = None
    gradient: float | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """What `diagnose` returns; printing it shows a table and the sentences.

    Attributes:
        parts: Layers, those inside others by their paths; or populations and projections, and "network" for the whole.
        loss: Loss of the batch.
        chance: Loss of an output that is 0: what knowing nothing costs.
        steps: Number of steps of the batch.
        problems: A sentence for everything that is wrong and what helps.
    """

    parts: tuple[Part, ...]
    loss: float
    chance: float
    steps: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __getitem__(self, name: str) -> Part:
        """The row of a part."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(f"no part {name!r}; there are {', '.join(part.name for part in self.parts)}")

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers and strings."""
        return {**dataclasses.asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("part", "rate", "dead", "saturated", "hits", "growth/step", "gradient")]
        for part in self.parts:
            shares = (_text(value, "{:.0%}") for value in (part.dead, part.saturated, part.hits))
            growth, gradient = _text(part.growth, "{:.3g}"), _text(part.gradient, "{:.2e}")
            rows.append((part.name, _text(part.rate, "{:.1f} Hz"), *shares, growth, gradient))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
        lines.append(f"loss {self.loss:.4g}, by chance {self.chance:.4g}, over {self.steps} steps")
        return "\n".join([*lines, *(f"- {problem}" for problem in self.problems or ("nothing is wrong",))])


def _text(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value) if math.isfinite(value) else str(value)
