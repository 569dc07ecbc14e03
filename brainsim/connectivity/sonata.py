"""Circuits in the SONATA format: nodes and edges in HDF5, with properties that whole types share in CSV tables.

    property of a node or edge = its own (in its group of the HDF5 file), else that of its type (a column of the CSV)

A configuration names the files; `$NAME` in it stands for the manifest's entry, and paths are relative to its folder.
Dai K. et al., The SONATA data format for efficient description of large-scale network models, PLoS Comput. Biol. 16
(2020) e1007696; github.com/AllenInstitute/sonata/blob/master/docs/SONATA_DEVELOPER_GUIDE.md.
"""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from .edge_list import EdgeList


class Nodes(NamedTuple):
    """One population.

    Attributes:
        path: File that it comes from.
        n: Number of nodes.
        columns: Properties, (n,) each: floats (NaN: not given), or words (object; None: not given).
    """

    path: Path
    n: int
    columns: dict[str, np.ndarray]


class Edges(NamedTuple):
    """Edges from one population to another.

    Attributes:
        path: File that they come from.
        pre: Population of the sources.
        post: Population of the targets.
        rule: Who is connected.
        columns: Properties, (nnz,) each, as in `Nodes`.
    """

    path: Path
    pre: str
    post: str
    rule: EdgeList
    columns: dict[str, np.ndarray]


class Circuit(NamedTuple):
    """Populations and edges by name."""

    nodes: dict[str, Nodes]
    edges: dict[str, Edges]


def read_config(path: str | Path) -> dict[str, Any]:
    """A configuration with its manifest applied and every `$NAME/...` and `./...` made an absolute path.

    Raises:
        ValueError: No JSON, or a variable that the manifest does not name.
    """
    path = Path(path).absolute()
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected a SONATA configuration in JSON: {error}.") from error
    manifest = config.pop("manifest", {})

    def resolved(text: str, depth: int = 0) -> str:
        if not text.startswith("$"):
            return text
        name, _, rest = text.partition("/")
        value = manifest.get(name, manifest.get(name.replace("${", "$").rstrip("}")))
        if value is None or depth > len(manifest):
            raise ValueError(f"{path}: `manifest` does not say what {name} is.")
        return resolved(value, depth + 1) + (f"/{rest}" if rest else "")

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [walk(entry) for entry in value]
        if isinstance(value, str) and (value.startswith(("$", "./", "../"))):
            return str(path.parent / resolved(value))
        return value

    return walk(config)


def read_circuit(config: dict[str, Any], folder: Path) -> Circuit:
    """Nodes and edges of a circuit configuration.

    Args:
        config: What `read_config` returned.
        folder: Folder of the configuration, where other paths start.

    Raises:
        ValueError: A file lacks something, or an edge names a node that does not exist; the message names the file.
    """
    components = config.get("components", {})
    networks = config.get("networks", {})
    nodes: dict[str, Nodes] = {}
    for entry in networks.get("nodes", ()):
        models = components.get("point_neuron_models_dir")
        nodes |= _read_nodes(folder / entry["nodes_file"], _types(folder, entry, "node"), _folder(folder, models))
    edges: dict[str, Edges] = {}
    for entry in networks.get("edges", ()):
        if entry.get("enabled", True):
            models = _folder(folder, components.get("synaptic_models_dir"))
            edges |= _read_edges(folder / entry["edges_file"], _types(folder, entry, "edge"), models, nodes)
    if not nodes:
        raise ValueError(f"{folder}: the circuit names no nodes (`networks`, `nodes`).")
    return Circuit(nodes, edges)


def read_spikes(path: Path, population: str) -> tuple[np.ndarray, np.ndarray]:
    """Times (ms) and nodes of the spikes of a population; the older layout without populations is read as well."""
    with h5py.File(path) as file:
        group = _get(path, file, "spikes")
        if population in group:
            group = group[population]
        elif "timestamps" not in group:
            raise ValueError(f"{path}: expected spikes of {population!r}, got those of {', '.join(group)}.")
        ids = group["node_ids"] if "node_ids" in group else _get(path, group, "gids")
        times, ids = np.asarray(_get(path, group, "timestamps"), np.float64), np.asarray(ids, np.int64)
    if times.shape != ids.shape:
        raise ValueError(f"{path}: expected as many nodes as times, got {ids.size} and {times.size}.")
    return times, ids


def _folder(base: Path, name: str | None) -> Path | None:
    return None if name is None else base / name


def _types(folder: Path, entry: dict[str, Any], kind: str) -> tuple[Path, dict[int, dict[str, str]]] | None:
    """The table of types: its file, and for each type the words of its row."""
    name = entry.get(f"{kind}_types_file")
    if name is None:
        return None
    path, key = folder / name, f"{kind}_type_id"
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter=" ", skipinitialspace=True) if row]
    if not rows or key not in rows[0]:
        raise ValueError(f"{path}: expected a column `{key}`, got {', '.join(rows[0]) if rows else 'no line'}.")
    table: dict[int, dict[str, str]] = {}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise ValueError(f"{path}, line {line}: expected {len(rows[0])} columns, got {len(row)}.")
        known = {name: word for name, word in zip(rows[0], row, strict=True) if word not in ("NULL", "NA", "None")}
        try:
            table[int(known.pop(key))] = known
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}, line {line}: expected a whole number in `{key}`.") from error
    return path, table


