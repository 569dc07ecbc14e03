"""Linear neurons without a reset, all steps at once: depth O(log T) in place of T.

    v_t = d v_{t-1} + b_t        (d, b) o (d', b') = (d d', d' b + b')        s_t = H(v_t - v_th)

The recurrence is linear, hence an associative scan (Blelloch, IEEE Trans. Comput. 38 (1989) 1526); spikes do not act
back on v, so they are read off at the end. Fang et al., NeurIPS 2023 (parallel spiking neurons). Units: ms, mV. It pays
where steps are many and cores too; on one core of a CPU the fused loop of the plain neuron does the same in one pass.
"""

import jax
import jax.numpy as jnp

from ..._streams import Stream
from ..._types import Array, State
from ...neurons import LI, LIF
from .base import Watched
from .cell import Cell


class Parallel(Cell):
    """A linear neuron for every input, computed over all steps together.

    Args:
        neuron: `LIF(..., reset="none")` or `LI(...)`, without a refractory time.

    Raises:
        ValueError: A neuron whose step is not linear in its own past.
    """

    def __post_init__(self):
        neuron = self.neuron
        free = type(neuron) is LIF and (neuron.reset, neuron.integrator) == ("none", "exact")
        if not (isinstance(neuron, LI) or free) or neuron.uses_refractory or neuron.precise_times:
            raise ValueError(
                f'`neuron`: expected LI or LIF(reset="none") with exact integration and no `t_ref`, got {neuron!r}: '
                f"only then is a step linear in the step before."
            )

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps in an associative scan; see `Layer.unroll`."""
        if len(xs) == 0:
            return super().unroll(state, xs, dt, key, watch)
        rest = jnp.zeros(self.shape, xs.dtype)
        quiet = lambda v: self.neuron.step(State(v=v), self.neuron.fed(rest), dt, key)[0].v
        drift, decay = jax.jvp(quiet, (rest,), (jnp.ones_like(rest),))
        inputs = xs + drift
        v = recurrence(decay, inputs.at[0].add(decay * state.v))
        ys = v if self.emission == "v" else self.neuron.surrogate(self.neuron.overdrive(State(v=v)))
        return State(v=v[-1]), ys, {name: v for name in watch}

    def __repr__(self) -> str:
        return f"Parallel({type(self.neuron).__name__})"


def recurrence(decay: Array, inputs: Array) -> Array:
    """v_t = decay v_{t-1} + inputs_t with v_{-1} = 0, in O(log T) depth.

    Args:
        decay: Factor of a step, any shape that broadcasts to one step.
        inputs: `(time, ...)`.
    """
    one = decay.reshape((1,) * (inputs.ndim - decay.ndim) + decay.shape)
    factors = jnp.broadcast_to(one, (len(inputs), *one.shape[1:]))

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return first[0] * second[0], second[0] * first[1] + second[1]

    return jax.lax.associative_scan(join, (factors, inputs))[1]
