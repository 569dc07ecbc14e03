"""Who is to blame: the neuron in which a state stopped being finite, and the largest drive it got."""

import jax.numpy as jnp
import numpy as np

from .._types import State
from ..networks import Network
from .advance import advance
from .inputs import Inputs
from .records import Plan


def not_finite(network: Network, state: State, inputs: Inputs, path: str, step: int) -> str:
    """The sentence for a state that is not finite after step `step`, found by running again up to it.

    Args:
        network: The network.
        state: State some steps before.
        inputs: Inputs from that state on.
        path: The variable, such as `"E.v"`.
        step: Index of the step.
    """
    name, _, variable = path.rpartition(".")
    before = int(step - int(np.asarray(state.step)))
    empty = Plan((), (), ())
    upto = advance(network, state, inputs.between(0, before), empty, steps=before, start=0).state
    after = advance(network, upto, inputs.between(before, before + 1), empty, steps=1, start=0).state
    values = np.asarray(getattr(after.populations[name], variable))
    neuron = int(np.argwhere(~np.isfinite(values))[0][-1])
    trial = f" of trial {int(np.argwhere(~np.isfinite(values))[0][0])}" if values.ndim == 2 else ""
    drives = []
    for edge, connection in network.projections.items():
        if connection.post == name and connection.state_units():
            leaf = getattr(upto.projections[edge], connection.synapse.port)
            unit = connection.synapse.state_units()[connection.synapse.port]
            drives.append((float(jnp.max(jnp.abs(jnp.nan_to_num(leaf, posinf=jnp.inf)))), edge, unit))
    largest = max(drives, default=None)
    cause = f"; largest drive: {largest[1]} {largest[0]:.1e} {largest[2]}" if largest else ""
    time = (step + 1) * network.dt
    return f"non-finite {variable} in {name} at step {step} ({time:g} ms), neuron {neuron}{trial}{cause}."
