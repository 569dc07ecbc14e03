"""Units: one gate, coherent base units, and messages that name the argument and what was expected."""

import jax.numpy as jnp
import numpy as np
import pint
import pytest

from brainsim import units
from brainsim.units import GOhm, Hz, MOhm, V, kHz, mm, ms, mV, nA, nF, nS, pA, pF, s, um, uS, us, uV


@pytest.mark.parametrize(
    ("value", "unit", "number"),
    [
        (20 * ms, "ms", 20),
        (2 * s, "ms", 2000),
        (500 * us, "ms", 0.5),
        (-0.06 * V, "mV", -60),
        (100 * uV, "mV", 0.1),
        (0.2 * nA, "pA", 200),
        (1 * uS, "nS", 1000),
        (0.2 * nF, "pF", 200),
        (100 * MOhm, "GOhm", 0.1),
        (1 * kHz, "Hz", 1000),
        (1 * mm, "um", 1000),
        (ms, "ms", 1),
        (3.5, "mV", 3.5),
        (0.1, "", 0.1),
        (3 * ms / s, "", 0.003),
        (np.float32(0.5), "ms", 0.5),
    ],
)
def test_strip_gives_the_base_unit(value, unit, number):
    assert units.strip("x", value, unit) == pytest.approx(number, rel=1e-12)


def test_base_units_are_coherent():
    for product, unit in ((nS * mV, "pA"), (pA * GOhm, "mV"), (pF * GOhm, "ms"), (pF / nS, "ms"), (1 / (Hz * s), "")):
        assert units.strip("x", 1.0 * product, unit) == pytest.approx(1.0, rel=1e-12)


def test_rates_are_not_times():
    with pytest.raises(ValueError, match=r"`x`: expected a time \(ms\), got 1.0 Hz"):
        units.strip("x", 1.0 * Hz, "ms")


def test_arrays_pass():
    np.testing.assert_allclose(units.strip("x", np.array([1.0, 2.0]) * V, "mV"), [1000, 2000])
    np.testing.assert_allclose(units.strip("x", [1 * V, 2 * mV], "mV"), [1000, 2])
    np.testing.assert_array_equal(units.strip("x", [1, 2], "mV"), [1, 2])
    array = jnp.arange(3.0)
    assert units.strip("x", array, "mV") is array


@pytest.mark.parametrize(
    ("value", "unit", "message"),
    [
        (-60 * mV, "ms", r"`tau_mem`: expected a time \(ms\), got -60 mV"),
        (6.7 * mV, "nS", r"`tau_mem`: expected a conductance \(nS\), got 6.7 mV"),
        (1 * um, "", r"`tau_mem`: expected a number without unit, got 1 .m"),
        (mV, "ms", r"`tau_mem`: expected a time \(ms\), got 1.0 mV"),
    ],
)
def test_another_dimension_is_refused(value, unit, message):
    with pytest.raises(ValueError, match=message):
        units.strip("tau_mem", value, unit)


@pytest.mark.parametrize("value", [None, "20 ms", True, np.array(["a"]), np.array([True]), ["a"]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match=r"`tau_mem`: expected a time \(ms\), got"):
        units.strip("tau_mem", value, "ms")


def test_unit_of():
    assert units.unit_of(3.0) == ""
    assert units.unit_of(2 * V) == "mV"
    assert units.unit_of(kHz) == "Hz"
    with pytest.raises(ValueError, match="expected a time"):
        units.unit_of(1 * units.registry.kilogram)


def test_the_registry_is_the_users_own():
    own = pint.get_application_registry()
    assert units.strip("x", own.Quantity(3, "millisecond"), "ms") == 3
