"""A balanced network in brainsim and in its peers, in turns on one machine: how many times faster.

    make peers                                                             once: an environment for each peer
    python benchmarks/against_peers.py --neurons 4000 --threads 1 --json peers.json

What is compared before anything is timed: `brainsim/bench/simulating.py`. A suite of such contests:
`python -m brainsim bench run peers`.
"""

import argparse

from brainsim.bench import script, simulating
from brainsim.bench.peers import SIMULATORS


def options() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="coba", choices=SIMULATORS)
    parser.add_argument("--neurons", type=int, default=4000)
    parser.add_argument("--duration", type=float, default=1000.0, help="biological time of one run (ms)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--peers", default="brian2,brian2_fast_math,brainevent,brainpy", help="with commas between them"
    )
    parser.add_argument("--environments", default=".peers", help="what `make peers` made")
    return parser


if __name__ == "__main__":
    script.main(simulating.measure, options())
