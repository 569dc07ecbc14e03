"""Measure the figures of the README, one after the other on one thread, and print its table.

python benchmarks/figures.py results/       writes one JSON file a row; rows already there are not measured again
"""

import json
import os
import subprocess
import sys
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
}


def measure(words: list[str], file: Path, kernels: str) -> dict:
    """The result of one command, from its file where that is there already."""
    if not file.exists():
        command = [sys.executable, "-m", "brainsim", "bench", *words, "--threads", "1", "--json", str(file)]
        subprocess.run(command, check=True, env={**os.environ, "BRAINSIM_KERNELS": kernels})
    return json.loads(file.read_text())


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


def main() -> None:
    """Measure what is missing and print the table."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    folder.mkdir(parents=True, exist_ok=True)
    print("| what | figure | `python -m brainsim bench ... --threads 1` |\n|---|---|---|")
    for name, words in ROWS.items():
        kernels = "off" if "without kernels" in name else "on"
        result = measure(words, folder / f"{'_'.join(words).replace('--', '')}_{kernels}.json", kernels)
        if (result["kernels"] == "ffi") != (kernels == "on"):
            raise SystemExit(f"{name}: {result['kernels_why']}")
        print(f"| {name} | {sentence(result)} | `{' '.join(words)}` |", flush=True)
    print(f"\n{result['cpu_model']}, {result['isa']}, jax {result['versions']['jax']}, commit {result['commit']}.")


if __name__ == "__main__":
    main()
