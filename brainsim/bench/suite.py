"""Suites: TOML files that say what is measured. Each combination of a task's listed values and of its seeds is a row.

    about = "One sentence."
    seeds = [0, 1]                 # and threads, precision, repeats, warmup: for all tasks that do not say otherwise
    [[task]]
    label = "COBA"                 # tasks of one label share a table
    workload = "coba"              # what `bench list` lists
    neurons = [4000, 40000]        # an argument of the workload; a list has a row for every value
    kernels = "off"                # and threads, precision: how the row's process is started

Suites that are shipped are known by name; others are given as files.
"""

import inspect
import itertools
import re
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .peers import SIMULATORS, TRAINERS, chosen
from .worker import SCRIPTS, WORKLOADS

SHIPPED = Path(__file__).resolve().parent / "suites"
HOW = {"threads": int, "precision": str, "kernels": str}
"""How a row's process is started, by what a suite may say of it."""

_CHOICES = {"precision": ("f32", "f64"), "kernels": ("on", "off")}
_DEFAULTS = {"seeds": list, "repeats": int, "warmup": int, **HOW}
_CONTESTS = {"coba": "peers", "cuba": "peers", "brunel": "peers", "train": "training"}
"""The contest in which peers do the same work as a workload."""


class Row(NamedTuple):
    """One measurement of a suite.

    Attributes:
        suite: Name of the suite.
        task: Label of the task in it.
        workload: What runs.
        arguments: Keyword arguments of the workload.
        how: What `launch` is told: threads, precision, kernels.
        varied: The arguments that tell the rows of this label apart.
    """

    suite: str
    task: str
    workload: str
    arguments: dict[str, Any]
    how: dict[str, Any]
    varied: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What is measured, in words."""
        values = self.arguments | self.how
        return " ".join([self.task, *(f"{name}={values[name]}" for name in self.varied if name in values)])

    @property
    def file(self) -> str:
        """Name of the row's JSON file; no other row of the suite has it."""
        words = re.sub(r"[^A-Za-z0-9=.+-]+", "_", self.label).strip("_")
        return f"{self.suite}.{words}.json"

    def asked(self) -> dict[str, Any]:
        """What tells whether a result is of this row."""
        return {name: getattr(self, name) for name in ("suite", "task", "workload", "arguments", "how")}


def shipped() -> dict[str, str]:
    """Names of the shipped suites, and what each is about."""
    return {file.stem: _parsed(file)["about"] for file in sorted(SHIPPED.glob("*.toml"))}


def read(name: str | Path, peers: str | None = None) -> list[Row]:
    """The rows of a suite.

    Args:
        name: A shipped suite, or a TOML file.
        peers: Names with commas between them: what these can do becomes a contest with them.

    Raises:
        ValueError: No such suite, or something wrong in the file; the message names the file, the task and the key.
    """
    file = Path(name) if Path(name).suffix == ".toml" else SHIPPED / f"{name}.toml"
    if not file.is_file():
        raise ValueError(f"`suite`: expected a TOML file or one of {', '.join(shipped())}, got {name}.")
    given = _parsed(file)
    defaults = {key: given[key] for key in _DEFAULTS if key in given}
    names, rounds = _names(peers or ""), given.get("repeats", 5)
    rows: list[Row] = []
    for task in given["task"]:
        rows += _rows(file, defaults, _contest(task, rounds, names))
    rows = [row._replace(varied=_varied([other for other in rows if other.task == row.task])) for row in rows]
    files = [row.file for row in rows]
    if twice := [row.label for row in rows if files.count(row.file) > 1]:
        raise ValueError(f"{file}: two rows are called {twice[0]}; give the tasks different labels.")
    return rows


def _parsed(file: Path) -> dict[str, Any]:
    """The file, its outermost keys looked at."""
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: not a readable TOML file ({error}).") from None
    _require_known(str(file), given, ["about", "task", *_DEFAULTS])
    tasks = given.get("task")
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
        raise ValueError(f"{file}: expected at least one [[task]].")
    for key, kind in {"about": str, **_DEFAULTS}.items():
        if key in given:
            _require_kind(str(file), key, given[key], kind)
    return {"about": "", **given}


