"""Single neurons against Brian2 with the same method and step: a spike in the same step, every time.

Brian2 counts the step of the spike into the refractory time: its value is ours plus dt.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import neurons as zoo
from tests.peers.test_nest import simulate

pytestmark = pytest.mark.slow
HH_GATES = """
dm/dt = (0.1*(v+40)/(1-exp(-(v+40)/10))*(1-m) - 4*exp(-(v+65)/18)*m)/ms : 1
dh/dt = (0.07*exp(-(v+65)/20)*(1-h) - h/(1+exp(-(v+35)/10)))/ms : 1
dn/dt = (0.01*(v+55)/(1-exp(-(v+55)/10))*(1-n) - 0.125*exp(-(v+65)/80)*n)/ms : 1
"""
HH = "dv/dt = (1000 - 12000*m**3*h*(v-50) - 3600*n**4*(v+77) - 30*(v+54.387))/100/ms : 1" + HH_GATES
TRAUB = """
dv/dt = (500 - 20000*m**3*h*(v-50) - 6000*n**4*(v+90) - 10*(v+60))/200/ms : 1
dm/dt = (0.32*(13-v-63)/(exp((13-v-63)/4)-1)*(1-m) - 0.28*(v+63-40)/(exp((v+63-40)/5)-1)*m)/ms : 1
dh/dt = (0.128*exp((17-v-63)/18)*(1-h) - 4/(1+exp((40-v-63)/5))*h)/ms : 1
dn/dt = (0.032*(15-v-63)/(exp((15-v-63)/5)-1)*(1-n) - 0.5*exp((10-v-63)/40)*n)/ms : 1
"""
ADEX = """
dv/dt = (-30*(v+70.6) + 60*exp((clip(v, -1000, -40.4)+50.4)/2) - w + 800)/281/ms : 1 (unless refractory)
dw/dt = (4*(v+70.6) - w)/144/ms : 1
"""
MAT = """
dv/dt = (-(v+70) + 0.05*450)/5/ms : 1
da/dt = -a/(10*ms) : 1
db/dt = -b/(200*ms) : 1
"""
IZH = """
dv/dt = (0.7*(v+60)*(v+40) - u + 100)/100/ms : 1
du/dt = 0.03*(-2*(v+60) - u)/ms : 1
"""
START = {"v": -65, "m": 0.05293248525724958, "h": 0.5961207535084603, "n": 0.3176769140606974}
REST = {"v": -60, "m": 0.026863329798445447, "h": 0.9913058218943975, "n": 0.06043403467863595}
CASES = {
    "LIF, exact": (
        zoo.LIF(20.0, -50.0, -60.0, -65.0, t_ref=2.0, i_bias=20.0),
        dict(
            equations="dv/dt = (-65 - v + 20)/(20*ms) : 1 (unless refractory)",
            **dict(method="exact", threshold="v >= -50", reset="v = -60", refractory=2.1, start={"v": -65}, dt=0.1),
        ),
    ),
    "QIF, rk4": (
        zoo.QIF(i_bias=8.0, integrator="rk4"),
        dict(
            equations="dv/dt = ((v+65)*(v+50)/15 + 8)/(10*ms) : 1",
            **dict(method="rk4", threshold="v >= -30", reset="v = -65", refractory=0.0, start={"v": -65}, dt=0.1),
        ),
    ),
    "AdEx, rk4": (
        zoo.AdEx(t_ref=2.0, i_bias=800.0, integrator="rk4"),
        dict(
            equations=ADEX,
            **dict(method="rk4", threshold="v >= -40.4", reset="v = -70.6; w += 80.5", refractory=2.05),
            **dict(start={"v": -70.6}, dt=0.05),
        ),
    ),
    "Izhikevich (2007), rk4": (
        zoo.Izhikevich2007(i_bias=100.0, integrator="rk4"),
        dict(
            equations=IZH,
            **dict(method="rk4", threshold="v >= 35", reset="v = -50; u += 100", refractory=0.0, start={"v": -60}),
            dt=0.1,
        ),
    ),
    "MAT2, exact": (
        zoo.MAT2(i_bias=450.0),
        dict(
            equations=MAT,
            **dict(method="exact", threshold="v >= -51 + a + b", reset="a += 37; b += 2", refractory=2.1),
            **dict(start={"v": -70}, dt=0.1),
        ),
    ),
    "HodgkinHuxley, rk4": (
        zoo.HodgkinHuxley(i_bias=1000.0, integrator="rk4"),
        dict(equations=HH, method="rk4", threshold="v > 0", reset="", refractory="v > 0", start=START, dt=0.02),
    ),
    "HodgkinHuxley, exponential Euler": (
        zoo.HodgkinHuxley(i_bias=1000.0),
        dict(equations=HH, method="exponential_euler", threshold="v > 0", reset="", refractory="v > 0", start=START)
        | dict(dt=0.02),
    ),
    "TraubHH, exponential Euler": (
        zoo.TraubHH(i_bias=500.0),
        dict(equations=TRAUB, method="exponential_euler", threshold="v > -20", reset="", refractory="v > -20")
        | dict(start=REST, dt=0.05),
    ),
}


@pytest.fixture(scope="module")
def answers(brian2):
    jobs = [dict(job, steps=6000) for _, job in CASES.values()]
    return dict(zip(CASES, brian2(jobs), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_same_steps(name, answers):
    neuron, job = CASES[name]
    out, _ = simulate(neuron, job["dt"], duration=6000 * job["dt"])
    assert out.sum() > 5 and jnp.isfinite(out).all()
    np.testing.assert_array_equal(np.flatnonzero(out[:, 0]), answers[name])
