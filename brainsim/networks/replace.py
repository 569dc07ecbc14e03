"""The same model with another step or seed: wiring drawn again from the same streams, trained parameters kept."""

from typing import Any

import equinox as eqx

from .._checks import nearest
from .network import Network
from .sequential import Sequential


def replace(model: Any, **changes: Any) -> Any:
    """A model with some of its arguments changed.

    With the seed unchanged, wiring is the same and every parameter keeps its present (perhaps trained) value; delays
    are put on the new grid and checked against it. With a new seed everything random is drawn anew.

    Args:
        model: `Network` or `Sequential`.
        **changes: `dt`, and for a `Network` `seed` and `outputs`.

    Raises:
        ValueError: An argument that cannot be changed.
    """
    if not isinstance(model, Network | Sequential):
        raise TypeError(f"`model`: expected a Network or a Sequential, got {type(model).__name__}.")
    known: dict[str, Any] = {"dt": model.dt}
    if isinstance(model, Network):
        known |= {"seed": model.seed, "outputs": model.outputs}
    for name in changes:
        if name not in known:
            raise ValueError(f"`{name}`: expected one of {nearest(name, known)}; build anything else anew.")
    arguments = {**known, **changes}
    if isinstance(model, Network):
        fresh = Network(model.recipe.populations, model.recipe.projections, **arguments)
    else:
        layers = zip(model.names, model.layers, strict=True)
        fresh = Sequential(*layers, dt=arguments["dt"], seed=model.seed, input_shape=model.input_shape)
    return fresh if arguments.get("seed", model.seed) != model.seed else _keep_parameters(fresh, model)


def _keep_parameters(fresh: Any, model: Any) -> Any:
    parameters = [info for info in fresh.parameters().values() if info.where(fresh) is not None]
    where = lambda m: [info.where(m) for info in parameters]
    return eqx.tree_at(where, fresh, where(model)) if parameters else fresh
