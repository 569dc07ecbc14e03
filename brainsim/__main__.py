"""The command line: `brainsim info | demo | run | bench` (the same as `python -m brainsim ...`)."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import brainsim as bs

from .bench import commands, demo, info

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Differentiable spiking-network simulator in JAX.")
app.add_typer(commands.app, name="bench")


@app.command(name="info")
def info_command(json: commands.Json = None) -> None:
    """Versions, the kernel path and why, the CPU, and a self-test of two seconds (exit code 1 if it fails)."""
    report = info.report()
    if json is not None:
        commands.write(report, json)
    else:
        info.show(report)
    raise typer.Exit(0 if report["self_test"]["ok"] else 1)


@app.command(name="demo")
def demo_command(out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("demo")) -> None:
    """Simulate an E-I network of 4,000 neurons, train an E-I network on handwritten digits, draw both."""
    try:
        demo.run(out)
    except ImportError as error:
        commands.progress.print(str(error), markup=False)
        raise typer.Exit(3) from None


@app.command(name="run")
def run_command(
    target: Annotated[str, typer.Argument(metavar="FILE.py:NAME", help="A network, or a function that makes one.")],
    duration: Annotated[float, typer.Option(min=0.0, help="Biological time (ms).")] = 1000.0,
    record: Annotated[list[str] | None, typer.Option(help='A path such as "E.spikes"; may be repeated.')] = None,
    out: Annotated[Path | None, typer.Option(help="File for the result (HDF5).")] = None,
    skip: Annotated[float, typer.Option(min=0.0, help="Transient left out of the summary (ms).")] = 0.0,
) -> None:
    """Simulate a network defined in a Python file, print a summary, save the result."""
    result = bs.simulate(_load(target), duration, record=record)
    Console().print(str(result.summary(skip=skip)), highlight=False, soft_wrap=True)
    if out is not None:
        result.save(out)
        commands.progress.print(f"saved {out}")


def _load(target: str) -> bs.Network:
    file, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        raise typer.BadParameter(f"expected FILE.py:NAME, got {target}.", param_hint="TARGET")
    if not Path(file).is_file():
        raise typer.BadParameter(f"{file} does not exist.", param_hint="TARGET")
    names = runpy.run_path(file)
    if name not in names:
        raise typer.BadParameter(f"{file} has no `{name}`.", param_hint="TARGET")
    found = names[name]
    net = found if isinstance(found, bs.Network) or not callable(found) else found()
    if not isinstance(net, bs.Network):
        raise typer.BadParameter(f"`{name}` of {file} is a {type(net).__name__}, not a Network.", param_hint="TARGET")
    return net


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `brainsim` command."""
    app(args=_with_json_value(sys.argv[1:] if arguments is None else arguments), prog_name="brainsim")


def _with_json_value(arguments: Sequence[str]) -> list[str]:
    """`--json` without a file means stdout: give it the value that typer demands."""
    following = [*arguments, "--"][1:]
    return [
        "--json=-" if word == "--json" and after.startswith("-") else word
        for word, after in zip(arguments, following, strict=True)
    ]


if __name__ == "__main__":
    main()
