"""The rows of the README's tables come from results, every one of them."""

import pytest

COBA = {"workload": "coba", "wall_per_bio_s": 0.06, "c_wall_per_bio_s": 0.04, "ratio_to_c": 1.5}


@pytest.fixture
def figures(script):
    return script("figures")


def test_ratios_in_words(figures):
    given = {"neurons": 4000, "threads": 1}
    ((name, figure),) = figures.compared(COBA | {"arguments": given})
    assert name == "COBA, 4,000 neurons, 1 thread" and figure.startswith("1.50 times C by hand (0.06 and 0.04 s")
    row = {"fused_ns": 1.0, "xla_ns": 4.0, "xla_over_fused": 4.0}
    rows = {"LIF": row | {"c_ns": 0.5, "fused_over_c": 2.0}, "LI": row}
    lif, li = figures.compared({"workload": "neurons", "arguments": {}, "rows": rows})
    assert lif[1] == "1 ns a neuron and step; XLA 4 ns, 4.0x; C by hand 0.5 ns, 2.00 times that"
    assert li == ("LI", "1 ns a neuron and step; XLA 4 ns, 4.0x")


def test_peers_in_words(figures):
    row = {"name": "Brian2", "over_brainsim": 7.04, "wall_per_bio_s": 0.5}
    result = {"workload": "peers", "arguments": {"neurons": 4000}, "rows": {"brainsim": row, "brian2": row}}
    ((name, figure),) = figures.compared(result)
    assert name == "COBA, 4,000 neurons: Brian2" and figure == "7.0 times brainsim's time (0.5 s per biological s)"


def test_two_threads_are_compared_through_c(figures):
    def result(threads, ratio):
        return COBA | {"arguments": {"neurons": 4000, "threads": threads}, "ratio_to_c": ratio}

    ((name, figure),) = figures.sharing([result(1, 1.5), result(2, 1.0)])
    assert name == "COBA, 4,000 neurons, two threads" and figure == "1.50 times as fast as one"


def test_every_ratio_has_a_file_of_its_own(figures):
    names = {figures.file_of(words.split()) for words in figures.RATIOS}
    assert len(names) == len(figures.RATIOS) and not any("/" in name for name in names)


def test_training_in_words(figures):
    row = {"name": "brainsim", "step_ms": 25.0, "over_brainsim": 1.0, "hidden_rates": [0.031]}
    rows = {"brainsim": row, "snntorch": row | {"name": "snntorch", "step_ms": 150.0, "over_brainsim": 6.0}}
    result = {"workload": "training", "arguments": {"net": "ff256"}, "rows": rows}
    ours, theirs = figures.compared(result)
    assert ours == ("training step, ff256: brainsim", "25 ms, at a hidden rate of 3.1% a step")
    assert theirs[1] == "6.0 times brainsim's time (150 ms, at a hidden rate of 3.1% a step)"
