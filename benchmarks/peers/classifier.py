"""The spiking classifier that every trainer gets: spikes, classes and first weights, as files of NumPy.

    u = beta v + z W + b (+ s' R),    s = [u >= 1],    v <- u - s,    h(u - 1) = 1 / (1 + (pi (u - 1))^2)  for ds/du
    m = beta m + s W_out + b_out;     loss: cross entropy of the sum of m over time;    Adam

s' are a layer's own spikes of the step before. No gradient crosses the reset.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

BETA, RATE = 0.95, 1e-4


class Classifier(NamedTuple):
    """What is trained, and on what.

    Attributes:
        x: Spikes (time, batch, inputs).
        y: Classes (batch,).
        hidden: Weights (in, out), biases (out,) and recurrent weights (out, out) or None, of each hidden layer.
        out: Weights and biases of the readout.
    """

    x: np.ndarray
    y: np.ndarray
    hidden: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]
    out: tuple[np.ndarray, np.ndarray]


def save(folder: Path, classifier: Classifier) -> None:
    """Write the files."""
    arrays = {"x": classifier.x, "y": classifier.y, "w_out": classifier.out[0], "b_out": classifier.out[1]}
    for k, (w, b, r) in enumerate(classifier.hidden):
        arrays |= {f"w{k}": w, f"b{k}": b} | ({} if r is None else {f"r{k}": r})
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def load(folder: Path) -> Classifier:
    """Read the files."""
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    layers = range(sum(name.startswith("w") and name != "w_out" for name in arrays))
    hidden = [(arrays[f"w{k}"], arrays[f"b{k}"], arrays.get(f"r{k}")) for k in layers]
    return Classifier(arrays["x"], arrays["y"], hidden, (arrays["w_out"], arrays["b_out"]))


def given() -> tuple[Classifier, int]:
    """The classifier and the number of threads: the arguments of every trainer."""
    return load(Path(sys.argv[1])), int(sys.argv[2])
