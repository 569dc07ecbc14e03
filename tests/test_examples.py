"""The examples run, and what they simulate makes sense."""

import json
import runpy
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._native import WHY_XLA
from brainsim._streams import Stream
from brainsim._types import Drive
from brainsim.bench.harness import lines_logged
from brainsim.bench.recipes import mnist, parameters, spoken_digits
from brainsim.units import mV, pA

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def adex():
    return runpy.run_path(str(EXAMPLES / "adex_noise.py"))


def spikes_and_voltages(neuron, steps, n=50):
    built = neuron.build("x", (n,), dt=0.1, key=jax.random.key(0), dtype=jnp.float32)
    state = built.init_state((n,), key=jax.random.key(0), dtype=jnp.float32)

    @jax.jit
    def run(built, state):
        def step(state, k):
            state, spikes = built.step(state, Drive(), 0.1, Stream.of(jax.random.key(1), k))
            return state, (spikes, state.v)

        return jax.lax.scan(step, state, jnp.arange(steps, dtype=jnp.int32))[1]

    return (np.asarray(x) for x in run(built, state))


def test_adex_fires_above_its_rheobase_only(adex):
    """g (V_T - D - E) + a (V_T - D - E) is 619 pA: the least current whose steady state does not exist."""
    AdEx = adex["AdEx"]
    for current, fires in ((600, False), (640, True)):
        spikes, _ = spikes_and_voltages(AdEx(sigma=0 * mV, i_bias=current * pA), 10_000, n=1)
        assert (spikes[5000:].sum() > 0) == fires


def test_adex_noise_has_the_stated_strength(adex):
    """Far below threshold the membrane is passive: its standard deviation is sigma."""
    neuron = adex["AdEx"](sigma=2 * mV, a=0, i_bias=-300 * pA)
    _, v = spikes_and_voltages(neuron, 3000, n=400)
    assert v[1000::100].std() == pytest.approx(2, rel=0.05)


def test_adex_network_runs_fused_and_stays_finite(adex, tmp_path, capsys):
    with lines_logged() as lines:
        adex["main"](["--neurons", "200", "--duration", "300", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert (tmp_path / "adex_noise.png").is_file() and "nan" not in printed and "voltage" in printed
    if WHY_XLA is None:
        assert lines == []


def test_ultralif_trains_and_is_drawn(data_folder, tmp_path, capsys):
    """One seed of one neuron on N-MNIST learns far above the 10 % of chance in a few epochs."""
    data_folder("nmnist_small")
    main = runpy.run_path(str(EXAMPLES / "ultralif_vs_surrogate.py"))["main"]
    options = ["--data", "nmnist_small", "--models", "UltraDPLIF", "--epochs", "5", "--seeds", "1"]
    main([*options, "--out", str(tmp_path)])
    (run,) = json.loads((tmp_path / "ultralif.json").read_text())["runs"]
    assert run["accuracy"] > 50 and 0 < run["mean_spike"] < 1
    assert (tmp_path / "ultralif.png").is_file() and "94.14" in capsys.readouterr().out


@pytest.mark.slow
def test_mnist_is_learned_and_drawn(data_folder, tmp_path, capsys):
    """Two epochs of 1,500 pictures are enough to be far above the 10 % of chance."""
    data_folder("mnist")
    main = runpy.run_path(str(EXAMPLES / "train_mnist.py"))["main"]
    small = ["--samples", "2000", "--epochs", "2", "--seeds", "1", "--hidden", "64"]
    main([*small, "--out", str(tmp_path)])
    figures = json.loads((tmp_path / "mnist.json").read_text())
    assert figures["mean"] > 0.4 and figures["runs"][0]["rate_hz"] > 1
    assert (tmp_path / "mnist.png").is_file() and "mean" in capsys.readouterr().out


def test_mnist_pictures_move_by_at_most_a_pixel():
    """Every moved picture is one of the nine shifts of its original, and all nine occur."""
    x = np.zeros((400, 28, 28), np.float32)
    x[:, 10, 10] = 1
    frames = np.asarray(mnist.moved_spikes(x, jax.random.key(0)))
    assert frames.sum() == 400 and frames[0].sum() == 400
    rows, columns = np.divmod(frames[0].argmax(axis=-1), 28)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(r, c) for r in (9, 10, 11) for c in (9, 10, 11)}


def test_delays_are_trained_and_drawn(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLES / "delays.py"))["main"]
    kinds = ["learned delays", "learned delays, EventProp"]
    main(["--epochs", "1", "--batches", "2", "--seeds", "1", "--networks", *kinds, "--out", str(tmp_path)])
    figures = json.loads((tmp_path / "delays.json").read_text())
    for kind in kinds:
        ((valid,),), (test,) = figures["accuracy"][kind], figures["test_accuracy"][kind]
        assert 0 <= valid <= 1 and 0 <= test <= 1
    assert (tmp_path / "delays.png").is_file() and kinds[1] in capsys.readouterr().out


