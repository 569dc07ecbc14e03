"""What to record: the sugar, its errors, ids, and times in steps."""

import numpy as np
import pytest

from brainsim.recording.spec import Histogram, Rate, Slice, Spikes, Trace, expand, parse
from brainsim.units import Hz, ms, mV, s

KNOWN = ("E.spikes", "E.rate", "E.v", "I.spikes", "I.rate", "I.v", "I->E.g", "I->E#nmda.g", "1.spikes", "1.v")


class TestParse:
    @pytest.mark.parametrize(
        ("text", "spec"),
        [
            ("E.spikes", Spikes("E")),
            ("E.spikes[100:200]", Spikes("E", Slice(100, 200))),
            ("1.spikes", Spikes("1")),
            ("E.rate", Rate("E")),
            ("E.v", Trace("E.v")),
            ("E.v[:3]", Trace("E.v", slice(3))),
            ("E.v[-2:]", Trace("E.v", slice(-2, None))),
            ("E.v[::4]", Trace("E.v", Slice(None, None, 4))),
            ("0.v[2,5]", Trace("0.v", [2, 5])),
            ("0.v[ 2, 5 ]", Trace("0.v", (2, 5))),
            ("I->E.g[:3]", Trace("I->E.g", slice(3))),
            ("I->E#nmda.g", Trace("I->E#nmda.g")),
            ("*.spikes", Spikes("*")),
        ],
    )
    def test_sugar(self, text, spec):
        assert parse(text) == spec

    def test_a_spec_is_what_it_is(self):
        spec = Trace("E.v", every=1 * ms)
        assert parse(spec) is spec

    @pytest.mark.parametrize(
        "text", ["E", "", "E.", ".v", "E.v[", "E.v]", "E.v[1]x", "E .v", "E.v[1][2]", "E.2", None, 3]
    )
    def test_what_is_not_of_the_grammar_is_refused_with_the_grammar(self, text):
        with pytest.raises(ValueError, match=r"`record`: expected \"part\.variable\".*got") as error:
            parse(text)
        assert repr(text) in str(error.value)

    @pytest.mark.parametrize("ids", ["", "a", "1.5", "1,", "1:2:0", "1:2:3:4", ":a", "-1"])
    def test_wrong_ids_name_the_record(self, ids):
        with pytest.raises(ValueError, match=r"E\.v"):
            parse(f"E.v[{ids}]")

    def test_a_rate_has_no_ids(self):
        with pytest.raises(ValueError, match="whole population"):
            parse("E.rate[:3]")


