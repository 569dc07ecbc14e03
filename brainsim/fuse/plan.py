"""A body that is run natively for a number of steps: what is computed before, the program, and what is made of it."""

from typing import Any

import jax
import jax.numpy as jnp

from . import compile
from .graph import Graph, Literal
from .hoist import Hoisted
from .layout import Layout, Roles, lay_out
from .rewrite import Rewritten
from .schedule import schedule


class Plan:
    """How a body runs.

    Args:
        graph: The body.
        hoisted: The body parted into what changes from step to step and what does not.
        roles: Which outputs are carried, which inputs have a row for each step, which outputs are written down.
        length: Number of steps.

    Raises:
        Unfusable: Something in it has no native counterpart.
    """

    def __init__(self, graph: Graph, hoisted: Hoisted, roles: Roles, length: int):
        self.graph, self.hoisted, self.roles, self.length = graph, hoisted, roles, length
        step = Rewritten(graph, hoisted, roles.carried)
        self.layout: Layout = lay_out(step, schedule(step), roles, length)

    def run(self, known: dict[int, Any]) -> list[Any]:
        """The outputs, inside a traced function: carried ones after the last step, others with an axis of time.

        Args:
            known: The inputs and every value that does not change.
        """
        for kernel in self.layout.program.kernels:
            compile.load(kernel)
        shapes = [self._struct(at) for at in self.layout.results]
        results = self.layout.program.call([known[value] for value in self.layout.operands], shapes)
        made = dict(zip(self.layout.results, results, strict=True))
        return [made[at] if at in made else self._constant(at, known) for at in range(len(self.graph.outputs))]

    def _struct(self, at: int) -> jax.ShapeDtypeStruct:
        kind = self.graph.type_of(self.graph.outputs[at])
        shape = (self.length, *kind.shape) if at in self.roles.written else kind.shape
        return jax.ShapeDtypeStruct(shape, kind.dtype)

    def _constant(self, at: int, known: dict[int, Any]) -> Any:
        """An output that does not change from step to step."""
        atom = self.graph.outputs[at]
        value = jnp.asarray(atom.value, atom.dtype) if isinstance(atom, Literal) else known[atom]
        return jnp.broadcast_to(value, (self.length, *value.shape)) if at in self.roles.written else value
