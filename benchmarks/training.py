"""A training step of a spiking classifier in brainsim and in its peers, in turns on one machine: how many times faster.

    make peers                                                     once: an environment for each peer
    python benchmarks/training.py --net ff256 --threads 1 --json training.json

What is compared before anything is timed: `brainsim/bench/training.py`.
"""

import argparse

from brainsim.bench import script, training
from brainsim.bench.train import HIDDEN


def options() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default="ff256", choices=HIDDEN)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peers", default="jax_scan,snntorch,spikingjelly", help="with commas between them")
    parser.add_argument("--environments", default=".peers", help="what `make peers` made")
    return parser


if __name__ == "__main__":
    script.main(training.measure, options())