class TestFields:
    def test_parts_of_a_path(self):
        spec = Trace("I->E#nmda.g")
        assert (spec.part, spec.variable, spec.key) == ("I->E#nmda", "g", "I->E#nmda.g")

    def test_a_reduced_trace_has_its_own_key(self):
        assert Trace("E.v", reduce="mean").key == "E.v_mean"

    def test_a_histogram_takes_edges_with_or_without_a_unit(self):
        spec = Histogram("E.v", [-60, -55, -50] * mV, every=1 * ms)
        assert (spec.key, spec.bins, spec.unit, spec.steps(0.5)) == ("E.v_histogram", (-60.0, -55.0, -50.0), "mV", 2)
        assert Histogram("E.v", np.arange(3)).unit is None
        assert Histogram("E.v", [0, 1 * mV, 2 * mV]) == Histogram("E.v", [0, 1, 2] * mV)
        with pytest.raises(ValueError, match=r"`bins` of `\"E\.v\"`: expected .*mV.*, got 1 ms"):
            Histogram("E.v", [0 * mV, 1 * ms])
        assert len({spec, Histogram("E.v", [-60, -55, -50] * mV, every=1 * ms)}) == 1
        (found,) = expand(Histogram("*.v", [0.0, 1.0] * mV), ("I.v",))
        assert found == Histogram("I.v", (0.0, 1.0), unit="mV")

    @pytest.mark.parametrize("bins", [3, [1.0], [1.0, 1.0], [1.0, 0.0], [0.0, np.inf], [0.0, np.nan], [[0, 1]], "ab"])
    def test_edges_that_make_no_bins_are_refused(self, bins):
        with pytest.raises(ValueError, match=r"`bins` of `\"E\.v\"`: expected .*edges"):
            Histogram("E.v", bins)

    @pytest.mark.parametrize("path", ["E", "E.spikes", "E.rate", "E.v[:3]", 3])
    def test_a_histogram_is_of_a_variable(self, path):
        with pytest.raises(ValueError, match=r"`path` of Histogram"):
            Histogram(path, [0, 1])

    def test_short_and_full_paths_are_one(self):
        assert Spikes("E") == Spikes("E.spikes") and Rate("E") == Rate("E.rate")

    def test_specs_are_hashable(self):
        assert len({Spikes("E", slice(3)), Spikes("E", slice(3)), Trace("E.v", [1]), Rate("E")}) == 3

    @pytest.mark.parametrize("ids", [range(3), [0, 1, 2], np.arange(3), (0, 1, 2)])
    def test_ids_of_any_kind(self, ids):
        np.testing.assert_array_equal(Trace("E.v", ids).select(5), [0, 1, 2])

    @pytest.mark.parametrize(
        ("ids", "chosen"), [(None, range(5)), (slice(-2, None), [3, 4]), (slice(None, None, 2), [0, 2, 4]), (4, [4])]
    )
    def test_select(self, ids, chosen):
        np.testing.assert_array_equal(Spikes("E", ids).select(5), chosen)

    @pytest.mark.parametrize("ids", [[0.5], [], [1, 1], [-1], [[1, 2]], "ab", [True]])
    def test_wrong_ids(self, ids):
        with pytest.raises(ValueError, match=r'`ids` of "E\.v"'):
            Trace("E.v", ids)

    def test_an_id_beyond_the_population(self):
        with pytest.raises(ValueError, match=r'`ids` of "E\.v": expected ids in \[0, 5\), got 7'):
            Trace("E.v", [1, 7]).select(5)

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Trace("E"),
            lambda: Trace("E.v[:3]"),
            lambda: Trace("E.spikes"),
            lambda: Trace("E.v", reduce="max"),
            lambda: Spikes("E[3]"),
            lambda: Rate(3),
            lambda: Rate("E", bin=5 * mV),
            lambda: Rate("E", bin=0),
            lambda: Trace("E.v", every=3 * Hz),
            lambda: Trace("E.v", every=-1),
        ],
    )
    def test_wrong_arguments_are_named(self, make):
        with pytest.raises(ValueError, match="`"):
            make()


class TestSteps:
    @pytest.mark.parametrize(("every", "steps"), [(None, 1), (0.1, 1), (1 * ms, 10), (0.3, 3), (0.01 * s, 100)])
    def test_every(self, every, steps):
        assert Trace("E.v", every=every).steps(0.1) == steps

    def test_bin(self):
        assert Rate("E", bin=5 * ms).steps(0.5) == 10
        assert Rate("E").steps(0.1) == 10

    def test_not_a_multiple_is_never_rounded(self):
        with pytest.raises(
            ValueError, match=r'`every` of `"E\.v"` = 0\.25 ms is not a multiple of dt = 0\.1 ms: 0\.2 or 0\.3'
        ):
            Trace("E.v", every=0.25).steps(0.1)

    def test_shorter_than_a_step(self):
        with pytest.raises(ValueError, match="shorter than dt = 4 ms"):
            Rate("E").steps(4.0)


class TestExpand:
    def test_one_or_many(self):
        assert expand("E.v", KNOWN) == (Trace("E.v"),)
        assert expand(["E.v[:3]", Rate("I")], KNOWN) == (Trace("E.v", slice(3)), Rate("I"))
        assert expand((), KNOWN) == ()

    def test_globs_keep_their_options(self):
        assert expand("*.spikes", KNOWN) == (Spikes("E"), Spikes("I"), Spikes("1"))
        assert expand(Trace("*E*.g", every=2), KNOWN) == (Trace("I->E.g", every=2), Trace("I->E#nmda.g", every=2))

    def test_nothing_of_this_name(self):
        with pytest.raises(ValueError, match=r'"E\.vv" matches nothing; did you mean .*E\.v'):
            expand("E.vv", KNOWN)

    def test_the_same_twice(self):
        with pytest.raises(ValueError, match=r'"E\.v" is there twice'):
            expand(["E.v[:3]", "*.v"], KNOWN)
        assert len(expand(["E.v[:3]", Trace("E.v", reduce="mean")], KNOWN)) == 2
