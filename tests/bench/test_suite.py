"""Suites: the shipped ones name what exists, values multiply out into rows, and what is wrong is named."""

import pytest

from brainsim.bench import commands, operator, peers, suite, train
from brainsim.bench.dataset import RECIPES
from brainsim.bench.worker import SCRIPTS, WORKLOADS

SHIPPED = ("datasets", "networks", "operators", "peers", "training")
KNOWN = {"name": operator.NAMES, "net": train.HIDDEN, "data": RECIPES, "network": peers.SIMULATORS}


def write(tmp_path, task, head=""):
    file = tmp_path / "mine.toml"
    file.write_text(f'about = "x"\n{head}\n[[task]]\nlabel = "a"\n{task}\n')
    return file


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("beside", [None, "brian2,nest,snntorch"])
def test_shipped_suites_name_existing_tasks(name, beside):
    rows = suite.read(name, beside)
    assert rows and len({row.file for row in rows}) == len(rows) and all(row.suite == name for row in rows)
    for row in rows:
        for argument, known in KNOWN.items():
            assert row.arguments.get(argument, next(iter(known))) in known, row
        if row.workload == "peers":
            peers.chosen(peers.SIMULATORS[row.arguments["network"]], row.arguments["peers"])
        if row.workload == "training":
            peers.chosen(peers.TRAINERS, row.arguments["peers"])


def test_shipped_suites_are_listed_and_workloads_described():
    assert set(suite.shipped()) == set(SHIPPED) and all(suite.shipped().values())
    assert set(commands.WORKLOADS) == {*WORKLOADS, *SCRIPTS}


def test_lists_multiply_out_and_what_differs_names_the_row(tmp_path):
    task = 'workload = "coba"\nneurons = [400, 800]\nduration = 10.0\nthreads = [1, 2]'
    rows = suite.read(write(tmp_path, task, "seeds = [1, 2]\nrepeats = 3\nwarmup = 0"))
    assert len(rows) == 2 * 2 * 2 and rows[0].varied == ("neurons", "seed", "threads")
    assert rows[0].arguments == {"repeats": 3, "warmup": 0, "neurons": 400, "duration": 10.0, "seed": 1}
    assert rows[0].how == {"threads": 1} and rows[0].label == "a neurons=400 seed=1 threads=1"
    assert len({row.file for row in rows}) == 8


def test_tasks_of_one_label_are_told_apart_by_what_differs_between_them(tmp_path):
    task = 'workload = "dataset"\ndata = "mnist"\n[[task]]\nlabel = "a"\nworkload = "dataset"\ndata = "nmnist_small"'
    rows = suite.read(write(tmp_path, task, "seeds = [0]"))
    assert [row.file for row in rows] == ["mine.a_data=mnist.json", "mine.a_data=nmnist_small.json"]


def test_peers_turn_what_they_can_do_into_contests(tmp_path):
    task = 'workload = "coba"\nneurons = 400\nduration = 10.0\nwarmup = 1\nrepeats = 4'
    (row,) = suite.read(write(tmp_path, task, "seeds = [1]"), "brian2,nest")
    assert row.workload == "peers" and row.arguments["peers"] == "brian2,nest"
    assert row.arguments["network"] == "coba" and row.arguments["rounds"] == 4


FULL = 'workload = "coba"\nneurons = 4\nduration = 1.0\nseeds = [1]\nrepeats = 3\nwarmup = 0\n'


@pytest.mark.parametrize(
    ("task", "head", "message"),
    [
        ('workload = "cobra"', "", "task a: `workload`: expected one of coba, .*, got 'cobra'"),
        (FULL + "neuron = 4", "", "task a: no key `neuron`; expected some of neurons"),
        (FULL.replace("neurons = 4", 'neurons = "many"'), "", "task a: `neurons`: expected int, got 'many'"),
        (FULL.replace("neurons = 4", "neurons = true"), "", "`neurons`: expected int, got True"),
        (FULL.replace("neurons = 4", "neurons = []"), "", "`neurons`: expected a value or a list"),
        (FULL.replace("duration = 1.0\n", ""), "", "task a: coba needs `duration`"),
        (FULL + 'precision = "f16"', "", "`precision`: expected one of f32, f64, got 'f16'"),
        (FULL, "seed = 1", "mine.toml: no key `seed`; expected some of about, task, seeds"),
        (FULL, "seeds = 1", "`seeds`: expected list, got 1"),
        ("workload = 3", "", "`workload`: expected a string, got 3"),
        (FULL + '[[task]]\nlabel = "a"\n' + FULL, "", "two rows are called a; give the tasks different labels"),
        ("workload =", "", "mine.toml: not a readable TOML file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, task, head, message):
    with pytest.raises(ValueError, match=message):
        suite.read(write(tmp_path, task, head))


def test_an_unknown_suite_or_peer_is_named():
    with pytest.raises(ValueError, match="`peers`: expected names out of .*, got genn"):
        suite.read("networks", "brian2,genn")
    with pytest.raises(ValueError, match="`suite`: expected a TOML file or one of datasets, .*, got nothing"):
        suite.read("nothing")
