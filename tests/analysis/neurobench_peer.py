"""Run by a Python that has neurobench: its results for a network in torch with the weights and data of the test.

neurobench_peer.py GIVEN.npz RESULTS.json
"""

import json
import sys

import numpy as np
import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
from neurobench.metrics.workload import ActivationSparsity, ClassificationAccuracy, MembraneUpdates, SynapticOperations
from neurobench.models import SNNTorchModel
from neurobench.processors.postprocessors import ChooseMaxCount
from torch.utils.data import DataLoader, TensorDataset


def main(given, results):
    z = {name: torch.from_numpy(value) for name, value in np.load(given).items()}
    conv = torch.nn.Conv2d(2, 3, 3, padding=1, stride=2, bias=False)
    linear = torch.nn.Linear(z["linear"].shape[1], z["linear"].shape[0])
    conv.weight.data, linear.weight.data, linear.bias.data = z["conv"], z["linear"], z["bias"]
    neuron = lambda beta, **options: snn.Leaky(
        float(beta), reset_mechanism="zero", reset_delay=False, init_hidden=True, **options
    )
    net = torch.nn.Sequential(conv, neuron(z["beta"][0]), torch.nn.Flatten(), linear, neuron(z["beta"][1], output=True))
    data = DataLoader(TensorDataset(z["x"].transpose(0, 1), z["y"]), batch_size=4)
    metrics = [
        [Footprint, ParameterCount, ConnectionSparsity],
        [ActivationSparsity, SynapticOperations, MembraneUpdates, ClassificationAccuracy],
    ]
    buffers = sum(
        buffer.numel() * buffer.element_size() for buffer in net.buffers()
    )  # before the membranes are among them
    with torch.no_grad():
        found = Benchmark(SNNTorchModel(net), data, [], [ChooseMaxCount()], metrics).run(quiet=True)
    found["Footprint"] -= buffers
    with open(results, "w") as file:
        json.dump(found, file, default=float)


if __name__ == "__main__":
    main(*sys.argv[1:])
