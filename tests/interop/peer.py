"""Run by the Python of another simulator: a NIR file and spikes in, that simulator's spikes out.

peer.py SIMULATOR GRAPH.nir INPUT.npy OUTPUT.npy DT_MS       input and output (time, batch, n)
"""

import sys

import nir
import numpy as np
import torch


def snntorch_steps(graph, dt):
    from snntorch.import_nir import import_from_nir

    assert dt == 0.1, "snnTorch reads NIR at a step of 1e-4 s"
    return import_from_nir(graph)


def norse_steps(graph, dt):
    import norse.torch as norse

    return norse.from_nir(graph, dt=dt / 1000, ignore_warnings=True)


def main(simulator, graph, xs, out, dt):
    net = {"snntorch": snntorch_steps, "norse": norse_steps}[simulator](nir.read(graph), float(dt))
    state, ys = None, []
    with torch.no_grad():
        for x in torch.from_numpy(np.load(xs)):
            y, state = net(x, state)
            ys.append((y[0] if isinstance(y, tuple) else y).numpy())
    np.save(out, np.stack(ys))


if __name__ == "__main__":
    main(*sys.argv[1:])
