"""The classifier trained by snnTorch, SpikingJelly or Norse; the third argument tells which.

snnTorch's Leaky takes the reset off one step later and undecayed, u = beta u' + x - s', its recurrent layer as well, so
that its losses are near, not equal; SpikingJelly's soft reset is the classifier's own, and so is that of Norse's
LIFBox, whose surrogate is SuperSpike's; its recurrent weights are a linear layer on the spikes of the step before.
"""

import sys
import time

import torch
from classifier import BETA, RATE, Classifier, given
from serve import serve
from torch import nn


class Readout(nn.Module):
    """Sum over time of a leaky membrane."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear

    def forward(self, spikes):
        membrane = total = torch.zeros(())
        for current in self.linear(spikes).unbind(0):
            membrane = BETA * membrane + current
            total = total + membrane
        return total


class SnnTorch(nn.Module):
    """Layer by layer, one step after the other."""

    def __init__(self, classifier: Classifier):
        import snntorch as snn
        from snntorch import surrogate

        super().__init__()
        arctan = surrogate.atan(alpha=2.0)
        self.inputs = nn.ModuleList([linear(w, b) for w, b, _ in classifier.hidden])
        self.cells = nn.ModuleList()
        for w, _, r in classifier.hidden:
            if r is None:
                cell = snn.Leaky(beta=BETA, spike_grad=arctan)
            else:
                cell = snn.RLeaky(beta=BETA, linear_features=w.shape[1], spike_grad=arctan)
                fill(cell.recurrent, r, None)
            self.cells.append(cell)
        self.readout = Readout(linear(*classifier.out))

    def forward(self, x):
        for layer, cell in zip(self.inputs, self.cells, strict=True):
            recurrent, emitted = hasattr(cell, "recurrent"), []
            state = cell.init_rleaky() if recurrent else (cell.init_leaky(),)
            for current in layer(x).unbind(0):
                out = cell(current, *state)
                emitted.append(out[0])
                state = out if recurrent else out[1:]
            x = torch.stack(emitted)
        self.rate = x.detach().mean()
        return self.readout(x)


class SpikingJelly(nn.Module):
    """Every layer over all steps."""

    def __init__(self, classifier: Classifier):
        from spikingjelly.activation_based import functional, layer, neuron, surrogate

        super().__init__()
        self.forget, layers = functional.reset_net, []
        for w, b, r in classifier.hidden:
            like = dict(tau=1 / (1 - BETA), decay_input=False, v_reset=None, detach_reset=True)
            like["surrogate_function"] = surrogate.ATan(alpha=2.0)
            layers.append(linear(w, b))
            if r is None:
                layers.append(neuron.LIFNode(**like, step_mode="m"))
            else:
                cell = layer.LinearRecurrentContainer(neuron.LIFNode(**like), w.shape[1], w.shape[1], step_mode="m")
                size = w.shape[1]
                with torch.no_grad():  # its matrix maps [input, own spikes] to the neurons
                    cell.rc.weight.copy_(torch.cat([torch.eye(size), torch.from_numpy(r).T], 1))
                    cell.rc.bias.zero_()
                layers.append(cell)
        self.layers, self.readout = nn.ModuleList(layers), Readout(linear(*classifier.out))

    def forward(self, x):
        self.forget(self)
        for layer in self.layers:
            x = layer(x)
        self.rate = x.detach().mean()
        return self.readout(x)


class Norse(nn.Module):
    """Layer by layer, one step after the other."""

    def __init__(self, classifier: Classifier):
        from norse.torch import LIFBoxCell, LIFBoxParameters
        from norse.torch.functional.reset import reset_subtract

        super().__init__()
        gain = 1 - BETA  # of an input in a step: dt / tau
        parameters = LIFBoxParameters(torch.tensor(gain / 1e-3), alpha=torch.tensor(1.0), reset_method=reset_subtract)
        self.cells = nn.ModuleList([LIFBoxCell(parameters) for _ in classifier.hidden])
        self.inputs = nn.ModuleList([linear(w, b) for w, b, _ in classifier.hidden])
        self.own = nn.ModuleList([nn.Identity() if r is None else linear(r, None) for _, _, r in classifier.hidden])
        self.readout, self.gain = Readout(linear(*classifier.out)), 1 / gain

    def forward(self, x):
        for layer, own, cell in zip(self.inputs, self.own, self.cells, strict=True):
            state, spikes, emitted = None, None, []
            for current in layer(x).unbind(0):
                if spikes is not None and isinstance(own, nn.Linear):
                    current = current + own(spikes)
                spikes, state = cell(self.gain * current, state)
                emitted.append(spikes)
            x = torch.stack(emitted)
        self.rate = x.detach().mean()
        return self.readout(x)


def linear(weight, bias) -> nn.Linear:
    """A layer with given weights (in, out)."""
    made = nn.Linear(*weight.shape, bias=bias is not None)
    fill(made, weight, bias)
    return made


def fill(layer: nn.Linear, weight, bias) -> None:
    """Give a layer its weights (in, out) and bias."""
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight).T)
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))
        elif layer.bias is not None:
            layer.bias.zero_()


def main() -> None:
    """Train one step a line."""
    classifier, threads = given()
    torch.set_num_threads(threads)
    package = sys.argv[3]
    model = {"snntorch": SnnTorch, "spikingjelly": SpikingJelly, "norse": Norse}[package](classifier)
    x, y = torch.from_numpy(classifier.x), torch.from_numpy(classifier.y).long()
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    with torch.no_grad():
        model(x)
    rate = float(model.rate)

    def sample() -> tuple[float, list[float]]:
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return time.perf_counter() - begin, [float(loss.detach())]

    serve(package, (package, "torch"), sample, hidden_rates=[rate])


if __name__ == "__main__":
    main()
