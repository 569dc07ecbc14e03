"""`brainsim bench ...`: run a workload in a pinned child process, show a table or print its JSON; run suites of them.

Exit codes: 0 fine, 1 a check failed (or `compare` found a regression), 2 wrong usage, 3 a peer is missing.
"""

import enum
import json
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from . import compare as comparison
from . import operator, peers, runner, suite, train
from .dataset import RECIPES
from .harness import passed
from .process import WorkerFailed
from .worker import launch

app = typer.Typer(no_args_is_help=True, help="Measure brainsim; the same work as its peers are measured on.")
progress = Console(stderr=True)


class Precision(enum.StrEnum):
    """Floating point of the whole workload."""

    f32 = "f32"
    f64 = "f64"


def _one_of(names: Iterable[str]) -> Callable[[str], str]:
    def checked(value: str) -> str:
        if value not in names:
            raise typer.BadParameter(f"expected one of {', '.join(names)}, got {value}.")
        return value

    return checked


Threads = Annotated[int | None, typer.Option(min=1, help="Pin to this many cores (default: all, not pinned).")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of wiring, weights and inputs.")]
Repeats = Annotated[int, typer.Option(min=3, help="Timed calls.")]
Warmup = Annotated[int, typer.Option(min=0, help="Calls between the compiling one and the timed ones.")]
Json = Annotated[str | None, typer.Option("--json", metavar="[FILE]", help="JSON on stdout, or into FILE.")]
PrecisionOption = Annotated[Precision, typer.Option(help="float32 or float64.")]
Platform = Annotated[str | None, typer.Option(help='JAX platform, such as "cpu" (default: what JAX chooses).')]


@app.command()
def coba(
    neurons: Annotated[int, typer.Option(min=100, help="Neurons, 80 % excitatory; 80 synapses each.")] = 4000,
    duration: Annotated[float, typer.Option(min=1.0, help="Biological time (ms).")] = 1000.0,
    storage: Annotated[str, typer.Option(help="csr or procedural.", callback=_one_of(("csr", "procedural")))] = "csr",
    limit: Annotated[bool, typer.Option("--limit", help="In turns with the same network by hand in C.")] = False,
    threads: Threads = None,
    seed: Seed = 1,
    repeats: Repeats = 5,
    warmup: Warmup = 1,
    precision: PrecisionOption = Precision.f32,
    platform: Platform = None,
    json: Json = None,
) -> None:
    """Conductance-based E-I network of Vogels & Abbott (2005): wall seconds per biological second."""
    arguments = {"neurons": neurons, "duration": duration, "seed": seed, "repeats": repeats, "warmup": warmup}
    arguments |= ({"limit": True} if limit else {}) | ({"storage": storage} if storage != "csr" else {})
    _measure("coba", arguments, json, threads=threads, precision=precision, platform=platform)


@app.command(name="train")
def train_command(
    net: Annotated[str, typer.Option(help="ff256, ff1024 or rec256.", callback=_one_of(train.HIDDEN))] = "ff256",
    threads: Threads = None,
    seed: Seed = 1,
    repeats: Repeats = 5,
    warmup: Warmup = 1,
    precision: PrecisionOption = Precision.f32,
    platform: Platform = None,
    json: Json = None,
) -> None:
    """One training step of a spiking classifier on SHD-shaped synthetic spikes: batch 128, 100 steps, 2 % density."""
    arguments = {"net": net, "seed": seed, "repeats": repeats, "warmup": warmup}
    _measure("train", arguments, json, threads=threads, precision=precision, platform=platform)


@app.command(name="operator")
def operator_command(
    name: Annotated[str, typer.Argument(help=", ".join(operator.NAMES), callback=_one_of(operator.NAMES))],
    n: Annotated[int, typer.Option("--n", min=1, help="Presynaptic (and postsynaptic) neurons.")] = 10_000,
    fan_out: Annotated[int, typer.Option(min=1, help="Synapses of each presynaptic neuron.")] = 100,
    fraction: Annotated[float, typer.Option(min=0.0, max=1.0, help="Part of the neurons that spike.")] = 0.01,
    threads: Threads = None,
    seed: Seed = 1,
    repeats: Repeats = 5,
    warmup: Warmup = 1,
    precision: PrecisionOption = Precision.f32,
    platform: Platform = None,
    json: Json = None,
) -> None:
    """One operator against its XLA baseline: microseconds a call, nanoseconds an event."""
    arguments: dict[str, Any] = {"name": name, "n": n, "fan_out": fan_out, "fraction": fraction}
    arguments |= {"seed": seed, "repeats": repeats, "warmup": warmup}
    _measure("operator", arguments, json, threads=threads, precision=precision, platform=platform)


WORKLOADS = {
    "coba": "conductance-based E-I network, wall seconds per biological second; both rates in their range",
    "cuba": "current-based E-I network, the same",
    "brunel": "Brunel's network of 12,500 neurons and noise, the same",
    "train": f"one training step; nets {', '.join(train.HIDDEN)}; the loss must fall",
    "operator": f"one operator; {', '.join(operator.NAMES)}; equal to its XLA definition",
    "dataset": f"training on {', '.join(RECIPES)}; the test accuracy above that of no network",
    "peers": f"a network ({', '.join(peers.SIMULATORS)}) in turns with peers; all must fire as often",
    "training": f"a training step in turns with {', '.join(peers.TRAINERS)}; all must begin with the same loss",
    "memory": "memory of a gradient through 1,000 steps, beside a scan by hand; equal losses",
    "neurons": "every neuron model: fused, XLA, by hand in C; equal states",
    "scan": "a layer of LIF neurons over time: fused, lax.scan, by hand in C; equal gradients",
}
"""What can be measured, and what is checked; suites have these names."""


@app.command(name="list")
def list_command(json: Json = None) -> None:
    """The workloads and what they must show, and the shipped suites."""
    suites = {name: f"{about} {len(suite.read(name))} rows." for name, about in suite.shipped().items()}
    if json is not None:
        write({"workloads": WORKLOADS, "suites": suites}, json)
        return
    for kind, known in (("workload", WORKLOADS), ("suite (`bench run`)", suites)):
        table = Table(kind, "what is measured and checked")
        for name, sentence in known.items():
            table.add_row(name, sentence)
        Console().print(table)


@app.command(name="run")
def run_command(
    suites: Annotated[list[str], typer.Argument(metavar="SUITE...", help="Names of `bench list`, or TOML files.")],
    out: Annotated[Path, typer.Option(help="Folder for a JSON file of each row, and the page index.html.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on: rows that are there are not run again.")] = False,
    peers: Annotated[str | None, typer.Option(help="Names with commas between them: measure beside these.")] = None,
    environments: Annotated[Path, typer.Option(help="What `make peers` made.")] = Path(".peers"),
) -> None:
    """Measure the rows of suites; exit code 1: a row or a check failed, 3: else fine, but a peer is missing."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the row's process as well
    try:
        rows = [row for name in suites for row in suite.read(name, peers)]
        tally = runner.run(rows, out, resume=resume, environments=str(environments.absolute()), console=progress)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    progress.print(f"{out / runner.page.FILE}: {tally.measured} rows", highlight=False, soft_wrap=True)
    for count, what in ((tally.failed, "without a result"), (tally.wrong, "with a check that failed")):
        if count:
            progress.print(f"{count} {what}; see the page and the logs beside it")
    if tally.missing:
        progress.print("peers are missing: `make peers` makes their environments")
    raise typer.Exit(tally.exit_code)


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(help="Result file, or folder of result files.")],
    new: Annotated[Path, typer.Argument(help="The same, measured later.")],
    min_ratio: Annotated[float, typer.Option(min=0.0, help="Smallest allowed median(old) / median(new).")] = 0.95,
    json: Json = None,
) -> None:
    """Results side by side; exit code 1 where one became slower than `--min-ratio` allows."""
    try:
        rows, alone = comparison.compare(old, new)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    for name in alone:
        progress.print(f"not compared: {name}", markup=False, highlight=False)
    if json is not None:
        write([row._asdict() | {"ratio": row.ratio} for row in rows], json)
    else:
        table = Table("workload", "arguments", "old s", "new s", "times faster")
        for row in rows:
            listed = " ".join(f"{key}={value}" for key, value in row.arguments.items() if value is not None)
            table.add_row(row.workload, listed, f"{row.old:.4g}", f"{row.new:.4g}", f"{row.ratio:.2f}")
        Console().print(table)
    if any(row.ratio < min_ratio for row in rows):
        progress.print(f"slower than the allowed ratio {min_ratio:g}")
        raise typer.Exit(1)


def _measure(workload: str, arguments: dict[str, Any], json: str | None, **options: Any) -> None:
    progress.print(f"bench {workload}: {' '.join(f'{key}={value}' for key, value in arguments.items())}")
    try:
        outcome = launch(workload, arguments, **options)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except WorkerFailed as error:
        progress.print(str(error))
        raise typer.Exit(1) from None
    if json is not None:
        write(outcome, json)
    else:
        show(outcome)
    if not passed(outcome):
        failed = {name: entry for name, entry in outcome["checks"].items() if not entry["ok"]}
        progress.print(f"check failed: {failed}")
        raise typer.Exit(1)


def write(outcome: Any, target: str) -> None:
    """JSON on stdout (target "-") or into a file."""
    text = json.dumps(outcome, indent=2)
    if target == "-":
        sys.stdout.write(text + "\n")
    else:
        Path(target).write_text(text + "\n")


def show(outcome: dict[str, Any]) -> None:
    """The figures of a result as a table."""
    table = Table("figure", "value", title=f"bench {outcome['workload']}")
    for name, value in outcome.items():
        if isinstance(value, float):
            table.add_row(name, f"{value:.4g}")
        elif isinstance(value, int | str):
            table.add_row(name, str(value))
    Console().print(table)