@pytest.mark.slow
def test_delays_learned_by_exact_gradients_tell_all_lags(tmp_path):
    """From delays that do not reach the longer lags; the second seed gets stuck where delays move slowly."""
    main = runpy.run_path(str(EXAMPLES / "delays.py"))["main"]
    kind = "learned delays, EventProp"
    main(["--epochs", "6", "--seeds", "2", "--networks", kind, "--out", str(tmp_path)])
    assert json.loads((tmp_path / "delays.json").read_text())["test_accuracy"][kind] == [1, 1]


def test_event_recordings_are_trained_on_without_those_held_out(tmp_path, data_folder):
    data_folder("nmnist_small")
    main = runpy.run_path(str(EXAMPLES / "train_nmnist.py"))["main"]
    main(["--epochs", "1", "--seeds", "0", "--held-out", "150", "--out", str(tmp_path)])
    report = json.loads((tmp_path / "train_nmnist.json").read_text())
    assert (report["train"], report["held-out"]) == (850, 150) and "test" not in report
    assert report["runs"][0]["accuracy"] > 0.4 and (tmp_path / "training.png").is_file()


def test_a_deep_network_of_excitation_and_inhibition_is_trained(tmp_path, data_folder):
    data_folder("fashion_mnist")
    main = runpy.run_path(str(EXAMPLES / "deep_ei.py"))["main"]
    small = ["--train", "200", "--epochs", "1", "--depth", "2", "--width", "16", "--networks", "ei"]
    main([*small, "--out", str(tmp_path)])
    figures = json.loads((tmp_path / "deep_ei.json").read_text())["networks"]
    assert set(figures) == {"ei"} and (tmp_path / "deep_ei.png").is_file()
    assert 0 <= figures["ei"]["test_accuracy"] <= 1


@pytest.fixture
def spoken(tmp_path):
    """The example on spoken digits, and a folder of 24 recordings of 2 classes in the format of the official files."""
    rng, kinds = np.random.default_rng(0), [h5py.vlen_dtype(kind) for kind in (np.float16, np.uint16)]
    for part in ("train", "test"):
        with h5py.File(tmp_path / f"shd_{part}.h5", "w") as file:
            y = np.arange(24) % 2
            units = [rng.integers(350 * label, 350 * label + 350, 900 + label) for label in y]
            times = [np.sort(rng.random(len(unit)) * 0.3) for unit in units]
            for name, rows, kind in zip(("times", "units"), (times, units), kinds, strict=True):
                file.create_dataset(f"spikes/{name}", (24,), kind)
                for index, row in enumerate(rows):
                    file[f"spikes/{name}"][index] = row
            file["labels"], file["extra/speaker"] = y, np.arange(24) // 2 % 3
    return runpy.run_path(str(EXAMPLES / "train_shd.py")), tmp_path


