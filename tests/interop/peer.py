"""Run by the Python of another simulator: a NIR file and spikes in, that simulator's spikes out, or a file of its own.

peer.py SIMULATOR GRAPH.nir INPUT.npy OUTPUT.npy       input and output (time, batch, 20), a step of 0.1 ms
"""

import sys

import nir
import numpy as np
import torch


def snntorch_reads(graph):
    """The network of a file."""
    from snntorch.import_nir import import_from_nir

    return import_from_nir(nir.read(graph))


def norse_reads(graph):
    """The network of a file."""
    import norse.torch as norse

    return norse.from_nir(nir.read(graph), dt=1e-4, ignore_warnings=True)


def snntorch_writes(graph):
    """A network of its own, which it writes to the file; it steps NIR's equations by 1e-4 s."""
    import snntorch as snn
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(0)
    neuron = lambda n, beta, v_th, **options: snn.Leaky(
        torch.full((n,), beta), torch.full((n,), v_th), reset_mechanism="zero", reset_delay=False, init_hidden=True,
        **options,
    )  # fmt: skip
    linear = torch.nn.Linear(20, 30), torch.nn.Linear(30, 10)
    with torch.no_grad():
        for layer in linear:
            layer.weight.mul_(4).add_(0.1)
    net = torch.nn.Sequential(linear[0], neuron(30, 0.9, 1.0), linear[1], neuron(10, 0.8, 1.2, output=True))
    nir.write(graph, export_to_nir(net, torch.zeros(20)))
    utils.reset(net)
    return lambda x, state: net(x)


def main(simulator, graph, xs, out):
    makers = {"snntorch": snntorch_reads, "norse": norse_reads, "snntorch writes": snntorch_writes}
    net, state, ys = makers[simulator](graph), None, []
    with torch.no_grad():
        for x in torch.from_numpy(np.load(xs)):
            y, state = net(x, state)
            ys.append((y[0] if isinstance(y, tuple) else y).numpy())
    np.save(out, np.stack(ys))


if __name__ == "__main__":
    main(*sys.argv[1:])
