"""The field potential's proxy against the sum written out, and its checks."""

import numpy as np
import pytest

from brainsim.analysis import Result, lfp
from brainsim.recording import Recorder, Trace
from brainsim.units import ms

RNG = np.random.default_rng(0)
AMPA, GABA = RNG.random((400, 6)), -RNG.random((400, 6))


def result(gaba_every=0.5, sign=1):
    specs = [
        Trace("E->E.current", every=0.5),
        Trace("x->E.current", every=0.5, reduce="sum"),
        Trace("I->E.current", every=gaba_every, reduce="sum"),
    ]
    with Recorder(specs, dt=0.5, sizes={spec.path: 6 for spec in specs}) as recorder:
        chunk = {"E->E.current": AMPA, "x->E.current_sum": 2 * AMPA.sum(1), "I->E.current_sum": sign * GABA.sum(1)}
        recorder.append(chunk, 0, 400)
        return Result(recorder.finish())


def test_reference_weighted_sum():
    t, field = lfp(result(), excitatory=["E->E", "x->E"], inhibitory=["I->E"], normalise=False)
    expected = 3 * AMPA.sum(1)[:-12] + 1.65 * np.abs(GABA.sum(1))[12:]
    np.testing.assert_allclose(field, expected, rtol=1e-12)
    np.testing.assert_allclose(t, 6 + 0.5 * np.arange(1, 389))
    normed = lfp(result(), excitatory=["E->E", "x->E"], inhibitory=["I->E"]).lfp
    np.testing.assert_allclose(normed, (expected - expected.mean()) / expected.std(), rtol=1e-9)


def test_sum_of_absolute_currents():
    t, field = lfp(result(), excitatory=["E->E"], inhibitory=["I->E"], method="sum", normalise=False)
    np.testing.assert_allclose(field, AMPA.sum(1) + np.abs(GABA.sum(1)), rtol=1e-12)
    assert len(t) == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"excitatory": ["I->I"]}, r'"I->I": its current was not recorded: `record=\[Trace\("I->I.current"'),
        ({"excitatory": []}, "`excitatory`: expected at least one"),
        ({"delay": 0.7 * ms}, "`delay` = 0.7 ms is not a multiple of the 0.5 ms"),
        ({"delay": 200 * ms}, "leaves nothing"),
        ({"method": "csd"}, "`method`: expected one of"),
        ({"excitatory": ["I->E"]}, "of the other sign"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        lfp(result(), **{"excitatory": ["E->E"], "inhibitory": ["I->E"], **options})
    with pytest.raises(ValueError, match="sampled otherwise"):
        lfp(result(gaba_every=1.0), excitatory=["E->E"], inhibitory=["I->E"])