def test_spoken_digits_are_read_as_frames(spoken):
    example, folder = spoken
    data, _ = example["recordings"](folder, "train", 10.0, 200.0)
    x, y, lengths = data.batch(np.arange(24))
    assert x.shape == (20, 24, 140) and set(y) == {0, 1} and lengths.max() <= 20
    with h5py.File(folder / "shd_train.h5") as file:
        times, units = (file[f"spikes/{name}"][5] for name in ("times", "units"))
    inside = times.astype(np.float64) < 0.2
    expected = np.zeros((20, 140))
    np.add.at(expected, ((np.round(times[inside].astype(np.float64) * 1e6) // 1e4).astype(int), units[inside] // 5), 1)
    np.testing.assert_array_equal(x[:, 5], expected)


def pieces(data):
    """The events of every recording."""
    return np.split(data.t_us, data.offsets[1:-1])


def test_no_spoken_digit_is_on_both_sides(spoken):
    example, folder = spoken

    def read(part):
        return example["recordings"](folder, part, 10.0, 200.0)

    for kind, sides in (("takes", [(22, 2)]), ("speakers", [(16, 8)] * 3), ("official", [(24, 24)])):
        found = list(example["parts"](kind, read))
        assert [(len(train), len(held)) for _, train, held in found] == sides
        for _, train, held in found:
            assert not {times.tobytes() for times in pieces(train)} & {times.tobytes() for times in pieces(held)}
    names = [name for name, *_ in example["parts"]("speakers", read)]
    assert names == ["speaker 0", "speaker 1", "speaker 2"]


def test_takes_of_the_free_spoken_digits_are_held_out(spoken, tmp_path):
    example, names = spoken[0], np.array(["george", "theo"])
    digits, speakers, takes = (part.ravel() for part in np.meshgrid([0, 1], [0, 1], np.arange(5, 50), indexing="ij"))
    count = len(takes)
    events = {"t": np.arange(2 * count, dtype=np.uint16), "unit": np.tile(np.uint8([7, 57]), count)}
    known = {"labels": digits, "speaker": speakers, "take": takes, "speaker_names": names}
    folder = tmp_path / "digits"
    folder.mkdir()
    np.savez(folder / "fsdd_cochlea140_train.npz", offsets=np.arange(count + 1) * 2, **events, **known)

    def read(part):
        return example["recordings"](folder, part, 10.0, 200.0)

    ((name, train, held),) = example["parts"]("takes", read)
    expected = np.flatnonzero((takes >= 5) & (takes < 15))
    assert name == "takes" and (len(train), len(held)) == (140, 40)
    np.testing.assert_array_equal(held.t_us, (expected * 2 + 1) * 125 // 2)  # channel 7 hears nothing
    assert held.shape == (100,) and set(held.address.ravel()) == {17}
    np.testing.assert_array_equal(held.y, digits[expected])
    found = [(name, len(train), len(held)) for name, train, held in example["parts"]("speakers", read)]
    assert found == [("speaker george", 90, 90), ("speaker theo", 90, 90)]


def test_spoken_digits_are_heard_and_kept(spoken, tmp_path, capsys):
    """Eight tones in the format of the Free Spoken Digits go through the cochlea and into training."""
    example, folder = spoken[0], tmp_path / "fsdd"
    folder.mkdir()
    pitch, takes = np.repeat([300, 2000], 4), np.tile([5, 6, 20, 21], 2)
    sound = np.int16(2e4 * np.sin(2 * np.pi * pitch[:, None] * np.arange(400) / 8000)).ravel()
    low, high = (np.diff(sound, prepend=np.int16(0)).view(np.uint16) >> shift & 255 for shift in (0, 8))
    known = {"labels": pitch // 2000, "speaker": np.zeros(8, int), "take": takes, "speaker_names": np.array(["theo"])}
    deltas = {"pcm_delta_lo": np.uint8(low), "pcm_delta_hi": np.uint8(high)}
    for part in ("train", "test"):
        np.savez(folder / f"fsdd_{part}.npz", offsets=np.arange(9) * 400, **deltas, **known)
    given = ["--root", str(folder), "--heard", str(tmp_path / "heard"), "--out", str(tmp_path / "out")]
    example["main"]([*given, "--split", "takes", "--epochs", "1", "--hidden", "8"])
    figures = json.loads((tmp_path / "out" / "train_shd.json").read_text())
    assert figures["data"] == "fsdd, heard" and figures["runs"][0]["recordings"] == [4, 4]
    data = spoken_digits.heard(folder, "train", tmp_path / "heard", progress=False)
    assert data.shape == (500,) and data.steps == 60
    middles = [np.median(data.recording(number)[1]) for number in range(8)]
    assert min(middles[:4]) > max(middles[4:])  # the first place is that of the highest frequency


def test_the_published_network_has_the_published_size():
    assert parameters(spoken_digits.network(spoken_digits.PUBLISHED, 140, 20, 0)) == 450_020


@pytest.mark.slow
def test_the_published_recipe_trains(spoken, capsys):
    example, folder = spoken
    sizes = ["--epochs", "2", "--hidden", "8", "--out", str(folder / "out")]
    example["main"](["--root", str(folder), "--full", "--split", "takes", *sizes])
    figures = json.loads((folder / "out" / "train_shd.json").read_text())
    history = figures["runs"][0]["history"]
    assert figures["epochs"] == 2 and {"accuracy_softmax", "valid_accuracy_softmax"} < set(history["epochs"][0])
    assert "over 1 networks" in capsys.readouterr().out


@pytest.mark.slow
def test_spoken_digits_are_learned_and_drawn(spoken, capsys):
    example, folder = spoken
    out = folder / "out"
    example["main"](["--root", str(folder), "--epochs", "40", "--hidden", "32", "--seeds", "0", "1", "--out", str(out)])
    figures = json.loads((out / "train_shd.json").read_text())
    assert figures["data"] == "SHD" and figures["mean"] > 0.9 and [run["seed"] for run in figures["runs"]] == [0, 1]
    assert (out / "test_1" / "training.png").is_file()
    assert (out / "test_0" / "figures.csv").read_text().count("\n") == 41
    assert "over 2 networks" in capsys.readouterr().out


def test_yin_yang_is_learned_by_spike_times_and_drawn(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLES / "eventprop_yinyang.py"))["main"]
    main(["--epochs", "1", "--seeds", "1", "--samples", "64", "--hidden", "20", "--out", str(tmp_path)])
    figures = json.loads((tmp_path / "yinyang.json").read_text())
    assert 0 <= figures["mean"] <= 1 and 1 < figures["runs"][0]["first_spike_ms"] < 30
    assert (tmp_path / "yinyang.png").is_file() and "mean" in capsys.readouterr().out


@pytest.mark.slow
def test_online_methods_learn_and_need_no_memory_over_time(tmp_path):
    main = runpy.run_path(str(EXAMPLES / "online_learning.py"))["main"]
    main(["--epochs", "1", "--samples", "64", "--steps", "40", "1000", "--out", str(tmp_path)])
    planned = {}
    for run in json.loads((tmp_path / "online.json").read_text())["runs"]:
        planned[run["gradient"]] = run["megabytes"]
    assert planned["bptt"][1] > 10 * planned["bptt"][0]
    assert planned["eprop"][1] < 2 * planned["eprop"][0] and planned["ottt"][1] < 0.2 * planned["bptt"][1]
    assert (tmp_path / "online.png").is_file()


def test_a_touch_reaches_the_command_interneurons_of_the_worm(tmp_path, data_folder, capsys):
    """AVA, AVB, AVD and PVC come first among 302 (Chalfie et al. 1985); all 3,709 synapses are there."""
    folder = data_folder("celegans")
    runpy.run_path(str(EXAMPLES / "celegans.py"))["main"](["--data", str(folder), "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    heard = printed.split("(Hz): ")[1].splitlines()[0].split(", ")[:8]
    assert {name.split()[0][:3] for name in heard} == {"AVA", "AVB", "AVD", "PVC"}
    assert (tmp_path / "celegans.png").is_file() and "3403" in printed and "306" in printed


@pytest.mark.slow
def test_the_microcircuit_has_its_size_and_fires(tmp_path, data_folder):
    """A fiftieth of the neurons and synapses: sizes are exact; so few neurons of layers 2/3 and 6 may stay silent."""
    folder = data_folder("potjans_diesmann")
    example = runpy.run_path(str(EXAMPLES / "microcircuit.py"))
    numbers = json.loads((folder / "potjans_diesmann_2014.json").read_text())["net_dict"]
    assert example["current_of_potential"](10.0, 0.5, 250.0) * 0.15 == pytest.approx(87.81, abs=0.01)
    example["main"](["--data", str(folder), "--scale", "0.02", "--duration", "300", "--out", str(tmp_path)])
    rates = json.loads((tmp_path / "microcircuit.json").read_text())["rates_hz"]
    assert list(rates) == numbers["populations"] and all(0 <= rate < 30 for rate in rates.values())
    assert (
        rates["L23E"] < rates["L4E"] < rates["L5I"] and 0 < rates["L5E"] and (tmp_path / "microcircuit.png").is_file()
    )


def test_stdp_parts_the_weights_and_draws_them(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLES / "stdp.py"))["main"]
    main(["--neurons", "2", "--duration", "2000", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert (tmp_path / "stdp.png").is_file() and "frozen" in printed
    assert WHY_XLA is not None or "one native call" in printed


def test_the_large_plastic_network_in_small(capsys):
    runpy.run_path(str(EXAMPLES / "stdp_220k.py"))["main"](
        ["--neurons", "1000", "--duration", "20", "--stretches", "2"]
    )
    assert "plastic synapses" in capsys.readouterr().out


@pytest.mark.slow
def test_brunels_network_has_its_four_regimes(tmp_path):
    """At full size: the rates of figure 8, within seeds; half a second of the slow oscillation differs by a fifth."""
    runpy.run_path(str(EXAMPLES / "brunel.py"))["main"](["--out", str(tmp_path)])
    found = json.loads((tmp_path / "brunel.json").read_text())
    fast, asynchronous, slow = ("synchronous irregular, fast", "asynchronous irregular", "synchronous irregular, slow")
    for name, rate, within in ((fast, 60.7, 0.1), (asynchronous, 37.7, 0.1), (slow, 5.5, 0.25)):
        assert found[name]["rate_hz"] == pytest.approx(rate, rel=within)
    assert found["synchronous regular"]["isi_cv"] < 0.1 and (tmp_path / "brunel.png").is_file()


def test_tasks_are_forgotten_less_where_updates_are_projected(tmp_path, capsys):
    """Two tasks on scikit-learn's digits; lateral neurons have the published shares of a layer's inputs."""
    example = runpy.run_path(str(EXAMPLES / "continual_learning.py"))
    published = [list(example["lateral"](784, 800, task, False).values()) for task in (0, 1, 2, 3, 9)]
    assert published == [[80, 200, 100], [70, 70, 70], [70, 70, 70], [50, 50, 50], [10, 10, 10]]
    small = ["--data", "digits", "--tasks", "2", "--hidden", "48", "--epochs", "8", "--rate", "0.2"]
    example["main"]([*small, "--out", str(tmp_path)])
    plain, projected = json.loads((tmp_path / "continual.json").read_text())["runs"]
    assert (plain["method"], projected["method"]) == ("plain", "hlop")
    assert plain["accuracy"][0] == projected["accuracy"][0]  # nothing to spare before the second task
    assert projected["bwt"] > plain["bwt"] + 0.03 and min(plain["at_once"], projected["at_once"]) > 0.85
    assert (tmp_path / "continual.png").is_file() and "test pictures" in capsys.readouterr().out


def test_a_network_follows_observed_spikes_and_its_likelihood_has_an_exact_gradient():
    """Followed spikes give the voltages of the simulation; the gradient is that of finite differences."""
    example = runpy.run_path(str(EXAMPLES / "fit_network.py"))
    net = example["network"](24, 3)
    spikes, _ = example["observe"](net, 3, 60)
    names = ["E.v", "I.v", "E.spikes", "I.spikes"]
    free, followed = (bs.run(net, given, steps=60, state=net.init_state(3), record=names) for given in (None, spikes))
    for name in names:
        np.testing.assert_allclose(followed.records[name], free.records[name], atol=1e-3)
    np.testing.assert_array_equal(spikes["E.spikes"], followed.records["E.spikes"])
    values = jnp.asarray(list(example["TRUTH"].values()), net.dtype)
    logs = jnp.log(jnp.abs(values)) + 0.2
    loss = jax.jit(jax.value_and_grad(lambda logs: example["loss"](logs, net, spikes)))
    gradient = np.asarray(loss(logs)[1], np.float64)
    for index, slope in enumerate(gradient):
        above, below = (float(loss(logs.at[index].add(step))[0]) for step in (0.004, -0.004))
        assert slope == pytest.approx((above - below) / 0.008, rel=0.02, abs=0.002 * np.abs(gradient).max())


@pytest.mark.slow
def test_parameters_of_a_network_are_recovered_from_its_spikes(tmp_path, capsys):
    """The fit is as near to the truth as its standard errors say."""
    main = runpy.run_path(str(EXAMPLES / "fit_network.py"))["main"]
    small = ["--neurons", "24", "--trials", "6", "--duration", "400", "--iterations", "20", "15"]
    main([*small, "--out", str(tmp_path)])
    (found,) = json.loads((tmp_path / "fit.json").read_text())["runs"]
    assert found["losses"][-1] < found["loss_of_truth"] < found["losses"][0]
    for row in found["parameters"].values():
        assert abs(row["error"]) < 4 * row["standard_error"] < 1
    assert (tmp_path / "fit.png").is_file() and "E->I.tau_syn" in capsys.readouterr().out


@pytest.mark.slow
def test_strong_evidence_decides_for_the_group_that_has_it(tmp_path):
    main = runpy.run_path(str(EXAMPLES / "wang_decision.py"))["main"]
    main(["--coherence", "0.5", "--trials", "4", "--duration", "1600", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "decision.json").read_text())
    assert found["chose_a"] == 1 and found["decided"] == 1 and (tmp_path / "decision.png").is_file()


@pytest.fixture(scope="module")
def nalsm():
    return runpy.run_path(str(EXAMPLES / "nalsm.py"))


def trained_by_hand(pre, post, counts, start, wired, bounds, *, swapped, fading, gain):
    """Weights and A as the published code has them: STDP, then traces, then the astrocyte, then all rates fade."""
    w, x, y = start, np.zeros(start.shape[0]), np.zeros(start.shape[1])
    a, a_plus, rest, keep = 0.15, 0.15, 0.15, 0.99 if fading else 1.0
    for s, t, count in zip(pre, post, counts, strict=True):
        grows, shrinks = (-max(a, 0), -a_plus) if swapped else (a_plus, max(a, 0))
        change = grows * np.outer(x, t) - shrinks * np.outer(s, y)
        w = np.where(wired, np.clip(w + change, *bounds), 0)
        x, y = np.exp(-0.1) * (x + 0.1 * s), np.exp(-0.1) * (y + 0.1 * t)
        a = (a + (-a + gain * count + rest) / 100) * keep
        a_plus, gain, rest = a_plus * keep, gain * keep, rest * keep
    return w


@pytest.mark.parametrize("fading", [False, True])
def test_the_liquid_of_nalsm_learns_as_published(nalsm, fading):
    """All three kinds of plastic synapse, against the published order of operations in NumPy."""
    net = nalsm["network"](inputs=64, side=5, gain=0.2, weight=1.0, plastic=True, fading=fading, seed=0)
    spikes = 100 * (np.random.default_rng(0).random((100, 64)) < 0.25).astype(np.float32)
    names = ("E", "I", "in")
    result = bs.run(net, {"in.v": jnp.asarray(spikes)}, record=[f"{name}.spikes" for name in names])
    trains = {name: np.asarray(result.records[f"{name}.spikes"], np.float64) for name in names}
    count = trains["E"].sum(1) + trains["I"].sum(1) - trains["in"].sum(1)
    for path, bounds in {"E->E": (0, 3), "I->E": (-3, 0), "in->I": (-3, 3)}.items():
        pre, post = path.split("->")
        edges = net[path]
        at = np.repeat(np.arange(edges.n_pre), np.diff(np.asarray(edges.indptr))), np.asarray(edges.indices)
        start, wired = np.zeros((2, edges.n_pre, edges.n_post))
        start[at], wired[at] = edges.weight, 1
        kind = dict(swapped=pre == "I", fading=fading, gain=0.2)
        expected = trained_by_hand(trains[pre], trains[post], count, start, wired > 0, bounds, **kind)
        found = np.asarray(result.state.projections[path].weight)
        assert np.abs(found - start[at]).max() > 0.02
        np.testing.assert_allclose(found, expected[at], atol=2e-6)


def test_nalsm_compares_its_liquids_and_draws_them(nalsm, tmp_path, capsys):
    small = ["--data", "digits", "--side", "5", "--train", "150", "--test", "60", "--initial", "40", "--steps", "60"]
    with lines_logged() as lines:
        nalsm["main"]([*small, "--cycles", "200", "--batch", "30", "--rasters", "4", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "nalsm.json").read_text())
    for name in ("static", "stdp", "astrocyte", "input"):
        assert found[name]["accuracy"] > 0.25
    assert found["stdp"]["depression"] == pytest.approx(0.15, abs=1e-4) != found["astrocyte"]["depression"]
    assert all(found[name]["rate_hz"] > 1 and found[name]["branching"] > 0 for name in ("static", "stdp", "astrocyte"))
    assert (tmp_path / "nalsm.png").is_file() and "branching" in capsys.readouterr().out
    assert WHY_XLA is not None or lines == []
