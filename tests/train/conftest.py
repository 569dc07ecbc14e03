"""The two kinds of model that training must work on, small."""

import pytest

import brainsim as bs
from brainsim.units import ms, mV


def chain() -> bs.Sequential:
    return bs.Sequential(
        bs.Linear(4, 6, bias=True),
        ("hid", bs.LIF(10 * ms, trainable=("tau_mem",))),
        bs.Linear(6, 3),
        bs.LI(8 * ms),
        dt=1 * ms,
    )


def balanced() -> bs.Network:
    def edge(pre: str, post: str, sign: int, **options) -> bs.Projection:
        weight = bs.Uniform(0.1 * mV, 0.6 * mV) if sign > 0 else bs.Uniform(-0.6 * mV, -0.1 * mV)
        return bs.Projection(pre, post, bs.AllToAll(), weight, sign=sign, storage="dense", **options)

    exc = bs.LIF(10 * ms, trainable=("tau_mem", "v_th"))
    cells = {"E": bs.Population(6, exc), "I": bs.Population(2, bs.LIF(5 * ms)), "out": bs.Population(3, bs.LI(8 * ms))}
    edges = [edge("in", "E", 1), edge("in", "I", 1), edge("E", "I", 1), edge("I", "E", -1), edge("E", "out", 1)]
    return bs.Network({"in": bs.Input(4), **cells}, edges, dt=1 * ms, outputs="out")


@pytest.fixture(params=[chain, balanced], ids=["Sequential", "Network"])
def model(request):
    """A Sequential, then a Network."""
    return request.param()


@pytest.fixture
def network():
    """The Network."""
    return balanced()


@pytest.fixture
def sequential():
    """The Sequential."""
    return chain()
