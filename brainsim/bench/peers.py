"""The programs that brainsim is measured against: where each is installed, and how it is started.

`make peers` makes their environments, `.peers/NAME`; their scripts are in the checkout's `benchmarks/peers/`. A peer
that is not there is no error: it is told in the result, as `missing`.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .contest import Outcome
from .limit import BENCHMARKS
from .process import WorkerFailed

SCRIPTS = BENCHMARKS / "peers"
OURS = "brainsim"


class Peer(NamedTuple):
    """A program that does the same work.

    Attributes:
        environment: Folder of its Python in the folder of environments; None for brainsim's own.
        script: File in `SCRIPTS`.
        words: Further arguments.
        tolerance: How far its first figures may be from brainsim's, as a part of these. None: it does the same but for
            its own random numbers or order of things, and is compared over the whole run alone.
    """

    environment: str | None
    script: str
    words: tuple[str, ...] = ()
    tolerance: float | None = 0.01


_BRIAN2 = Peer("brian2", "simulate_brian2.py")
_BRAINEVENT = Peer("brainevent", "simulate_brainevent.py")
_NEST = Peer("nest", "simulate_nest.py", tolerance=None)
SIMULATORS = {
    "coba": {
        "brian2": _BRIAN2,
        "brian2_fast_math": _BRIAN2._replace(words=("fast-math",)),
        "brainevent": _BRAINEVENT,
        "brainpy": Peer("brainevent", "simulate_brainpy.py", tolerance=None),
        "nest": _NEST,
        "jax": Peer(None, "simulate_jax.py"),
        "c": Peer(None, "simulate_c.py"),
    },
    "coba_hh": {"brian2": _BRIAN2, "brian2_fast_math": _BRIAN2._replace(words=("fast-math",))},
    "cuba": {"brian2": _BRIAN2, "brainevent": _BRAINEVENT, "nest": _NEST},
    "brunel": {
        "brian2": _BRIAN2._replace(tolerance=None),
        "brainevent": _BRAINEVENT._replace(tolerance=None),
        "nest": _NEST,
    },
}
"""Who simulates which network. In NEST spikes act a step later, which changes the first volley: statistics alone."""

TRAINERS = {
    "jax_scan": Peer(None, "train_jax_scan.py", tolerance=0.001),
    "snntorch": Peer("torch", "train_torch.py", ("snntorch",), tolerance=0.1),
    "spikingjelly": Peer("torch", "train_torch.py", ("spikingjelly",), tolerance=0.001),
    "norse": Peer("torch", "train_torch.py", ("norse",), tolerance=0.001),
    "spyx": Peer("spyx", "train_spyx.py", tolerance=0.1),
    "brainstate": Peer("brainevent", "train_brainstate.py", tolerance=0.001),
}
"""Who trains the classifier. The neurons of snnTorch and Spyx reset one step later."""


def chosen(peers: Mapping[str, Peer], names: str) -> list[str]:
    """Names with commas between them, after a look at each.

    Raises:
        ValueError: One that does not do this work.
    """
    given = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in given if name not in peers]:
        raise ValueError(f"`peers`: expected names out of {', '.join(peers)}, got {', '.join(unknown)}.")
    return given


def missing(peers: Mapping[str, Peer], names: list[str], environments: Path) -> dict[str, str]:
    """Why peers cannot take part, for those that cannot."""
    found = {}
    for name in names:
        environment = peers[name].environment
        if environment is None or (environments / environment / "ready").exists():
            continue
        failed = environments / environment / "failed"
        why = failed.read_text().strip() if failed.is_file() else "`make peers` makes it"
        found[name] = f"no environment {environments / environment}: {why}"
    return found


def command(peer: Peer | None, environments: Path, *given: Any, ours: str = "") -> list[str]:
    """How a contestant is started; None is brainsim, whose script is `ours`."""
    if peer is None:
        return [sys.executable, str(SCRIPTS / ours), *map(str, given)]
    python = environments / peer.environment / "bin" / "python" if peer.environment else Path(sys.executable)
    return [str(python), str(SCRIPTS / peer.script), *map(str, given), *peer.words]


def lay_down(script: str, *given: Any) -> None:
    """Let brainsim's script write what all contestants take, in a process of its own: its memory is free again."""
    subprocess.run([sys.executable, str(SCRIPTS / script), "write", *map(str, given)], check=True)


def require_ours(outcomes: Mapping[str, Outcome], failed: Mapping[str, str]) -> Outcome:
    """What brainsim did; raises where it did nothing."""
    if OURS in failed:
        raise WorkerFailed(failed[OURS])
    return outcomes[OURS]