def _rows(file: Path, defaults: Mapping[str, Any], task: Mapping[str, Any]) -> Iterator[Row]:
    """Every combination of the values of a task."""
    where = f"{file}, task {task.get('label', '(without a label)')}"
    for key in ("label", "workload"):
        if not isinstance(task.get(key), str):
            raise ValueError(f"{where}: `{key}`: expected a string, got {task.get(key)!r}.")
    workload = task["workload"]
    if workload not in {*WORKLOADS, *SCRIPTS}:
        raise ValueError(f"{where}: `workload`: expected one of {', '.join([*WORKLOADS, *SCRIPTS])}, got {workload!r}.")
    kinds = _arguments(workload)
    known = {key: value for key, value in defaults.items() if key in HOW or key == "seeds" or key in kinds}
    values = known | {key: value for key, value in task.items() if key not in ("label", "workload")}
    if "seeds" in values:
        _require_kind(where, "seeds", values["seeds"], list)
        values["seed"] = values.pop("seeds")
    if workload not in SCRIPTS:
        _require_known(where, values, [*kinds, *HOW])
        if missing := [name for name, (_, needed) in kinds.items() if needed and name not in values]:
            raise ValueError(f"{where}: {workload} needs {', '.join(f'`{name}`' for name in missing)}.")
    listed = {key: value if isinstance(value, list) else [value] for key, value in values.items()}
    for key, choices in listed.items():
        if not choices:
            raise ValueError(f"{where}: `{key}`: expected a value or a list of some, got an empty list.")
        for value in choices:
            _require_kind(where, key, value, HOW.get(key) or (kinds[key][0] if key in kinds else object))
    for combination in itertools.product(*listed.values()):
        chosen = dict(zip(listed, combination, strict=True))
        how = {key: chosen.pop(key) for key in HOW if key in chosen}
        yield Row(file.stem, task["label"], workload, chosen, how)


def _varied(rows: list[Row]) -> tuple[str, ...]:
    """The arguments, and ways to start, in which rows differ."""
    known = [row.arguments | row.how for row in rows]
    names = dict.fromkeys(name for values in known for name in values)
    return tuple(name for name in names if len({str(values.get(name)) for values in known}) > 1)


def _arguments(workload: str) -> dict[str, tuple[type, bool]]:
    """Type of every argument of a workload, and whether it has no default; a script looks at its own."""
    if workload in SCRIPTS:
        return {"repeats": (int, False), "warmup": (int, False)}
    measure = WORKLOADS[workload]
    hints, parameters = typing.get_type_hints(measure), inspect.signature(measure).parameters
    plain = {name: (typing.get_args(hints[name]) or (hints[name],))[0] for name in parameters}
    private = ("environments", "threads")
    return {n: (plain[n], p.default is p.empty) for n, p in parameters.items() if n not in private}


def _contest(task: Mapping[str, Any], rounds: int, names: Sequence[str]) -> dict[str, Any]:
    """The task beside those of the peers that can do it, if there are any."""
    workload = str(task.get("workload"))
    known = TRAINERS if workload in ("train", "training") else SIMULATORS.get(task.get("network", workload), {})
    able = ",".join(name for name in names if name in known)
    if not able or task.get("limit") or task.get("kernels") == "off":
        return dict(task)
    if workload in _CONTESTS.values():
        return {**task, "peers": able}
    kept = {key: value for key, value in task.items() if key not in ("repeats", "warmup")}
    network = {} if workload == "train" else {"network": workload}
    rounds = task.get("repeats", rounds)
    return {**kept, **network, "workload": _CONTESTS[workload], "rounds": rounds, "peers": able}


def _names(peers: str) -> list[str]:
    """Names with commas between them, of peers that do something."""
    return chosen({**TRAINERS, **{name: peer for known in SIMULATORS.values() for name, peer in known.items()}}, peers)


def _require_known(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    if unknown := [key for key in given if key not in known]:
        raise ValueError(f"{where}: no key `{unknown[0]}`; expected some of {', '.join(known)}.")


def _require_kind(where: str, key: str, value: Any, kind: type) -> None:
    """Raise where a value is not of the kind (a whole number is a float, a truth value is no number), or no choice."""
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool and kind is not object):
        raise ValueError(f"{where}: `{key}`: expected {kind.__name__}, got {value!r}.")
    if value not in _CHOICES.get(key, (value,)):
        raise ValueError(f"{where}: `{key}`: expected one of {', '.join(_CHOICES[key])}, got {value!r}.")
