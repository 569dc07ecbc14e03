"""Work timed in turns: the order, the ratio, and that nothing is timed where results differ."""

import numpy as np
import pytest

from brainsim.bench import harness, pairs


def test_calls_take_turns_and_only_the_last_rounds_count():
    order = []
    calls = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
    times = pairs.alternate(calls, repeats=3, warmup=2, agree=lambda results: None)
    assert "".join(order) == "ab" * (1 + 2 + 3)
    assert len(times["a"].samples) == 3 and times["a"].last == len(order) - 1 and times["b"].last == len(order)


def test_what_differs_is_not_timed():
    calls = []

    def refuse(results):
        raise AssertionError(f"{results}")

    with pytest.raises(AssertionError, match="'a': 1"):
        pairs.alternate({"a": lambda: calls.append(None) or 1}, repeats=3, warmup=0, agree=refuse)
    assert len(calls) == 1


def test_ratio_is_the_median_of_rounds_not_the_ratio_of_medians():
    one, other = harness.Timing(0, [2.0, 30.0, 8.0]), harness.Timing(0, [1.0, 10.0, 4.0])
    assert pairs.ratio(one, other) == 2.0


def test_share_that_differs_is_of_the_worst_leaf_and_counts_nan():
    one = {"a": np.array([1.0, 2.0, np.nan, 4.0]), "b": np.zeros(3)}
    other = {"a": np.array([1.0, 2.2, 3.0, 4.0]), "b": np.zeros(3)}
    assert pairs.share_that_differs(one, other, 0.1) == 0.25
    assert pairs.share_that_differs(one, other, 0.01) == 0.5
    assert pairs.share_that_differs(other, other, 0.0) == 0.0
