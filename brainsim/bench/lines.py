"""Results as lines of a table: what was measured, with which tool, how long it took beside brainsim in the same run.

A result has several lines where it has several ways to do the same work. One that failed has a line that says why.
"""

import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .harness import passed

OURS = "brainsim"
NOT_SHOWN = ("repeats", "warmup", "rounds", "peers", "platform", "limit")
"""Arguments that say how often was measured, not what."""


class Line(NamedTuple):
    """A line of a table.

    Attributes:
        settings: What was measured: arguments by name.
        tool: What did the work.
        version: Of the tool.
        figures: What is shown, by heading.
        value: The figure that is drawn over the settings, or None.
        unit: Its unit.
        ratio: How many times longer than brainsim in the same run.
        spread: Distance between the quartiles of the samples, as a part of their median.
        peak_mb: Largest resident memory.
        note: What went wrong, or how the work was compared.
        ok: Whether nothing went wrong.
    """

    settings: dict[str, Any]
    tool: str
    version: str = ""
    figures: dict[str, str] = {}
    value: float | None = None
    unit: str = ""
    ratio: float | None = None
    spread: float | None = None
    peak_mb: float | None = None
    note: str = ""
    ok: bool = True


def lines(result: dict[str, Any]) -> list[Line]:
    """The lines of a result."""
    settings = {key: value for key, value in result["arguments"].items() if value is not None and key not in NOT_SHOWN}
    if settings.get("precision") == "f32":
        del settings["precision"]
    if "error" in result:
        return [Line(settings, OURS, note=result["error"], ok=False)]
    found = list(_READERS.get(result["workload"], _plain)(result, settings))
    if passed(result):
        return found
    notes = [_failed(name, entry) for name, entry in result["checks"].items() if not entry["ok"]]
    return [found[0]._replace(note="; ".join([*filter(None, [found[0].note]), *notes]), ok=False), *found[1:]]


def number(value: float) -> str:
    """A figure for reading: three digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spread(samples: list[float]) -> float | None:
    """Distance between the quartiles, as a part of the median; None of fewer than three samples."""
    if len(samples) < 3:
        return None
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return (high - low) / statistics.median(samples)


def _failed(name: str, entry: dict[str, Any]) -> str:
    return f"{name} is {number(entry['value'])}, not within {number(entry['low'])} to {number(entry['high'])}"


def _version(result: dict[str, Any]) -> str:
    return f"{result['versions']['brainsim']}, jax {result['versions']['jax']}"


def _ours(result: dict[str, Any], settings: dict[str, Any], value: float, unit: str, **more: Any) -> Line:
    line = Line(settings, OURS, _version(result), {}, value, unit, 1.0, spread(result["samples"]))
    return line._replace(peak_mb=result["peak_rss_mb"], **more)


def _network(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    unit = "s per biological s"
    rates = {"E": result["rate_hz_E"], "I": result["rate_hz_I"]}
    told = lambda rates: {"rates": ", ".join(f"{name} {hz:.1f} Hz" for name, hz in rates.items())}
    yield _ours(result, settings, result["wall_per_bio_s"], unit, figures=told(rates))
    if "ratio_to_c" in result:
        of_c = {name: result[f"c_rate_hz_{name}"] for name in "EI"}
        taken = result["c_wall_per_bio_s"], unit, 1 / result["ratio_to_c"], spread(result["c_samples"])
        yield Line(settings, "C by hand, one thread", "", told(of_c), *taken)


def _train(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    figures = {"forward alone": f"{1e3 * result['forward_s']:.3g} ms", "hidden rate": f"{result['hidden_rate']:.1%}"}
    yield _ours(result, settings, 1e3 * result["step_s"], "ms a step", figures=figures)


def _operator(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    an_event = {"an event": f"{result['ns_per_event']:.2g} ns"} if result["ns_per_event"] else {}
    yield _ours(result, settings, result["us"], "us a call", figures=an_event)
    samples, baseline = result["samples_baseline"], result["us_baseline"]
    ratio = baseline / result["us"]
    yield Line(settings, "its XLA path", _version(result), {}, baseline, "us a call", ratio, spread(samples))


def _dataset(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    rates = ", ".join(f"{path.rpartition('.')[0]} {hz:.1f} Hz" for path, hz in result["rates_hz"].items())
    figures = {
        "test accuracy": f"{result['accuracy']:.1%}",
        "rates": rates,
        "training": f"{number(result['train_s'])} s",
        "CPU time": f"{number(result['train_cpu_s'])} s",
        "parameters": f"{result['parameters']:,}",
        "samples": f"{result['n_train']:,} and {result['n_test']:,}",
    }
    yield _ours(result, settings, result["median"], "s an epoch", figures=figures)._replace(ratio=None, spread=None)


def _contest(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    key, unit = (
        ("step_ms", "ms a step") if result["workload"] == "training" else ("wall_per_bio_s", "s per biological s")
    )
    for name, row in result["rows"].items():
        versions = ", ".join(f"{package} {version}" for package, version in row["versions"].items())
        taken = row[key], unit, row["over_brainsim"], spread(row["samples"]), row["peak_mb"]
        yield Line(settings, row["name"], versions, {"compared": _compared(row, name)}, *taken)
    for name, why in result["missing"].items():
        yield Line(settings, name, note=f"not measured: {why}", ok=False)
    measured = {*result["rows"], *result["missing"]}
    for name in result["arguments"]["peers"].split(","):
        if name and name not in measured:
            yield Line(settings, name, note="does other work: its times are not told", ok=False)


def _compared(row: dict[str, Any], name: str) -> str:
    if name == OURS:
        return ""
    if "first_loss_difference" in row:
        return f"first loss {row['first_loss_difference']:.1e} off"
    return f"spikes {row['difference']:.1%} off"


def _rows(tools: dict[str, str], unit: str) -> Callable[[dict[str, Any], dict[str, Any]], Iterator[Line]]:
    """A reader of a script's rows; `tools` are names by the column of their time."""

    def read(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
        for name, row in result["rows"].items():
            ours = row[next(iter(tools))]
            for column, tool in tools.items():
                if column in row:
                    version = "" if tool == "C by hand" else _version(result)
                    yield Line({**settings, "of": name}, tool, version, {}, row[column], unit, row[column] / ours)

    return read


def _memory(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    ours = result["rows"][OURS]["step_ms"]
    for name, row in result["rows"].items():
        figures = {"temporary memory": f"{number(row['temporary_mb'])} MB"}
        yield Line(settings, name, _version(result), figures, row["step_ms"], "ms", row["step_ms"] / ours)


def _plain(result: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    """Any other workload: its samples."""
    yield _ours(result, settings, result["median"], "s")


_READERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Iterator[Line]]] = {
    "coba": _network,
    "cuba": _network,
    "brunel": _network,
    "train": _train,
    "operator": _operator,
    "dataset": _dataset,
    "peers": _contest,
    "training": _contest,
    "scan": _rows({"fused_ms": OURS, "xla_ms": "lax.scan", "c_ms": "C by hand"}, "ms"),
    "neurons": _rows({"fused_ns": OURS, "xla_ns": "XLA", "c_ns": "C by hand"}, "ns a neuron and step"),
    "memory": _memory,
}
