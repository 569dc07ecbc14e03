"""Marked neurons: marks lie where a gradient crosses the spikes and nowhere else, whatever the model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._streams import Stream
from brainsim.neurons import LI, LIF, Arctan, Band, FastSigmoid, OfVoltage, SEAdLIF, Triangle, UltraDLIF
from brainsim.neurons.support import Support, emitting, marked
from tests.neurons.test_contract import DRAWN, DT, GATED, NEURONS, SPIKING, N, stimulus

BANDED = [name for name in SPIKING if marked(emitting(NEURONS[name], Band())) is not None]


class Own(LIF):
    """A user's step, of which nothing is known."""

    def step(self, state, drive, dt, key=None):
        later, spikes = super().step(state, drive, dt, key)
        return later, 2 * spikes


class Heir(SEAdLIF):
    """The same from a model with a step of its own."""

    def step(self, state, drive, dt, key=None):
        later, spikes = super().step(state, drive, dt, key)
        return later, state.v * spikes


def test_marks_are_made_for_nearly_every_spiking_model():
    missing = set(SPIKING) - set(BANDED)
    assert missing == {"LIF precise"}


@pytest.mark.parametrize("name", BANDED)
def test_a_mark_is_where_a_gradient_crosses_the_spike(name, x64):
    narrow = emitting(NEURONS[name], Band(width=3.0 if name in GATED else 0.3))
    neuron = narrow.build("x", (N,), dt=DT, key=jax.random.key(0), dtype=jnp.float64)
    marker = marked(neuron)
    assert marker is not None
    drive = stimulus(name, 60, dtype=jnp.float64)

    def one(carry, row):
        state, step = carry
        stream = Stream.of(jax.random.key(1), step)

        def emitted(floats):
            return neuron.step(state.replace(**floats), row, DT, stream)[1]

        floats = {k: getattr(state, k) for k in state if jnp.issubdtype(getattr(state, k).dtype, jnp.floating)}
        spikes, pull = jax.vjp(emitted, floats)
        crosses = sum(jnp.abs(slope) for slope in pull(jnp.ones(N))[0].values()) > 0
        marks = marker.step(state, row, DT, stream)[1] > 0
        return (neuron.step(state, row, DT, stream)[0], step + 1), (marks, crosses, spikes)

    start = neuron.init_state((N,), key=jax.random.key(0), dtype=jnp.float64)
    _, (marks, crosses, spikes) = jax.lax.scan(one, (start, jnp.int32(0)), drive)
    assert spikes.any() and 0 < marks.mean() < 1
    assert not (crosses & ~marks).any()
    if name not in DRAWN:  # there a chance of 0 hides behind a mark
        np.testing.assert_array_equal(marks, crosses)


def test_who_is_not_marked():
    for neuron in (LIF(), LI(surrogate=Band()), UltraDLIF(surrogate=Band()), LIF(surrogate=Band(), precise_times=True)):
        assert marked(neuron) is None
    for kind in (Own, Heir):
        assert marked(kind(surrogate=Band())) is None
    for surrogate, local in ((Band(), True), (Triangle(), True), (OfVoltage(Triangle(), 2.0), True), (Arctan(), False)):
        assert surrogate.local is local
        assert (marked(LIF(surrogate=surrogate)) is not None) is local


def test_marks_of_a_height():
    x = jnp.array([-2.0, -0.5, 0.0, 0.1, 0.5])
    inner = FastSigmoid(10.0)  # h = 1/4 at 0.1, 1/36 at 0.5
    np.testing.assert_array_equal(Support(inner, share=0.2)(x), [0, 0, 1, 1, 0])
    np.testing.assert_array_equal(Support(Band(inner, 0.3))(x), [0, 0, 1, 1, 0])
    np.testing.assert_array_equal(Support(inner)(x), 1)
