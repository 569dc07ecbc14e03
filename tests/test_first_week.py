"""What users write in their first week: whole scripts, small."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import brainsim as bs
from brainsim.networks.balanced import coba
from brainsim.units import ms, mV, nS, pA


def test_f_i_curve_of_200_neurons_at_once():
    current = np.linspace(0, 40, 200)
    lif = bs.LIF(20 * ms, v_th=-50 * mV, v_rest=-65 * mV, v_reset=-65 * mV, i_bias=current * pA)
    net = bs.Network({"x": bs.Population(200, lif)}, [], dt=0.1 * ms)
    counts = bs.simulate(net, 500 * ms, record=["x.spikes"])["x"].spikes.counts
    period = 20 * np.log(current[current > 15.5] / (current[current > 15.5] - 15))
    assert counts[current < 15].sum() == 0
    np.testing.assert_allclose(counts[current > 15.5], 500 / period, atol=1.5)


def test_step_current_and_noise_with_traces_every_millisecond():
    lif = bs.LIF(20 * ms, v_th=-50 * mV, v_rest=-65 * mV, v_reset=-65 * mV)
    net = bs.Network(
        {"E": bs.Population(4, lif), "I": bs.Population(4, lif)},
        [bs.Projection("I", "E", bs.AllToAll(), 1 * nS, bs.Exponential(10 * ms, e_rev=-80 * mV))],
        dt=0.1 * ms,
    )
    inputs = {"E": bs.TimedArray([0, 100, 0] * pA, every=20 * ms), "I": bs.OU(15 * pA, 20 * pA, 5 * ms)}
    record = [bs.Trace("E.v", ids=range(3), every=1 * ms), "I->E.g[:3]", "E.spikes"]
    result = bs.simulate(net, 80 * ms, inputs=inputs, record=record)
    assert result["E"].v.shape == (80, 3) and result["I->E"].g.shape == (800, 3)
    assert result.unit("E.v") == "mV"
    times = result["E"].spikes.t
    assert times.size and times.min() > 20 and times.max() <= 41


def test_is_dt_small_enough():
    net = coba(200)
    rates = []
    for dt in (0.2, 0.1):
        result = bs.simulate(bs.replace(net, dt=dt * ms), 300 * ms, record=["E.spikes"])
        rates.append(result["E"].spikes.counts.mean())
    assert abs(rates[0] - rates[1]) < 0.5 * rates[1]


def test_gradient_of_a_rate_with_respect_to_anything():
    net = coba(100)

    def rate(net):
        return bs.run(net, steps=300, record=[bs.Rate("E")]).records["E.rate"].mean()

    gradient = eqx.filter_grad(rate)(net)
    assert float(gradient["E->E"].weight) != 0 and float(gradient["E"].neuron.tau_mem) != 0
    assert np.isfinite(float(gradient["I->E"].weight))


def test_ensemble_and_streaming():
    model = bs.Sequential(bs.Linear(5, 8), bs.LIF(20 * ms), bs.Linear(8, 2), bs.LI(20 * ms), dt=4 * ms, seed=0)
    x = jnp.asarray(np.random.default_rng(0).random((20, 3, 5)) < 0.5, jnp.float32)
    outs = jax.vmap(lambda key: bs.run(model, x, key=key).out)(jax.random.split(jax.random.key(0), 4))
    assert outs.shape == (4, 20, 3, 2)
    first, state, _ = bs.run(model, x[:7])
    second, state, _ = bs.run(model, x[7:], state=state)
    np.testing.assert_array_equal(jnp.concatenate([first, second]), bs.run(model, x).out)


def test_own_training_loop():
    model = bs.Sequential(
        bs.Linear(6, 16), bs.LIF(20 * ms, trainable=("tau_mem",)), bs.Linear(16, 2), bs.LI(20 * ms), dt=4 * ms
    )
    rng = np.random.default_rng(0)
    y = jnp.asarray(rng.integers(0, 2, 32))
    x = jnp.asarray(rng.random((15, 32, 6)) < np.where(y[:, None] == np.arange(6) // 3, 0.6, 0.1), jnp.float32)
    params, static = eqx.partition(model, bs.mask(model))
    rates = {"weight": optax.sgd(0.02), "time_constant": optax.sgd(0.1), "frozen": optax.set_to_zero()}
    optimizer = bs.constrain(optax.multi_transform(rates, bs.labels(params)), params)

    @eqx.filter_jit
    def step(params, opt_state):
        def loss(params):
            return bs.losses.ce_sum(bs.run(eqx.combine(params, static), x).out, y)

        value, gradient = eqx.filter_value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return eqx.apply_updates(params, updates), opt_state, value

    opt_state, losses = optimizer.init(params), []
    for _ in range(25):
        params, opt_state, value = step(params, opt_state)
        losses.append(float(value))
    assert losses[-1] < 0.5 * losses[0]
    assert float(params[1].tau_mem) != 20.0
