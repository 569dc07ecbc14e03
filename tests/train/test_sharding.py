"""Two devices give the losses and parameters of one."""

import json
import os
import subprocess
import sys

import pytest

from brainsim.train.sharding import placement

SCRIPT = """
import json
import jax, numpy as np, optax
import brainsim as bs
from brainsim.units import ms

rng = np.random.default_rng(0)

def batch(size):
    x = (rng.random((12, size, 6)) < 0.4).astype(np.float32)
    return x, rng.integers(0, 3, size), rng.integers(6, 13, size)

def model():
    recurrent = bs.Recurrent(bs.LIF(10 * ms), 16)
    return bs.Sequential(bs.Linear(6, 16), ("hid", recurrent), bs.Linear(16, 3), bs.LI(10 * ms), dt=1 * ms)

def train(devices):
    return bs.fit(
        model(), batches, loss=bs.losses.ce_sum, optimizer=optax.sgd(0.05), epochs=2, valid=batches, devices=devices,
        regularize=[bs.losses.rate("hid.spikes", 100, 120, weight=1e-4)], progress=False,
    )

def distance(one, two):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return max(float(np.max(abs(np.asarray(a) - np.asarray(b)))) for a, b in pairs)

batches = [batch(size) for size in (8, 8, 5)]
one, two = train(None), train(jax.devices())
print(json.dumps({
    "devices": len(two.model["0"].weight.devices()),
    "apart": distance(one.model, two.model),
    "moved": distance(one.model, model()),
    "figures": [[*fit.history.steps, *fit.history["valid_loss"], *fit.history["rate/hid"]] for fit in (one, two)],
}))
"""


@pytest.mark.slow
def test_two_devices_are_one():
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["devices"] == 2 and found["moved"] > 1e-3 and found["apart"] < 1e-5
    assert found["figures"][0] == pytest.approx(found["figures"][1], rel=1e-5)


def test_no_device_is_refused():
    with pytest.raises(ValueError, match="`devices`: expected at least one device"):
        placement([])
