"""The methods that `fit(gradient=...)` knows: each is one file with one function `value_and_grad`.

(objective, params, static, batch, key) -> (outcome, gradient with respect to params)
"""

from typing import Any, Protocol

from ... import _checks
from ..._types import Array
from ..batches import Batch
from ..objective import Objective, Outcome
from . import bptt, eprop, eventprop, ottt
from .online import Online


class Differentiate(Protocol):
    """A way to the gradient of an objective; see `bptt.value_and_grad` for the arguments."""

    def __call__(self, objective: Objective, params: Any, static: Any, batch: Batch, key: Array) -> tuple[Outcome, Any]:
        """What the model makes of the batch, and the gradient, a tree like `params`."""
        ...


METHODS: dict[str, Differentiate] = {
    "bptt": bptt.value_and_grad,
    "eprop": eprop.value_and_grad,
    "eventprop": eventprop.value_and_grad,
    "ottt": ottt.value_and_grad,
}

ONLINE: dict[str, Online] = {"eprop": Online(eprop.Eprop()), "ottt": Online(ottt.Ottt())}
"""Those whose gradient of a step is known in it."""


def method(name: str) -> Differentiate:
    """The method of a name.

    Raises:
        ValueError: An unknown name.
    """
    _checks.choice("gradient", name, METHODS)
    return METHODS[name]


def online(name: str) -> Online:
    """The rule of a method that can change the parameters in every step.

    Raises:
        ValueError: A method whose gradient is known after the last step.
    """
    if name not in ONLINE:
        known = " or ".join(f'"{known}"' for known in sorted(ONLINE))
        raise ValueError(f'`update`: "step" needs a gradient that goes forward in time, {known}, got "{name}".')
    return ONLINE[name]
