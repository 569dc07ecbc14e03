"""SONATA circuits of point neurons as networks: read, and run with the spikes that come with them.

| `model_template` of nodes | neuron | synapse of the edges onto them |
|---|---|---|
| `nest:iaf_psc_delta` | `LIF` | `Delta` (mV) |
| `nest:iaf_psc_exp` | `LIF` | `Exponential` (pA) |
| `nest:iaf_psc_alpha` | `LIF` | `Alpha` (pA) |

Parameters have NEST's names and, where the circuit does not give them, NEST's defaults. An edge's weight is
`syn_weight` (times `nsyns` where given), its delay `delay`, by default 1 ms as in NEST. Virtual nodes emit the spikes
of the configuration's `inputs`; without any they are an `Input`. All voltages start at `conditions: v_init`, without it
at rest. Dai K. et al., PLoS Comput. Biol. 16 (2020) e1007696; NEST's model documentation.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import synapses
from ..connectivity import Positions
from ..connectivity.sonata import Circuit, Edges, Nodes, read_circuit, read_config, read_spikes
from ..networks import Network, Population
from ..neurons import LIF, Input, SpikeTimes
from ..neurons.sources import Source
from ..simulate import simulate
from ..synapses import Projection, Synapse

NEST_NEURON = ("tau_m", "C_m", "E_L", "V_th", "V_reset", "t_ref", "I_e")

SYNAPSES: dict[str, Callable[[Any], Synapse]] = {
    "nest:iaf_psc_delta": lambda tau: synapses.Delta(),
    "nest:iaf_psc_exp": lambda tau: synapses.Exponential(tau),
    "nest:iaf_psc_alpha": lambda tau: synapses.Alpha(tau),
}
"""What an edge onto a neuron of each model does, from its time constant (ms)."""

TAU_SYN = 2.0
"""NEST's default of `tau_syn_ex` and `tau_syn_in` (ms)."""

DELAY = 1.0
"""NEST's default delay (ms)."""


def load_sonata(path: str | Path, *, dt: Any = None, seed: int = 0) -> Network:
    """The network of a SONATA configuration, with its input spikes as sources.

    Args:
        path: `config.json` that names circuit and simulation, a simulation configuration, or a circuit configuration.
        dt: Step (ms); by default that of the simulation configuration.
        seed: Seed of the network.

    Raises:
        ValueError: A file lacks something or contradicts another, a model is not in the table, or no `dt` is known; the
            message names the file.
    """
    return _load(Path(path), dt, seed)[0]


def simulate_sonata(path: str | Path, *, dt: Any = None, duration: Any = None, seed: int = 0, **options: Any) -> Any:
    """Load a SONATA simulation and run it.

    Args:
        path: As in `load_sonata`.
        dt: Step (ms); by default that of the configuration.
        duration: Biological time (ms); by default `tstop` of the configuration.
        seed: Seed of the network.
        options: Further arguments of `simulate`, such as `record`.

    Returns:
        The `Result` of `simulate`.
    """
    net, run = _load(Path(path), dt, seed)
    duration = run.get("tstop") if duration is None else duration
    if duration is None:
        raise ValueError(f"{path}: no `run: tstop`; give `duration`.")
    return simulate(net, duration, **options)


def _load(path: Path, dt: Any, seed: int) -> tuple[Network, dict[str, Any]]:
    """The network, and the simulation's `run`."""
    path = path.absolute()
    config = read_config(path)
    simulation: dict[str, Any] = config
    if isinstance(config.get("simulation"), str):
        simulation_path = path.parent / config["simulation"]
        simulation = {**read_config(simulation_path), "network": str(path.parent / config["network"])}
    if "networks" in simulation:
        circuit_config, folder = simulation, path.parent
    elif isinstance(simulation.get("network"), str):
        circuit_path = path.parent / simulation["network"]
        circuit_config, folder = read_config(circuit_path), circuit_path.parent
    else:
        raise ValueError(
            f"{path}: expected `networks` (a circuit) or `network` (a simulation), got {', '.join(config)}."
        )
    circuit, run = read_circuit(circuit_config, folder), simulation.get("run", {})
    step = run.get("dt") if dt is None else dt
    if step is None:
        raise ValueError(f"{path}: no `run: dt`; give `dt`.")
    inputs = _inputs(path, simulation)
    v_init = simulation.get("conditions", {}).get("v_init")
    populations = {name: _population(name, nodes, inputs.get(name), v_init) for name, nodes in circuit.nodes.items()}
    projections = [part for name, edges in circuit.edges.items() for part in _projections(circuit, name, edges)]
    return Network(populations, projections, dt=step, seed=seed), run


