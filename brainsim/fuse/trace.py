"""A function of pytrees as a jaxpr without constants, and the arrays that it closes over."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun


class Traced(NamedTuple):
    """A traced function.

    Attributes:
        jaxpr: Takes the captured arrays, then the leaves of the arguments; it has no constants of its own.
        captured: Arrays and tracers that the function closed over.
        out: The results, as shapes and dtypes.
    """

    jaxpr: ClosedJaxpr
    captured: list[Any]
    out: Any


def trace(function: Callable[..., Any], *args: Any) -> Traced:
    """Trace `function(*args)`; arguments may be arrays or shapes with dtypes."""
    leaves, tree = jax.tree.flatten(args)
    flat = lambda *leaves: function(*jax.tree.unflatten(tree, leaves))
    closed, out = jax.make_jaxpr(flat, return_shape=True)(*leaves)
    captured = [jnp.asarray(const) if not isinstance(const, jax.Array) else const for const in closed.consts]

    def open_function(captured: list[Any], leaves: list[Any]) -> list[Any]:
        return jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, captured))(*leaves)

    return Traced(jax.make_jaxpr(open_function)(captured, leaves), captured, out)
