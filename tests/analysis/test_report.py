"""The page of a run: complete, self-contained, escaped; it holds what the tables of the model should."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import brainsim as bs
from brainsim.analysis import Result
from brainsim.recording import Recorder, Trace
from brainsim.units import Hz, ms, mV, nS, pA

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Checks that elements nest; collects text by tag, and what is loaded from where."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.sources, self.tables = [], {}, [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.setdefault(self.open[-1] if self.open else "", []).append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


def network():
    lif = bs.LIF(20 * ms, v_th=-50 * mV, v_rest=-60 * mV, v_reset=-60 * mV, i_bias=25 * pA)
    syn = bs.Exponential(5 * ms, e_rev=0 * mV)
    return bs.Network(
        {"E": bs.Population(20, lif), "I": bs.Population(10, lif), "<ext>": bs.Poisson(5, 100 * Hz)},
        [
            bs.Projection("E", "I", bs.FixedProbability(0.2), bs.Uniform(0.1 * nS, 0.3 * nS), syn, delay=1.5 * ms),
            bs.Projection("I", "E", bs.FixedIndegree(3), 0.2 * nS, bs.Exponential(8 * ms, e_rev=-80 * mV)),
            bs.Projection("<ext>", "E", bs.AllToAll(), 0.1 * nS, syn),
        ],
        dt=0.1 * ms,
        seed=11,
    )


def test_a_page(tmp_path):
    net, path = network(), tmp_path / "out.html"
    r = bs.simulate(net, 300 * ms, record=["E.spikes", "*.rate", bs.Trace("E.v", ids=[1, 2], every=1 * ms)])
    r.report(path, skip=50 * ms, network=net, title="A <b>title</b>")
    page = Page(path.read_text())
    assert page.text["h1"] == ["A <b>title</b>"] and page.text["h2"] == [
        "Activity", "Network", "Model", "Repeating this run",
    ]  # fmt: skip
    assert len(page.sources) == 4
    for source in page.sources:
        assert base64.b64decode(re.fullmatch("data:image/png;base64,(.*)", source)[1])[:4] == b"\x89PNG"
    rows = [row for table in page.tables for row in table]
    assert ["E->I", "E", "I", "FixedProbability (p = 0.2)"] in [row[:4] for row in rows]
    assert ["<ext>", "Poisson", "5"] in rows and ["E, I", "tau_mem", "20", "ms"] in rows
    (weights,) = (row for row in rows if row[0] == "E->I" and len(row) == 8)
    assert re.match(r"0\.\d+ ± 0\.0\d+ nS \(0\.1\d* to 0\.[23]\d*\)", weights[6]) and weights[7] == "1.5 ms"
    assert ["Seed", "11"] in rows and any(row[0] == "Versions" and "jax" in row[1] for row in rows)
    assert ["E.v", "mV", "every 1 ms, 2 columns"] in rows
    summary = next(table for table in page.tables if table[0][0] == "population")
    assert summary[1][0] == "E" and summary[1][3] == f"{r.summary(skip=50)['E']['rate']:.3g}"


def test_a_result_without_a_model_or_spikes(tmp_path):
    with Recorder([Trace("E.v")], dt=1.0, sizes={"E.v": 2}) as recorder:
        recorder.append({"E.v": np.ones((10, 2))}, 0, 10)
        result = Result(recorder.finish(units={"E.v": "mV"}))
    result.report(tmp_path / "out.html")
    page = Page((tmp_path / "out.html").read_text())
    assert page.text["h2"] == ["Activity", "Repeating this run"] and len(page.sources) == 1
    with pytest.raises(ValueError, match="`network`: expected a Network with projections"):
        result.report(tmp_path / "out.html", network=3)
