"""Measure the figures of the README, one after the other, and print its tables: figures, then ratios in one run.

python benchmarks/figures.py results/ [.peers]    writes one JSON file a row; rows already there are not measured again

The second table wants a C compiler; of its rows, those with the peers also want their environments
(`make peers`) and are left out where the folder is not there.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROWS = {
    "COBA, 4,000 neurons": ["coba", "--neurons", "4000"],
    "the same without kernels (`BRAINSIM_KERNELS=off`)": ["coba", "--neurons", "4000", "--repeats", "3"],
    "COBA, 40,000 neurons": ["coba", "--neurons", "40000"],
    "COBA, 400,000 neurons, 32 million synapses": ["coba", "--neurons", "400000", "--repeats", "3"],
    "training step, 700-256-20": ["train", "--net", "ff256"],
    "training step, 700-256 (recurrent)-20": ["train", "--net", "rec256"],
    "training step, 700-1024-1024-20": ["train", "--net", "ff1024"],
    "spikes across 10 million synapses, 1 % firing": ["operator", "csr", "--n", "100000", "--fan-out", "100"],
    "`spikes @ W`, 12,800 x 700 x 256 at 2 %": "operator event_dense --n 700 --fan-out 256 --fraction 0.02".split(),
    "its weight gradient": "operator event_dense_outer --n 700 --fan-out 256 --fraction 0.02".split(),
    "its gradient to 5 % of the spikes, 12,800 x 1024 x 1024": (
        "operator event_dense_where --n 1024 --fan-out 1024 --fraction 0.05".split()
    ),
    "a convolution, 1,000 images of 12 x 16 x 16 to 32 channels, 5 x 5, at 5 %": (
        "operator event_conv --n 12 --fan-out 32 --fraction 0.05".split()
    ),
    "the convolution's weight gradient": "operator event_conv_outer --n 12 --fan-out 32 --fraction 0.05".split(),
}
"""Figures by what they are: arguments of `python -m brainsim bench`, to which `--threads 1` comes."""

BENCH, SIZES = "-m brainsim bench coba --limit", (4_000, 40_000, 400_000)
LONG = {400_000: " --repeats 3"}
RATIOS = [
    *(f"{BENCH} --neurons {n}{LONG.get(n, '')} --threads {threads}" for n in SIZES for threads in (1, 2)),
    "benchmarks/neurons.py --threads 1",
    "benchmarks/scan.py --threads 1",
    "benchmarks/against_peers.py --neurons 4000 --threads 1 --peers brian2,brainevent",
    "benchmarks/against_peers.py --neurons 40000 --threads 1 --duration 300 --rounds 3",
    "benchmarks/against_peers.py --neurons 400000 --threads 1 --duration 100 --rounds 3 --peers brian2,brainevent",
    "benchmarks/against_peers.py --network coba_hh --neurons 4000 --threads 1 --duration 300 --rounds 3 --peers brian2",
    "benchmarks/against_peers.py --network cuba --neurons 4000 --threads 1 --rounds 3 --peers brian2,nest",
    "benchmarks/against_peers.py --network cuba --neurons 40000 --threads 1 --duration 300 --rounds 3 --peers brian2",
    "benchmarks/against_peers.py --network brunel --neurons 12500 --threads 1 --rounds 3"
    " --peers brian2,brainevent,nest",
    "benchmarks/training.py --net ff256 --threads 1",
    "benchmarks/training.py --net rec256 --threads 1",
    "benchmarks/training.py --net ff1024 --threads 1 --rounds 5",
    "benchmarks/memory.py --threads 1",
]
"""Arguments of `python` for runs that measure two or more ways in turns."""

PEER_MISSING = 3
"""Exit code of a contest in which a peer is missing; it has the rows of the others."""


def measure(words: list[str], file: Path, kernels: str = "on") -> dict:
    """The result of one command, from its file where that is there already."""
    if not file.exists():
        command = [sys.executable, *words, "--json", str(file)]
        done = subprocess.run(command, check=False, env={**os.environ, "BRAINSIM_KERNELS": kernels})
        if done.returncode not in (0, PEER_MISSING):
            raise SystemExit(f"{' '.join(words)}: ended with code {done.returncode}")
    return json.loads(file.read_text())


def file_of(words: list[str], suffix: str = "") -> str:
    """A name for the JSON of a command."""
    return "_".join(words).replace("--", "").replace("/", "_") + suffix + ".json"


def sentence(result: dict) -> str:
    """The figure of a result, in words."""
    if result["workload"] == "coba":
        rates = f"E {result['rate_hz_E']:.1f} Hz, I {result['rate_hz_I']:.1f} Hz"
        return f"{result['wall_per_bio_s']:.3g} s per biological s ({rates}; {result['peak_rss_mb']:.0f} MB)"
    if result["workload"] == "train":
        return f"{1e3 * result['step_s']:.0f} ms, forward {1e3 * result['forward_s']:.0f} ms"
    ratio = result["us_baseline"] / result["us"]
    baseline = f"its XLA path {milliseconds(result['us_baseline'])}, {ratio:,.{0 if ratio > 100 else 1}f}x"
    return f"{milliseconds(result['us'])} a call, {result['ns_per_event']:.2g} ns an event; {baseline}"


def milliseconds(us: float) -> str:
    """A time for reading."""
    return f"{us / 1e3:.3g} ms"


def compared(result: dict) -> Iterator[tuple[str, str]]:
    """What a result with several ways says: what was done, and the ratios in words."""
    rows, given = result.get("rows", {}), result["arguments"]
    if result["workload"] == "coba":
        cores = f"{given['threads']} thread{'s' if given['threads'] > 1 else ''}"
        times = f"{result['wall_per_bio_s']:.3g} and {result['c_wall_per_bio_s']:.3g} s per biological s"
        yield f"COBA, {given['neurons']:,} neurons, {cores}", f"{result['ratio_to_c']:.2f} times C by hand ({times})"
    for name, row in rows.items():
        if result["workload"] == "peers" and name != "brainsim":
            took = f"{row['over_brainsim']:.1f} times brainsim's time ({row['wall_per_bio_s']:.3g} s per biological s)"
            yield f"{given.get('network', 'coba').upper()}, {given['neurons']:,} neurons: {row['name']}", took
        elif result["workload"] == "training":
            fired = " and ".join(f"{rate:.1%}" for rate in row["hidden_rates"])
            times = f"{row['step_ms']:.3g} ms, at a hidden rate of {fired} a step"
            what = f"training step, {given['net']}: {row['name']}"
            yield what, times if name == "brainsim" else f"{row['over_brainsim']:.1f} times brainsim's time ({times})"
        elif result["workload"] == "memory":
            part = f"{row['memory_of_scan']:.2f} times the scan by hand"
            figures = f"{row['temporary_mb']:.0f} MB, {part}; {row['step_ms']:.0f} ms"
            yield f"memory of a gradient through {given['steps']:,} steps, ff256: {name}", figures
        elif result["workload"] == "neurons":
            figures = f"{row['fused_ns']:.2g} ns a neuron and step; XLA {row['xla_ns']:.2g} ns"
            yield name, f"{figures}, {row['xla_over_fused']:.1f}x{by_hand(row, 'ns')}"
        elif result["workload"] == "scan":
            size = f"{given['batch']} x {given['neurons']} neurons, {given['steps']} steps, {name}"
            figures = f"{row['fused_ms']:.2g} ms; `lax.scan` {row['xla_ms']:.2g} ms"
            yield f"`fuse.scan` of LIF, {size}", f"{figures}, {row['xla_over_fused']:.1f}x{by_hand(row, 'ms')}"


def by_hand(row: dict, unit: str) -> str:
    """What a row says about the loop by hand, if it has one."""
    if "fused_over_c" not in row:
        return ""
    return f"; C by hand {row[f'c_{unit}']:.2g} {unit}, {row['fused_over_c']:.2f} times that"


def sharing(results: list[dict]) -> Iterator[tuple[str, str]]:
    """How much faster two threads are than one, each measured in turns with the same program in C on one."""
    ratios = {(r["arguments"]["neurons"], r["arguments"]["threads"]): r["ratio_to_c"] for r in results}
    for neurons in sorted({n for n, threads in ratios if threads == 2}):
        faster = ratios[neurons, 1] / ratios[neurons, 2]
        yield f"COBA, {neurons:,} neurons, two threads", f"{faster:.2f} times as fast as one"


def print_figures(folder: Path) -> dict:
    """The first table; returns the last result."""
    print("| what | figure | `python -m brainsim bench ... --threads 1` |\n|---|---|---|")
    for name, words in ROWS.items():
        kernels = "off" if "without kernels" in name else "on"
        command = ["-m", "brainsim", "bench", *words, "--threads", "1"]
        result = measure(command, folder / file_of(words, f"_{kernels}"), kernels)
        if (result["kernels"] == "ffi") != (kernels == "on"):
            raise SystemExit(f"{name}: {result['kernels_why']}")
        print(f"| {name} | {sentence(result)} | `{' '.join(words)}` |", flush=True)
    return result


def print_ratios(folder: Path, environments: Path) -> None:
    """The second table."""
    print("\n| what | ratio | `python ...` |\n|---|---|---|")
    limits = []
    for words in RATIOS:
        if "against_peers" in words and not environments.is_dir():
            continue
        place = ["--environments", str(environments)] if "against_peers" in words or "training" in words else []
        result = measure([*words.split(), *place], folder / file_of(words.split()))
        if result["kernels"] != "ffi":
            raise SystemExit(f"{words}: {result['kernels_why']}")
        limits += [result] if result["workload"] == "coba" else []
        for name, figure in compared(result):
            print(f"| {name} | {figure} | `{words}` |", flush=True)
    for name, figure in sharing(limits):
        print(f"| {name} | {figure} | the rows with C |")


def main() -> None:
    """Measure what is missing and print the tables."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    environments = Path(sys.argv[2] if len(sys.argv) > 2 else ".peers")
    folder.mkdir(parents=True, exist_ok=True)
    result = print_figures(folder)
    print_ratios(folder, environments)
    print(f"\n{result['cpu_model']}, {result['isa']}, jax {result['versions']['jax']}, commit {result['commit']}.")


if __name__ == "__main__":
    main()