def _read_nodes(path: Path, types: Any, models: Path | None) -> dict[str, Nodes]:
    found = {}
    with h5py.File(path) as file:
        for name, population in _get(path, file, "nodes").items():
            kind = np.asarray(_get(path, population, "node_type_id"), np.int64)
            ids = np.asarray(population["node_id"], np.int64) if "node_id" in population else np.arange(kind.size)
            if not np.array_equal(ids, np.arange(kind.size)):
                raise ValueError(
                    f"{path}: expected the nodes of {name!r} to be numbered 0 to {kind.size - 1} in order."
                )
            found[name] = Nodes(path, kind.size, _columns(path, population, "node", kind, types, models))
    return found


def _read_edges(path: Path, types: Any, models: Path | None, nodes: dict[str, Nodes]) -> dict[str, Edges]:
    found = {}
    with h5py.File(path) as file:
        for name, population in _get(path, file, "edges").items():
            kind = np.asarray(_get(path, population, "edge_type_id"), np.int64)
            pre, sources = _ends(path, population, "source_node_id", kind.size, nodes)
            post, targets = _ends(path, population, "target_node_id", kind.size, nodes)
            rule = EdgeList(sources, targets, shape=(nodes[pre].n, nodes[post].n))
            found[name] = Edges(path, pre, post, rule, _columns(path, population, "edge", kind, types, models))
    return found


def _ends(path: Path, population: Any, name: str, n_edges: int, nodes: dict[str, Nodes]) -> tuple[str, np.ndarray]:
    """The population and the nodes at one end of all edges."""
    data = _get(path, population, name)
    where = data.attrs.get("node_population", "")
    where = where.decode() if isinstance(where, bytes) else str(where)
    if where not in nodes:
        raise ValueError(f"{path}: `{data.name}` is of population {where!r}; there are {', '.join(nodes)}.")
    if data.dtype.kind not in "iu" or data.shape != (n_edges,):
        raise ValueError(f"{path}: `{data.name}`: expected {n_edges} integers, got {data.dtype} of shape {data.shape}.")
    ids = np.asarray(data, np.int64)
    bad = np.flatnonzero((ids < 0) | (ids >= nodes[where].n))
    if bad.size:
        raise ValueError(
            f"{path}: `{data.name}`: expected nodes 0 to {nodes[where].n - 1}, got {ids[bad[0]]} at edge {bad[0]}."
        )
    return where, ids


def _get(path: Path, group: Any, name: str) -> Any:
    if name not in group:
        raise ValueError(f"{path}: expected `{name}` in {group.name}, got {', '.join(group) or 'nothing'}.")
    return group[name]


def _columns(
    path: Path, population: Any, kind: str, type_id: np.ndarray, types: Any, models: Path | None
) -> dict[str, np.ndarray]:
    """Properties of all nodes or edges: those of their types, overwritten by their own."""
    columns = _shared(path, kind, type_id, types, models)
    group_id = (
        np.asarray(population[f"{kind}_group_id"]) if f"{kind}_group_id" in population else np.zeros(type_id.size)
    )
    index = population.get(f"{kind}_group_index")
    index = np.arange(type_id.size) if index is None else np.asarray(index, np.int64)
    for group in np.unique(group_id):
        members = np.flatnonzero(group_id == group)
        own = population.get(str(int(group)), {})
        for name, data in {**own, **own.get("dynamics_params", {})}.items():
            if not isinstance(data, h5py.Dataset):
                continue
            values = np.asarray(data)
            if values.ndim != 1 or index[members].max(initial=-1) >= values.size:
                raise ValueError(f"{path}: `{data.name}` has shape {values.shape}, but {members.size} {kind}s read it.")
            numeric = values.dtype.kind in "iuf"
            empty = np.full(type_id.size, np.nan) if numeric else np.full(type_id.size, None, object)
            column = columns.setdefault(name, empty)
            if numeric and column.dtype == object:
                raise ValueError(f"{path}: `{data.name}` holds numbers, but its types say words.")
            column[members] = values[index[members]]
    return columns


def _shared(path: Path, kind: str, type_id: np.ndarray, types: Any, models: Path | None) -> dict[str, np.ndarray]:
    """The properties of the types, one for each node or edge."""
    if types is None:
        return {}
    source, table = types
    unknown = np.flatnonzero(~np.isin(type_id, list(table)))
    if unknown.size:
        at = int(unknown[0])
        raise ValueError(f"{path}: {kind} {at} is of type {type_id[at]}, which {source} does not have.")
    rows = {number: row | _parameters(source, row, models) for number, row in table.items()}
    columns = {}
    for name in dict.fromkeys(name for row in rows.values() for name in row):
        values = {number: row.get(name) for number, row in rows.items()}
        numbers = {number: _number(value) for number, value in values.items()}
        is_numeric = all(values[n] is None or numbers[n] is not None for n in values)
        column = np.full(type_id.size, np.nan) if is_numeric else np.full(type_id.size, None, object)
        for number in rows:
            value = numbers[number] if is_numeric else values[number]
            if value is not None:
                column[type_id == number] = value
        columns[name] = column
    return columns


def _parameters(source: Path, row: dict[str, str], models: Path | None) -> dict[str, Any]:
    """The model's parameters in the file that `dynamics_params` names."""
    name = row.get("dynamics_params")
    if name is None or models is None:
        return {}
    path = models / name
    if not path.is_file():
        raise ValueError(f"{source}: `dynamics_params` names {path}, which does not exist.")
    return json.loads(path.read_text(encoding="utf-8"))


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