def _inputs(path: Path, simulation: dict[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Spikes of each population that gets some."""
    sets: dict[str, Any] = {}
    if "node_sets_file" in simulation:
        sets = read_config(path.parent / simulation["node_sets_file"])
    spikes: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, entry in simulation.get("inputs", {}).items():
        if entry.get("input_type") != "spikes":
            raise ValueError(f"{path}: input {name!r} is of type {entry.get('input_type')!r}; spikes alone are read.")
        node_set = sets.get(entry["node_set"], {"population": entry["node_set"]})
        if set(node_set) != {"population"}:
            raise ValueError(f"{path}: input {name!r} goes to a part of a population, {entry['node_set']!r}.")
        population = node_set["population"]
        spikes.setdefault(population, []).append(read_spikes(path.parent / entry["input_file"], population))
    joined = lambda parts, at: np.concatenate([part[at] for part in parts])
    return {name: (joined(parts, 0), joined(parts, 1)) for name, parts in spikes.items()}


def _population(name: str, nodes: Nodes, spikes: Any, v_init: Any) -> Population | Source:
    if _one_word(nodes, "model_type") == "virtual":
        return Input(nodes.n) if spikes is None else SpikeTimes(*spikes, n=nodes.n)
    if spikes is not None:
        raise ValueError(f"{nodes.path}: {name!r} gets input spikes, but its nodes are not virtual.")
    model = _one_word(nodes, "model_template")
    if model not in SYNAPSES:
        raise ValueError(f"{nodes.path}: `model_template` {model!r} of {name!r}; there are {', '.join(SYNAPSES)}.")
    given = {parameter: _given(nodes, parameter) for parameter in NEST_NEURON if parameter in nodes.columns}
    axes = [nodes.columns[axis] for axis in ("x", "y", "z") if axis in nodes.columns]
    return Population(
        nodes.n,
        LIF.like("nest", **given),
        init={} if v_init is None else {"v": float(v_init)},
        positions=Positions(np.stack(axes, axis=1)) if axes else None,
    )


def _projections(circuit: Circuit, name: str, edges: Edges) -> list[Projection]:
    """One projection, or two where excitation and inhibition have time constants of their own."""
    post = circuit.nodes[edges.post]
    model = _one_word(post, "model_template")
    taus = [_one_number(post, parameter, TAU_SYN) for parameter in ("tau_syn_ex", "tau_syn_in")]
    weight = _given(edges, "syn_weight", None) * _given(edges, "nsyns", 1.0)
    delay = _given(edges, "delay", DELAY)
    parts = [np.ones(len(edges.rule), bool)] if taus[0] == taus[1] else [weight >= 0, weight < 0]
    projections = []
    for part, tau, sign in zip(parts, taus, ("excitatory", "inhibitory"), strict=False):
        if not part.any():
            continue
        rule = type(edges.rule)(edges.rule.pre[part], edges.rule.post[part], shape=edges.rule.shape)
        label = name if len(parts) == 1 else f"{name}_{sign}"
        synapse = SYNAPSES[str(model)](tau)
        ends = edges.pre, edges.post
        projections.append(Projection(*ends, rule, weight[part], synapse, delay=delay[part], name=label))
    return projections


def _one_word(nodes: Nodes, name: str) -> str | None:
    """The property that all nodes of a population share."""
    words = nodes.columns.get(name)
    if words is None:
        return None
    different = list(dict.fromkeys(words.tolist()))
    if len(different) != 1:
        raise ValueError(f"{nodes.path}: `{name}` differs within a population ({', '.join(map(str, different))}).")
    return different[0]


def _one_number(nodes: Nodes, name: str, default: float) -> float:
    values = np.unique(_given(nodes, name, default))
    if values.size > 1:
        raise ValueError(f"{nodes.path}: `{name}` differs within a population ({values[0]:g} to {values[-1]:g}).")
    return float(values[0]) if values.size else default


def _given(part: Nodes | Edges, name: str, default: float | None = None) -> np.ndarray:
    """A property as numbers, with the default where a node or edge has none."""
    size = part.n if isinstance(part, Nodes) else len(part.rule)
    column = part.columns.get(name, np.full(size, np.nan))
    if column.dtype == object:
        raise ValueError(f"{part.path}: `{name}` should be a number, got {column[0]!r}.")
    missing = np.isnan(column)
    if missing.any() and default is None:
        raise ValueError(
            f"{part.path}: {int(missing.sum())} of {size} have no `{name}`, first {int(np.argmax(missing))}."
        )
    return np.where(missing, 0.0 if default is None else default, column)
