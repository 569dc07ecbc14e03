"""Graphs in the `nir` package's own objects that together hold every kind of node."""

import nir
import numpy as np


def numbers(seed, dtype=np.float32):
    """`f(*shape)`: numbers in [0.1, 1)."""
    rng = np.random.default_rng(seed)
    return lambda *shape: (0.1 + 0.9 * rng.random(shape)).astype(dtype)


def lif(f, n):
    """A leaky neuron that fires, all parameters different."""
    return nir.LIF(0.02 * f(n) + 0.003, 3 * f(n), 0.1 * f(n), 0.3 + f(n), -f(n))


def cuba(f, n):
    """A leaky neuron with a synapse that fires, all parameters different."""
    return nir.CubaLIF(0.01 * f(n) + 0.003, 0.02 * f(n) + 0.003, 3 * f(n), 0.1 * f(n), 0.3 + f(n), -f(n), 3 * f(n))


def convolutional(seed=0, dtype=np.float32):
    """A chain over images and one axis: Conv2d, IF, SumPool2d, AvgPool2d, Flatten, Conv1d, LIF, Flatten, Linear, LI."""
    f = numbers(seed, dtype)
    shape = (4, 9, 7)
    return nir.NIRGraph.from_list(
        nir.Input(np.array([2, 9, 7])),
        nir.Conv2d((9, 7), f(4, 1, 3, 3) - 0.4, (1, 1), (1, 1), (1, 1), 2, f(4) - 0.5),
        nir.IF(300 * f(*shape), f(*shape), -f(*shape)),
        nir.SumPool2d(np.array([3, 2]), np.array([2, 2]), np.array([1, 0])),
        nir.AvgPool2d(np.array([2, 2]), np.array([1, 1]), np.array([1, 1])),
        nir.Flatten({"input": np.array([4, 6, 4])}, 1, 2),
        nir.Conv1d(24, f(3, 4, 5) - 0.4, 2, 2, 1, 1, f(3)),
        nir.LIF(0.02 * f(3, 12) + 0.003, 3 * f(3, 12), 0.1 * f(3, 12), 0.3 + f(3, 12), -f(3, 12)),
        nir.Flatten({"input": np.array([3, 12])}, 0, -1),
        nir.Linear(f(5, 36) - 0.4),
        nir.LI(0.02 * f(5) + 0.003, f(5), f(5)),
        nir.Output(np.array([5])),
        type_check=False,  # which takes a grouped convolution's input for one of c_in / groups channels
    )


def recurrent(seed=0, dtype=np.float32):
    """A neuron with a way back, one with a delayed way back in a graph inside, and a chain after them."""
    f = numbers(seed, dtype)
    inner = nir.NIRGraph(
        {
            "in": nir.Input(np.array([4])),
            "cuba": cuba(f, 4),
            "late": nir.Delay(np.full(4, 0.002, np.float32)),
            "w": nir.Linear(f(4, 4) - 0.3),
            "out": nir.Output(np.array([4])),
        },
        [("in", "cuba"), ("cuba", "late"), ("late", "w"), ("w", "cuba"), ("cuba", "out")],
    )
    nodes = {
        "input": nir.Input(np.array([3])),
        "w": nir.Affine(2 * f(4, 3), f(4)),
        "lif": lif(f, 4),
        "back": nir.Linear(f(4, 4) - 0.5),
        "inner": inner,
        "s": nir.Scale(f(4)),
        "output": nir.Output(np.array([4])),
    }
    edges = [
        ("input", "w"),
        ("w", "lif"),
        ("lif", "back"),
        ("back", "lif"),
        ("lif", "inner"),
        ("inner", "s"),
        ("s", "output"),
    ]
    return nir.NIRGraph(nodes, edges)


def wired(seed=0, dtype=np.float32):
    """No chain: a skip edge, a cycle through an Affine, names with points, and the rest of the kinds."""
    f = numbers(seed, dtype)
    nodes = {
        "input": nir.Input(np.array([3])),
        "w": nir.Affine(2 * f(5, 3), f(5)),
        "l.if": lif(f, 5),
        "skip": nir.Linear(f(5, 3)),
        "b": nir.Affine(f(5, 5) - 0.5, f(5)),
        "cu": cuba(f, 5),
        "s": nir.Scale(f(5)),
        "d": nir.Delay(np.arange(5, dtype=np.float32) / 1000),
        "th": nir.Threshold(f(5) / 20),
        "i": nir.I(300 * f(5)),
        "li": nir.CubaLI(0.01 * f(5) + 0.003, 0.02 * f(5) + 0.003, f(5), f(5) / 50),
        "output": nir.Output(np.array([5])),
    }
    chain = ["cu", "s", "d", "li", "th", "i", "output"]
    edges = [("input", "w"), ("w", "l.if"), ("l.if", "b"), ("b", "l.if"), ("l.if", "cu"), ("input", "skip")]
    return nir.NIRGraph(nodes, [*edges, ("skip", "cu"), *zip(chain, chain[1:], strict=False)])


GRAPHS = {"convolutional": convolutional, "recurrent": recurrent, "wired": wired}
