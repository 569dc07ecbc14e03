"""One page about a run: what it did, what the model is, and what it takes to repeat it.

The tables of the model follow Nordlie, Gewaltig & Plesser, PLoS Comput. Biol. 5 (2009) e1000456: summary, populations,
connectivity, parameters of neurons and synapses, measurements.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import page
from .plot import plot_result
from .plot_network import plot_connectivity, plot_weights
from .plot_statistics import plot_statistics
from .summary import summarise

if TYPE_CHECKING:
    from .result import Result

_STATISTICS = (
    "Rate: mean and standard deviation over neurons. ISI CV and Fano factor (windows of 100 ms): mean over neurons. "
    "Synchrony: variance over mean of the population's count in 3 ms, 1 for independent Poisson neurons."
)


def report(result: "Result", *, skip: float, network: Any, title: str) -> str:
    """The page, as text.

    Args:
        result: The run.
        skip: Time left out of figures and statistics at the beginning (ms).
        network: The `Network` that ran, for figures of its connections and weights, or None.
        title: Title of the page.
    """
    body = [page.heading(title, 1), page.paragraph(_lead(result), "lead"), page.cards(_cards(result))]
    body += _activity(result, skip)
    if network is not None:
        body.append(page.heading("Network"))
        body.append(page.figure(plot_connectivity(network), "Connections by population, and synapses on a neuron."))
        body.append(page.figure(plot_weights(network), "Weights of every projection."))
    if "populations" in result.meta:
        body += [page.heading("Model"), *_model(result)]
    body += [page.heading("Repeating this run"), page.named(_provenance(result))]
    body.append(page.footer("Times are in ms, a spike or value of step k is at (k + 1) dt."))
    return page.page(title, body)


def _lead(result: "Result") -> str:
    trials = "" if result.batch is None else f", {result.batch} trials"
    return f"{result.t_start:g} to {result.t_stop:g} ms in steps of {result.dt:g} ms{trials}"


def _cards(result: "Result") -> dict[str, str]:
    meta, duration = result.meta, result.t_stop - result.t_start
    found = {"simulated": _seconds(duration * 1e-3)}
    if "wall_s" in meta:
        found["wall time"] = _seconds(meta["wall_s"])
        found["wall time per biological time"] = f"{meta['wall_s'] / (duration * 1e-3):.3g}" if duration else "-"
    if "populations" in meta:
        found["neurons"] = f"{sum(population['size'] for population in meta['populations'].values()):,}"
        found["synapses"] = f"{sum(projection['synapses'] for projection in meta['projections'].values()):,}"
    if "seed" in meta:
        found["seed"] = str(meta["seed"])
    return found


def _activity(result: "Result", skip: float) -> Iterator[str]:
    if not result.recorded:
        return
    yield page.heading("Activity")
    spiking = any(f"{part}.spikes" in result for part in result.parts)
    rated = spiking or any(f"{part}.rate" in result for part in result.parts)
    if rated:
        summary = summarise(result, skip)
        yield page.table(summary.columns, summary.cells, f"Firing statistics, {summary.title}")
        yield page.paragraph(_STATISTICS, "note")
    drawn = plot_result(result, skip=skip, spectrum=True)
    yield page.figure(drawn, "What was recorded: spikes, rates, traces, and the spectrum of the rates.")
    if spiking:
        caption = "Distributions over neurons, intervals and pairs of neurons (200 drawn of each population)."
        yield page.figure(plot_statistics(result, skip=skip), caption)


def _model(result: "Result") -> Iterator[str]:
    meta = result.meta
    populations, projections, parameters = meta["populations"], meta["projections"], meta.get("parameters", {})
    yield page.named(_summary(result), "A  Model summary")
    rows = [[name, p["model"], f"{p['size']:,}"] for name, p in populations.items()]
    yield page.table(("Name", "Elements", "Size"), rows, "B  Populations")
    if projections:
        columns = ("Name", "Source", "Target", "Pattern", "Synapses", "Model", "Weight", "Delay")
        rows = [_row(name, p, parameters.get(f"{name}.weight")) for name, p in projections.items()]
        yield page.table(columns, rows, "C  Connectivity")
    for caption, names in (("D  Neurons and sources", populations), ("E  Synapses", projections)):
        rows = _parameters(parameters, names)
        if rows:
            yield page.table(("Of", "Parameter", "Value", "Unit"), rows, caption)
    rows = [[key, result.unit(key) or "-", _sampled(result, key)] for key in result.recorded]
    yield page.table(("Record", "Unit", "Sampled"), rows, "F  Measurements")


def _summary(result: "Result") -> dict[str, str]:
    populations, projections = result.meta["populations"], result.meta["projections"]
    each = lambda items, field: ", ".join(dict.fromkeys(item[field] for item in items.values() if field in item)) or "-"
    return {
        "Populations": ", ".join(populations),
        "Connectivity": each(projections, "rule"),
        "Neuron models, sources": each(populations, "model"),
        "Synapse models": each(projections, "synapse"),
        "Measurements": ", ".join(result.recorded) or "-",
        "Integration": f"fixed steps of {result.dt:g} ms",
    }


def _row(name: str, projection: Mapping[str, Any], weight: Mapping[str, Any] | None) -> list[str]:
    pre, _, post = name.partition("#")[0].partition("->")
    given = {key: value for key, value in projection.get("rule_arguments", {}).items() if value is not False}
    arguments = ", ".join(f"{key} = {_number(value)}" for key, value in given.items())
    pattern = projection.get("rule", "-") + (f" ({arguments})" if arguments else "")
    cells = [name, projection.get("pre", pre), projection.get("post", post), pattern, f"{projection['synapses']:,}"]
    values = (_value(weight, unit=True), _value(projection.get("delay"), unit=True))
    return [*cells, projection["synapse"], *values]


def _parameters(parameters: Mapping[str, Any], owners: Mapping[str, Any]) -> list[list[str]]:
    """Rows of parameters; owners with the same values share them."""
    blocks: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for owner in owners:
        own = {path.rpartition(".")[2]: v for path, v in parameters.items() if path.rpartition(".")[0] == owner}
        rows = tuple((n, _value(v), v["unit"] or "-") for n, v in own.items() if n not in ("weight", "delay"))
        blocks.setdefault(rows, []).append(owner)
    return [[", ".join(names), *row] for rows, names in blocks.items() for row in rows]


def _value(value: Mapping[str, Any] | None, unit: bool = False) -> str:
    if value is None:
        return "-"
    suffix = f" {value['unit']}" if unit and value.get("unit") else ""
    if "value" in value:
        return _number(value["value"]) + suffix
    if "sd" not in value:
        return _number(value["mean"]) + suffix
    spread = f"{value['mean']:.4g} \N{PLUS-MINUS SIGN} {value['sd']:.3g}{suffix}"
    return f"{spread} ({value['min']:.4g} to {value['max']:.4g})"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _sampled(result: "Result", key: str) -> str:
    ids = result.ids(key)
    if key.endswith(".spikes"):
        return f"every spike of {len(ids) if ids is not None else 0:,} of {result.size(key):,} neurons"
    times = result.times(key)
    every = f"every {times[1] - times[0]:.4g} ms" if len(times) > 1 else "once"
    if key.endswith("_histogram"):
        return f"{every}, {len(result.edges(key)) - 1:,} bins of {result.size(key):,} values"
    return f"{every}, {'whole population' if ids is None else f'{len(ids):,} columns'}"


def _provenance(result: "Result") -> dict[str, str]:
    meta = result.meta
    found = {"Seed": str(meta.get("seed", "-")), "Step": f"{result.dt:g} ms"}
    found["Time"] = f"{result.t_start:g} to {result.t_stop:g} ms"
    if "wall_s" in meta:
        found["Wall time"] = _seconds(meta["wall_s"])
    if meta.get("commit"):
        found["Commit"] = meta["commit"] + (" with uncommitted changes" if meta.get("dirty") else "")
    found["Versions"] = ", ".join(f"{name} {version}" for name, version in meta.get("versions", {}).items()) or "-"
    return found


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"
