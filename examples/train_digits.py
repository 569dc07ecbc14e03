"""Train an excitatory-inhibitory spiking network on handwritten digits, Dale's law kept, in under a minute.

    pip install "brainsim[examples]"
    python examples/train_digits.py --out digits

160 excitatory and 40 inhibitory neurons see 8 x 8 pixels for 25 ms; the network and its training are 60 lines in
`brainsim/bench/digits.py`. The split is fixed (1,257 / 180 / 360); the test samples are looked at once, after training.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import brainsim as bs
from brainsim.bench import digits


def weakest_weights(net: bs.Network) -> dict[str, float]:
    """The smallest weight of every projection after its sign is taken off: >= 0 where Dale's law holds."""
    return {path: float(np.min(edge.sign * np.asarray(edge.weight))) for path, edge in net.projections.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print the figures, save `training.png` and `train_digits.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=digits.EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("train_digits"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    started, cpu = time.perf_counter(), time.process_time()
    net, history, _ = digits.train(options.epochs, seed=options.seed)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu

    rates = digits.rates(net)
    figures = {
        "test_accuracy": digits.accuracy(net),
        "valid_accuracy": float(history["valid_accuracy"][-1]),
        "rate_hz": rates,
        "dale_holds": min(weakest_weights(net).values()) >= 0,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "seed": options.seed,
        "brainsim": bs.__version__,
        "history": history.to_dict(),
    }
    history.plot(options.out / "training.png")
    (options.out / "train_digits.json").write_text(json.dumps(figures, indent=2) + "\n")

    print(f"test accuracy  {figures['test_accuracy']:.1%}  (validation {figures['valid_accuracy']:.1%})")
    print(f"rates          E {rates['E']:.1f} Hz, I {rates['I']:.1f} Hz")
    print(f"Dale's law     {'kept by every weight' if figures['dale_holds'] else 'BROKEN'}")
    print(f"time           {seconds:.0f} s wall, {cpu:.0f} s CPU, compilation included")
    print(f"saved          {options.out / 'training.png'}, {options.out / 'train_digits.json'}")


if __name__ == "__main__":
    main()
