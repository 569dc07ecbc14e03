"""Positions, distances and rules of distance against brute force and expected counts."""

import numpy as np
import pytest
from scipy import stats

import brainsim as bs
from brainsim.connectivity import DistanceProbability, Positions, box, exponential, gaussian, grid_positions
from brainsim.connectivity import random_positions as scattered
from brainsim.units import mm, ms, mV, um


def rng():
    return np.random.default_rng(0)


def test_grids_number_neurons_as_their_population_does():
    positions = grid_positions((3, 4), 10 * um)
    np.testing.assert_array_equal(positions.coordinates[[0, 1, 4, 11]], [[5, 5], [5, 15], [15, 5], [25, 35]])
    assert grid_positions(5, (2 * um,), periodic=True).period == (10.0,)


@pytest.mark.parametrize("periodic", [False, True])
def test_distances_are_those_of_the_nearest_image(periodic):
    here, there = (scattered(40, (0.1 * mm, 70), seed=seed, periodic=periodic) for seed in (1, 2))
    pre, post = np.arange(40)[:, None], np.arange(40)[None, :]
    found = here.distance(there, pre, post)
    shifts = [(a, b) for a in (-100, 0, 100) for b in (-70, 0, 70)] if periodic else [(0, 0)]
    images = [here.coordinates[:, None] - there.coordinates[None] + shift for shift in shifts]
    np.testing.assert_allclose(found, np.min([np.hypot(d[..., 0], d[..., 1]) for d in images], axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    "kernel", [gaussian(0.6, 30 * um), exponential(0.8, 20 * um), box(0.4, 50 * um), lambda d: 0.1 + 0 * d]
)
@pytest.mark.parametrize("cutoff", [None, 60 * um])
def test_synapses_at_each_distance_are_as_many_as_the_kernel_says(kernel, cutoff):
    """chi^2 over bins of distance; alpha = 0.01 / 8."""
    here = scattered(500, (300, 300), seed=3, periodic=True)
    rule = DistanceProbability(kernel, cutoff).placed(here, here)
    wiring = rule.connect(500, 500, same=True, rng=rng())
    assert (wiring.pre != wiring.indices).all() and np.unique(wiring.pre * 500 + wiring.indices).size == wiring.nnz
    every = here.distance(here, np.arange(500)[:, None], np.arange(500)[None])[~np.eye(500, dtype=bool)]
    limit = 60.0 if cutoff is not None else 213.0
    p = np.where(every <= limit, kernel(every), 0.0)
    bins = np.linspace(0, limit, 13)
    observed = np.histogram(here.distance(here, wiring.pre, wiring.indices), bins)[0]
    expected = np.histogram(every, bins, weights=p)[0]
    variance = np.histogram(every, bins, weights=p * (1 - p))[0]
    used = variance > 5
    assert observed.sum() == wiring.nnz and (observed[~used] <= 30).all()
    chi2 = ((observed - expected)[used] ** 2 / variance[used]).sum()
    assert stats.chi2(used.sum()).sf(chi2) > 0.01 / 8


def test_weights_and_delays_follow_the_distance():
    """Delays go to the nearest step; what became of them can be read."""
    positions = grid_positions((6, 6), 25 * um, periodic=True)
    cell = bs.Population((6, 6), bs.LIF(20 * ms), positions=positions)
    length, delay = (lambda d: np.exp(-d / 40) * mV), (lambda d: 0.5 + d / 300)
    rule = DistanceProbability(box(0.5, 60 * um))
    edge = bs.Projection("E", "E", rule, bs.ByDistance(length), delay=bs.ByDistance(delay))
    net = bs.Network({"E": cell}, [edge], dt=0.1 * ms)
    edges = net["E->E"].edges
    d = positions.distance(positions, edges.pre, edges.post)
    np.testing.assert_allclose(edges.weight, np.exp(-d / 40), rtol=1e-6)
    np.testing.assert_allclose(edges.delay, np.rint(delay(d) / 0.1) * 0.1, rtol=1e-6)
    assert d.max() <= 60 and np.unique(edges.delay).size > 1
    listed = bs.EdgeList(edges.pre, edges.post)
    same = bs.Network({"E": cell}, [bs.Projection("E", "E", listed, 1 * mV, delay=bs.ByDistance(delay))], dt=0.1 * ms)
    np.testing.assert_array_equal(same["E->E"].edges.delay, edges.delay)


def test_what_does_not_fit_is_refused():
    cell, plain = bs.LIF(20 * ms), bs.Population(4, bs.LIF(20 * ms))
    net = lambda *parts, **options: bs.Network({"E": plain}, [bs.Projection("E", "E", *parts, **options)], dt=0.1 * ms)
    with pytest.raises(ValueError, match="needs the positions of both populations"):
        net(DistanceProbability(box(0.5, 1 * um)), 1 * mV)
    with pytest.raises(ValueError, match="`E->E.weight`: ByDistance needs the `positions`"):
        net(bs.AllToAll(), bs.ByDistance(lambda d: d))
    with pytest.raises(ValueError, match="`positions`: expected those of 4 neurons, got 5"):
        bs.Population(4, cell, positions=grid_positions(5))
    with pytest.raises(ValueError, match="expected two populations in one space"):
        DistanceProbability(box(1, 1)).placed(grid_positions(4), grid_positions((2, 2))).connect(
            4, 4, same=False, rng=rng()
        )
    with pytest.raises(ValueError, match=r"`kernel`: expected probabilities in \[0, 1\], got 1.5 at 1 um"):
        here = grid_positions(4)
        DistanceProbability(lambda d: 1.5 * (d == 1)).placed(here, here).connect(4, 4, same=False, rng=rng())
    with pytest.raises(ValueError, match="`sigma`: expected a length"):
        gaussian(0.5, 3 * ms)
    with pytest.raises(ValueError, match="`coordinates`: expected a length"):
        Positions([0.0, np.nan])
    line = bs.Population(4, cell, positions=grid_positions(4))
    with pytest.raises(ValueError, match="`E->E.delay` must be >= 0 ms"):
        slow = bs.Projection("E", "E", bs.AllToAll(), 1 * mV, delay=bs.ByDistance(lambda d: d - 2))
        bs.Network({"E": line}, [slow], dt=0.1 * ms)
